"""Latent networks read on a CPU: the answer of the plain modules up to rounding, in less time.

* What depends on a gene and its level alone is computed once for all cells: token vectors, and how strongly the first
  layer attends to them, for it asks the same of every cell.
* Attention runs on few cells of similar length, whose tokens stay in the cache; the steps among latents on many cells.
* Linear steps go through oneDNN, which uses the widest registers of every maker's processors.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .._settings import settings
from ..data.batches import by_length
from ..model.heads import CellHead
from ..model.latent import LatentEncoder
from .pair_table import PairTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ..model.network import CellTransformer
    from ..tokens.levels import TokenRows
    from .plain_reader import FloatArray, PlainReader

Module = TypeVar("Module", bound=nn.Module)

TOKENS_IN_CACHE = 4096
"""Padded tokens whose vectors are looked up together."""

LATENTS_TOGETHER = 1024
"""Latents of all cells that go through the layers together: more are a little faster and take more memory."""

FAINTEST = 1e-30
"""Sum of the first layer's weights below which rounding would show; beside it, usual weights are about 1."""


@dataclass(frozen=True)
class PlacedTokens:
    """Tokens of some cells and where they stand in a table.

    Parameters
    ----------
    tokens
        The tokens.
    rows
        (tokens + 1,) row of every token and, last, that of padding.
    """

    tokens: TokenRows
    rows: NDArray[np.int32]

    def batch(self, cells: NDArray[np.int64]) -> Tensor:
        """Return the rows of the tokens of some cells, padded to the longest: (cells, tokens) int32."""
        starts, ends = self.tokens.indptr[:-1][cells, None], self.tokens.indptr[1:][cells, None]
        token = starts + np.arange(max(1, (ends - starts).max()))
        return torch.from_numpy(self.rows[np.where(token < ends, token, -1)])


class OneDnnLinear(nn.Module):
    """The same as a linear module, through oneDNN.

    Parameters
    ----------
    linear
        The module; its weights are copied.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weights = linear.weight.detach().to_mkldnn(), linear.bias.detach().to_mkldnn()

    def forward(self, x: Tensor) -> Tensor:
        """Return the linear map of the last axis of ``x``."""
        rows = x.reshape(-1, x.shape[-1]).to_mkldnn()
        return functional.linear(rows, *self.weights).to_dense().view(*x.shape[:-1], -1)


def through_onednn(module: Module) -> Module:
    """Return a copy of a module whose linear steps go through oneDNN, where torch was built with it."""
    copied = deepcopy(module)
    if torch.backends.mkldnn.is_available():
        for parent in list(copied.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(parent, name, OneDnnLinear(child))
    return copied


class LatentReader:
    """Reads cells with a latent network.

    Parameters
    ----------
    plain
        Reads the cells in which the first layer finds nothing, with the same network; see :meth:`suits`.
    """

    @torch.inference_mode()
    def __init__(self, plain: PlainReader) -> None:
        network = plain.network
        self.plain, self.head = plain, cast("CellHead", network.head)
        self.encoder = through_onednn(cast("LatentEncoder", network.encoder))
        self.gene_width = network.embedding.gene.embedding_dim
        first: Any = self.encoder.layers[0]
        self.table = PairTable(network.embedding, self._queries(first, self.encoder.start))

    @staticmethod
    def suits(network: CellTransformer) -> bool:
        """Return whether a network is of the kind that is read here."""
        return isinstance(network.encoder, LatentEncoder) and isinstance(network.head, CellHead)

    @torch.inference_mode()
    def place(self, tokens: TokenRows) -> PlacedTokens:
        """Return the cells ready to be read; one thread does this for all."""
        return PlacedTokens(tokens, self.table.place(tokens))

    @torch.inference_mode()
    def read(self, placed: PlacedTokens) -> tuple[FloatArray, FloatArray]:
        """Return logits (cells, classes) and embedding (cells, width)."""
        tokens = placed.tokens
        embedding = torch.empty(len(tokens.lengths), self.encoder.start.shape[1])
        order = np.argsort(tokens.lengths, kind="stable")
        n_together = min(settings.batch_size, max(1, LATENTS_TOGETHER // len(self.encoder.start)))
        for start in range(0, len(order), n_together):
            cells = order[start : start + n_together]
            parts = [cells[part] for part in by_length(tokens.lengths[cells], TOKENS_IN_CACHE)]
            embedding[np.concatenate(parts)] = self._read([placed.batch(part) for part in parts])
        votes = self.head.votes.of_rows(*map(torch.from_numpy, (tokens.genes, tokens.levels, tokens.indptr[:-1])))
        logits, vectors = (votes + self.head.correction(embedding)).numpy(), embedding.numpy()
        unread = np.flatnonzero(np.isnan(vectors).any(axis=1))
        logits[unread], vectors[unread] = self.plain.read(tokens, unread)
        return logits, vectors

    def _read(self, batches: Sequence[Tensor]) -> Tensor:
        """Return the CLS latent of the cells of some batches: (cells, width)."""
        layers, latents = cast("Any", self.encoder.layers), self.encoder.start.expand(sum(map(len, batches)), -1, -1)
        n_latents = latents.shape[1]
        for layer in layers:
            own = None if layer is layers[0] else self._queries(layer, latents)
            read = first_read(self.table, batches) if own is None else next_read(self.table, batches, own)
            read = layer.cross.out(read.view(len(read), n_latents, -1))
            latents = layer.settle(latents, read, 1 if layer is layers[-1] else n_latents)
        embedding: Tensor = self.encoder.norm(latents)[:, 0]
        return embedding

    def _queries(self, layer: Any, latents: Tensor) -> Tensor:
        """Return what the heads of all latents ask, scaled: (…, latents × heads, gene_width)."""
        queries: Tensor = layer.cross.query(layer.norms[0](latents)) / self.gene_width**0.5
        return queries.unflatten(-1, (-1, self.gene_width)).flatten(-3, -2)


def first_read(table: PairTable, batches: Sequence[Tensor]) -> Tensor:
    """Return what is read with the weights of the table: (cells, queries, gene_width), NaN where they are too small."""
    read = []
    for batch in batches:
        weights = functional.embedding(batch, table.weights)
        total = weights.sum(1)
        total = torch.where(total > FAINTEST, total, torch.nan)[:, :, None]
        read.append(torch.bmm(weights.mT, functional.embedding(batch, table.vectors)) / total)
    return torch.cat(read)


def next_read(table: PairTable, batches: Sequence[Tensor], queries: Tensor) -> Tensor:
    """Return what every cell's own queries, (cells, queries, gene_width), read from its tokens, in the same shape."""
    read = []
    for batch, asked in zip(batches, queries.split([len(batch) for batch in batches]), strict=True):
        vectors = functional.embedding(batch, table.vectors)
        hidden = torch.zeros(batch.shape).masked_fill_(batch == 0, -torch.inf)[:, None]
        weights = torch.baddbmm(hidden, asked, vectors.mT).softmax(-1)
        read.append(torch.bmm(weights, vectors))
    return torch.cat(read)
