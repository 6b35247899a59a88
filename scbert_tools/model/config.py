"""Sizes of a network: one frozen object, validated once, stored as JSON beside the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes of the latent-attention encoder.

    Parameters
    ----------
    n_genes
        Genes of the vocabulary.
    n_levels
        Expression levels a token can have.
    """

    n_genes: int
    n_levels: int = 32
    gene_width: int = 64
    """Numbers per gene token; the cost of reading a cell is proportional to it."""
    width: int = 128
    """Numbers per latent token and in the cell embedding."""
    n_latents: int = 8
    n_heads: int = 4
    n_layers: int = 2
    feed_forward: int = 256
    dropout: float = 0.1
    """Applied to what a layer adds, never inside attention, where it would leave the fast path."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name != "dropout" and (not isinstance(value, int) or value < 1):
                msg = f"`{name}` must be a positive whole number, got {value!r}."
                raise ValueError(msg)
        if not 0 <= self.dropout < 1:
            msg = f"`dropout` must be at least 0 and below 1, got {self.dropout!r}."
            raise ValueError(msg)
        if self.width % self.n_heads:
            msg = f"`width` must be a multiple of `n_heads`, got {self.width} and {self.n_heads}."
            raise ValueError(msg)

    def to_json(self) -> dict[str, Any]:
        """Return the sizes as plain JSON values."""
        return asdict(self)
