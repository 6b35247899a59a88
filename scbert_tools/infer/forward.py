"""Cells in, arrays out: probabilities and embeddings without gradients, in bounded memory."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from ..data.device import current_device, placed
from ..model.parallel import in_order, one_core_each
from ..tokens.levels import to_levels
from .latent_reader import LatentReader
from .plain_reader import PlainReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from scipy import sparse

    from ..model.annotator import Annotator
    from ..tokens.levels import TokenRows
    from .plain_reader import FloatArray

CELLS_PER_CHUNK = 256
"""Cells that are tokenised together; bounds memory, not results."""

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

    on_cpu = current_device().type == "cpu"
    preparing, reading = Lock(), nullcontext() if on_cpu else Lock()
    with one_core_each() as n_cores, _reader(annotator) as reader:

        def read(chunk: slice) -> tuple[FloatArray, FloatArray]:
            # Files and the table of pairs take one thread at a time.
            with preparing:
                tokens = to_levels(rows(chunk), annotator.levels)
                n_tokens[chunk] = tokens.lengths
                ready = reader.place(tokens)
            with reading:
                part: tuple[FloatArray, FloatArray] = reader.read(ready)
            return part

        # Of two threads that share one GPU, one prepares what comes next.
        for chunk, part in zip(shown, in_order(read, chunks, n_cores if on_cpu else 2), strict=True):
            logits[chunk], embedding[chunk] = part
    return CellStates(logits, embedding, n_tokens)


def run_network(annotator: Annotator, tokens: TokenRows) -> tuple[FloatArray, FloatArray]:
    """Return logits and embeddings of tokenised cells, in their order; where and how large a batch the settings say.

    Parameters
    ----------
    annotator
        The model.
    tokens
        The cells.
    """
    with _reader(annotator) as reader:
        return reader.read(reader.place(tokens))


@contextmanager
def _reader(annotator: Annotator) -> Iterator[Any]:
    """Give what reads cells with a model on the current device."""
    device = current_device()
    with placed(annotator.network.eval(), device) as network:
        plain = PlainReader(network, n_classes=len(annotator.classes), width=annotator.config.width)
        yield LatentReader(plain) if device.type == "cpu" and LatentReader.suits(network) else plain
