"""Latent networks read on a CPU: the answer of the plain modules up to rounding, in less time.

* What depends on a gene and its level alone is computed once for all cells: token vectors, and how strongly the first
  layer attends to them, for it asks the same of every cell.
* Attention runs on few cells of similar length, with hardly any padding; the steps among latents on many cells.
* Linear steps go through oneDNN, and the last layer does for CLS alone what no other latent is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.nn import functional

from .._settings import settings
from ..data.batches import by_length
from ..model.heads import CellHead
from ..model.latent import LatentEncoder
from .onednn import through_onednn
from .pair_table import PairTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ..model.latent import SelfAttention
    from ..model.network import CellTransformer
    from ..tokens.levels import TokenRows
    from .pair_table import Batch, PlacedTokens
    from .plain_reader import FloatArray, PlainReader

TOKENS_TOGETHER = 6144
"""Padded tokens whose vectors are looked up together: with fewer, the calls take longer than the cache saves."""

LATENTS_TOGETHER = 2048
"""Latents of all cells that go through the layers together: more are a little faster and take more memory."""

FAINTEST = 1e-30
"""Sum of the first layer's weights below which rounding would show; beside it, usual weights are about 1."""


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
        return self.table.place(tokens)

    @torch.inference_mode()
    def read(self, placed: PlacedTokens) -> tuple[FloatArray, FloatArray]:
        """Return logits (cells, classes) and embedding (cells, width)."""
        tokens = placed.tokens
        embedding = torch.empty(len(tokens.lengths), self.encoder.start.shape[1])
        order = np.argsort(tokens.lengths, kind="stable")
        n_together = min(settings.batch_size, max(1, LATENTS_TOGETHER // len(self.encoder.start)))
        for start in range(0, len(order), n_together):
            cells = order[start : start + n_together]
            parts = [cells[part] for part in by_length(tokens.lengths[cells], TOKENS_TOGETHER)]
            embedding[np.concatenate(parts)] = self._read([placed.batch(part) for part in parts])
        votes = self.head.votes.of_rows(*map(torch.from_numpy, (tokens.genes, tokens.levels, tokens.indptr[:-1])))
        logits, vectors = (votes + self.head.correction(embedding)).numpy(), embedding.numpy()
        unread = np.flatnonzero(np.isnan(vectors).any(axis=1))
        logits[unread], vectors[unread] = self.plain.read(tokens, unread)
        return logits, vectors

    def _read(self, batches: Sequence[Batch]) -> Tensor:
        """Return the CLS latent of the cells of some batches: (cells, width)."""
        layers, latents = cast("Any", self.encoder.layers), self.encoder.start.expand(sum(map(len, batches)), -1, -1)
        n_latents = latents.shape[1]
        for layer in layers:
            own = None if layer is layers[0] else self._queries(layer, latents)
            read = first_read(self.table, batches) if own is None else next_read(self.table, batches, own)
            latents = latents + layer.cross.out(read.view(len(read), n_latents, -1))
            asked = layer.norms[1](latents)
            if layer is layers[-1]:
                latents = latents[:, :1] + mix_first(layer.mix, asked)
            else:
                latents = latents + layer.mix(asked)
            latents = latents + layer.think(layer.norms[2](latents))
        embedding: Tensor = self.encoder.norm(latents)[:, 0]
        return embedding

    def _queries(self, layer: Any, latents: Tensor) -> Tensor:
        """Return what the heads of all latents ask, scaled: (…, latents × heads, gene_width)."""
        queries: Tensor = layer.cross.query(layer.norms[0](latents)).div_(self.gene_width**0.5)
        return queries.unflatten(-1, (-1, self.gene_width)).flatten(-3, -2)


def first_read(table: PairTable, batches: Sequence[Batch]) -> Tensor:
    """Return what is read with the weights of the table: (cells, queries, gene_width), NaN where they are too small."""
    sizes, n_queries = [len(batch) for batch in batches], table.weights.shape[1]
    read, total = torch.empty(sum(sizes), n_queries, table.vectors.shape[1]), torch.empty(sum(sizes), n_queries)
    for batch, part, part_total in zip(batches, read.split(sizes), total.split(sizes), strict=True):
        weights = batch.look_up(table.weights)
        torch.sum(weights, 1, out=part_total)
        torch.bmm(weights.mT, batch.look_up(table.vectors), out=part)
    return read.div_(total.masked_fill_(total <= FAINTEST, torch.nan)[:, :, None])


def next_read(table: PairTable, batches: Sequence[Batch], queries: Tensor) -> Tensor:
    """Return what every cell's own queries, (cells, queries, gene_width), read from its tokens, in the same shape."""
    read, sizes = [], [len(batch) for batch in batches]
    for batch, asked in zip(batches, queries[:, None].split(sizes), strict=True):
        vectors = batch.look_up(table.vectors)[:, None]
        read.append(functional.scaled_dot_product_attention(asked, vectors, vectors, batch.hidden(asked), scale=1.0))
    return torch.cat(read)


def mix_first(mix: SelfAttention, latents: Tensor) -> Tensor:
    """Return what the first latent, CLS, reads from all: (cells, latents, width) -> (cells, 1, width).

    With one latent asking, the projections of keys and values are cheaper on its side of the products.
    """
    project: Any = mix.project
    ask, key, value = project.weight.chunk(3)
    query_bias, _, value_bias = project.bias.chunk(3)  # that of keys shifts all scores of a query alike
    query = functional.linear(latents[:, 0], ask, query_bias).unflatten(-1, (mix.n_heads, -1))  # (cells, heads, …)
    asked = torch.einsum("chd,hdw->chw", query, key.unflatten(0, (mix.n_heads, -1))) / query.shape[-1] ** 0.5
    read = torch.bmm(torch.bmm(asked, latents.mT).softmax(-1), latents)
    answer = torch.einsum("chw,hdw->chd", read, value.unflatten(0, (mix.n_heads, -1))).flatten(1) + value_bias
    mixed: Tensor = mix.out(answer[:, None])
    return mixed
