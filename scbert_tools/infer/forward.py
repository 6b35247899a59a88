"""Cells in, arrays out: probabilities and embeddings without gradients, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from .._settings import settings
from ..data.batches import by_length, pad
from ..data.device import Room, current_device, device_of, placed, reading_precision
from ..tokens.levels import to_levels
from .parallel import in_order, one_core_each

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import NDArray
    from scipy import sparse

    from ..model.annotator import Annotator
    from ..model.network import CellTransformer
    from ..tokens.levels import TokenRows

    FloatArray: TypeAlias = NDArray[np.float32]

CELLS_PER_CHUNK = 1280
"""Cells that are tokenised together; bounds memory, not results."""

TOKENS_PER_BATCH = 10_240
"""Padded tokens that go through the network together: three times as many are 15 % faster and take 250 MB more."""

TOKENS_PER_GPU_BATCH = 2**19
"""The same on a GPU, which wants large batches; halved whenever its memory is full."""

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

    def chances(self, temperature: float) -> NDArray[np.float32]:
        """Return the calibrated probability of each class by itself, for cells that may have several."""
        return (1 / (1 + np.exp(-np.clip(self.logits / temperature, -60, 60)))).astype(np.float32)


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
    chunks = [slice(at, min(n_cells, at + CELLS_PER_CHUNK)) for at in range(0, n_cells, CELLS_PER_CHUNK)]
    shown = tqdm(chunks, desc="Reading cells", disable=not progress or n_cells < PROGRESS_FROM)
    device, room = current_device(), Room()
    with one_core_each() as n_cores, placed(annotator.network, device):
        # Threads that share one GPU only wait for each other.
        n_workers = n_cores if device.type == "cpu" else 1
        parts = in_order(partial(_read_chunk, annotator, room), map(rows, chunks), n_workers)
        for chunk, part in zip(shown, parts, strict=True):
            n_tokens[chunk], logits[chunk], embedding[chunk] = part
    return CellStates(logits, embedding, n_tokens)


def _read_chunk(
    annotator: Annotator, room: Room, values: sparse.csr_matrix
) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Return number of tokens, logits and embeddings of some cells."""
    tokens = to_levels(values, annotator.levels)
    return tokens.lengths, *run_network(annotator, tokens, room=room)


def run_network(annotator: Annotator, tokens: TokenRows, *, room: Room | None = None) -> tuple[FloatArray, FloatArray]:
    """Return logits and embeddings of tokenised cells, in their order; where and how large a batch the settings say.

    Parameters
    ----------
    annotator
        The model.
    tokens
        The cells.
    room
        What was learned of the memory of a GPU before; nothing by default.
    """
    n_cells, device, room = len(tokens.lengths), current_device(), room or Room()
    logits = np.zeros((n_cells, len(annotator.classes)), np.float32)
    embedding = np.zeros((n_cells, annotator.config.width), np.float32)
    lengths = annotator.network.tokens_read(tokens.lengths)
    most = TOKENS_PER_BATCH if device.type == "cpu" else TOKENS_PER_GPU_BATCH
    with placed(annotator.network.eval(), device) as network, torch.inference_mode(), reading_precision(device):
        for cells in by_length(lengths, most, cells_per_batch=settings.batch_size):
            logits[cells], embedding[cells] = room.fit(partial(_read_batch, network, tokens, cells), len(cells))
    return logits, embedding


def _read_batch(
    network: CellTransformer, tokens: TokenRows, cells: NDArray[np.int64], parts: int
) -> tuple[FloatArray, FloatArray]:
    """Return logits and embeddings of some cells, read in a number of parts."""
    logits, embedding = [], []
    for part in np.array_split(cells, parts):
        batch = pad(tokens, part).to(device_of(network))
        output = network(batch.genes, batch.levels, batch.mask)
        logits.append(output.logits.float().cpu().numpy())
        embedding.append(output.embedding.float().cpu().numpy())
    return np.concatenate(logits), np.concatenate(embedding)
