"""How many pieces a training step is made from, so that the memory of a computer without GPU takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model.config import ModelConfig

MOST_NUMBERS = 2**30
"""Numbers that a piece may keep for its gradient: 4 GB of them."""


def pieces_for(config: ModelConfig, *, n_cells: int, n_tokens: int) -> int:
    """Return a power of two, so that the views of a cell stay together, or ``n_cells`` if single cells are too large.

    Parameters
    ----------
    config
        Sizes of the network.
    n_cells
        Cells of a step.
    n_tokens
        Tokens of a cell.
    """
    n_features = config.n_features if config.preset == "scbert" else 0
    all_heads = config.n_heads * config.head_width if config.preset == "scbert" else config.width
    per_layer = 2 * config.n_heads * n_features + 8 * all_heads + 4 * config.width + 3 * config.feed_forward
    pieces = 1
    while -(-n_cells // pieces) * n_tokens * per_layer * config.n_layers > MOST_NUMBERS and pieces < n_cells:
        pieces *= 2
    return min(pieces, n_cells)
