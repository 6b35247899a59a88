"""Cells read as the modules of a network do it, whatever they are and wherever they run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from .._settings import settings
from ..data.batches import by_length, pad
from ..data.device import Room, device_of, reading_precision

if TYPE_CHECKING:
    from ..model.network import CellTransformer
    from ..tokens.levels import TokenRows

FloatArray: TypeAlias = NDArray[np.float32]

TOKENS_PER_BATCH = 10_240
"""Padded tokens that go through the network together: three times as many are 15 % faster and take 250 MB more."""

TOKENS_PER_GPU_BATCH = 2**19
"""The same on a GPU, which wants large batches; halved whenever its memory is full."""


class PlainReader:
    """Reads cells with any network.

    Parameters
    ----------
    network
        The network, where it is to run, not training.
    n_classes, width
        Numbers it gives for every cell.
    """

    def __init__(self, network: CellTransformer, *, n_classes: int, width: int) -> None:
        self.network, self.n_classes, self.width = network, n_classes, width
        self.room = Room()
        """What was learned of the memory of a GPU, for all cells that are read."""

    def place(self, tokens: TokenRows) -> TokenRows:
        """Return cells ready to be read: as they are."""
        return tokens

    def read(self, tokens: TokenRows, some: NDArray[np.int64] | None = None) -> tuple[FloatArray, FloatArray]:
        """Return logits (cells, classes) and embedding (cells, width) of ``some`` cells, all by default."""
        some = np.arange(len(tokens.lengths)) if some is None else some
        logits, embedding = (np.zeros((len(some), n), np.float32) for n in (self.n_classes, self.width))
        device, lengths = device_of(self.network), self.network.tokens_read(tokens.lengths[some])
        most = TOKENS_PER_BATCH if device.type == "cpu" else TOKENS_PER_GPU_BATCH
        with torch.inference_mode(), reading_precision(device):
            for cells in by_length(lengths, most, cells_per_batch=settings.batch_size):
                logits[cells], embedding[cells] = self.room.fit(partial(self._batch, tokens, some[cells]), len(cells))
        return logits, embedding

    def _batch(self, tokens: TokenRows, cells: NDArray[np.int64], parts: int) -> tuple[FloatArray, FloatArray]:
        """Return logits and embeddings of some cells, read in a number of parts."""
        logits, embedding = [], []
        for part in np.array_split(cells, parts):
            batch = pad(tokens, part).to(device_of(self.network))
            output = self.network(batch.genes, batch.levels, batch.mask)
            logits.append(output.logits.float().cpu().numpy())
            embedding.append(output.embedding.float().cpu().numpy())
        return np.concatenate(logits), np.concatenate(embedding)
