"""Cells in, arrays out: probabilities and embeddings without gradients, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm.auto import tqdm

from ..data.batches import by_length, pad
from ..tokens.levels import to_levels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy import sparse

    from ..model.annotator import Annotator
    from ..tokens.levels import TokenRows

CELLS_PER_CHUNK = 4096
"""Cells that are tokenised together; bounds memory, not results."""

TOKENS_PER_BATCH = 16_384
"""Padded tokens that go through the network together; small enough to stay in a CPU's cache."""

PROGRESS_FROM = 5_000
"""Fewer cells are done before a progress bar could be read."""


@dataclass(frozen=True)
class CellStates:
    """What the network says of many cells.

    Parameters
    ----------
    logits
        (cells, classes) float32, not calibrated.
    embedding
        (cells, width) float32.
    n_tokens
        (cells,) number of vocabulary genes each cell expresses; 0 means that there was nothing to read.
    """

    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]
    n_tokens: NDArray[np.int64]

    def probabilities(self, temperature: float) -> NDArray[np.float32]:
        """Return calibrated class probabilities, (cells, classes)."""
        scaled = self.logits / temperature
        scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return (scaled / scaled.sum(axis=1, keepdims=True)).astype(np.float32)


def read_cells(
    annotator: Annotator, rows: Callable[[slice], sparse.csr_matrix], n_cells: int, *, progress: bool = True
) -> CellStates:
    """Run the network over all cells, a chunk at a time.

    Parameters
    ----------
    annotator
        The model.
    rows
        Gives the cells of a slice as (cells, vocabulary) values proportional to counts.
    n_cells
        Number of cells.
    progress
        Show a progress bar when there are many cells.
    """
    logits = np.zeros((n_cells, len(annotator.classes)), np.float32)
    embedding = np.zeros((n_cells, annotator.config.width), np.float32)
    n_tokens = np.zeros(n_cells, np.int64)
    starts = range(0, n_cells, CELLS_PER_CHUNK)
    for start in tqdm(starts, desc="Reading cells", disable=not progress or n_cells < PROGRESS_FROM):
        chunk = slice(start, min(n_cells, start + CELLS_PER_CHUNK))
        tokens = to_levels(rows(chunk), annotator.levels)
        n_tokens[chunk] = tokens.lengths
        logits[chunk], embedding[chunk] = run_network(annotator, tokens)
    return CellStates(logits, embedding, n_tokens)


def run_network(annotator: Annotator, tokens: TokenRows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return logits and embeddings of tokenised cells, in their order."""
    n_cells = len(tokens.lengths)
    logits = np.zeros((n_cells, len(annotator.classes)), np.float32)
    embedding = np.zeros((n_cells, annotator.config.width), np.float32)
    network = annotator.network.eval()
    with torch.inference_mode():
        for cells in by_length(annotator.network.tokens_read(tokens.lengths), TOKENS_PER_BATCH):
            batch = pad(tokens, cells)
            output = network(batch.genes, batch.levels, batch.mask)
            logits[cells], embedding[cells] = output.logits.numpy(), output.embedding.numpy()
    return logits, embedding
