"""What the latents attend to, recomputed in the open, and rolled out from CLS to the genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn import functional

from ..model.latent import LatentEncoder
from ..tokens.levels import to_levels
from .token_scores import CELLS_PER_CHUNK, readable_batches

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from scipy import sparse
    from torch import Tensor

    from ..data.batches import Batch
    from ..model.annotator import Annotator
    from ..model.latent import CrossAttention, SelfAttention
    from ..model.network import CellTransformer

ROLLOUT = "rollout"
"""Attention of all layers together, as opposed to that of one layer, named by its number."""


@dataclass(frozen=True)
class Reading:
    """Attention of one layer, averaged over heads.

    Parameters
    ----------
    genes
        (cells, latents, tokens) from latents to genes, zero on padding; rows sum to one.
    latents
        (cells, kept, latents) from latents to latents; rows sum to one.
    """

    genes: Tensor
    latents: Tensor


def read_openly(
    encoder: LatentEncoder, tokens: Tensor, *, mask: Tensor, gain: Tensor | None = None
) -> tuple[Tensor, list[Reading]]:
    """Run a latent encoder with its attention in the open; every cell must have a token.

    Parameters
    ----------
    encoder
        The encoder; the result equals its own forward pass.
    tokens
        (cells, genes, gene_width).
    mask
        (cells, 1, 1, genes), true where a token is real.
    gain
        (cells, genes) factor of every token vector; 1 by default. Its gradient costs no gradient of the vectors.

    Returns
    -------
    The CLS latent (cells, width), and the attention of every layer.
    """
    readings: list[Reading] = []
    latents: Tensor = encoder.start.expand(len(tokens), -1, -1)
    layers: Any = encoder.layers
    for layer in layers:
        n_kept = 1 if layer is layers[-1] else latents.shape[1]
        read, genes = _read_genes(layer.cross, layer.norms[0](latents), tokens, mask[:, 0], gain)
        latents = latents + read
        mixed, among = _read_latents(layer.mix, layer.norms[1](latents), n_kept)
        latents = latents[:, :n_kept] + mixed
        latents = latents + layer.think(layer.norms[2](latents))
        readings.append(Reading(genes, among))
    return encoder.norm(latents)[:, 0], readings


def _read_genes(
    cross: CrossAttention, latents: Tensor, tokens: Tensor, real: Tensor, gain: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return what the latents read from the genes, and their mean weights (cells, latents, tokens)."""
    n_cells, n_latents, _ = latents.shape
    query = cross.query(latents).view(n_cells, n_latents * cross.n_heads, -1) / tokens.shape[-1] ** 0.5
    scores = query @ tokens.mT
    if gain is not None:
        scores = scores * gain[:, None]
    weights = scores.masked_fill(~real, torch.finfo(scores.dtype).min).softmax(-1)
    seen = weights if gain is None else weights * gain[:, None]
    read = cross.out((seen @ tokens).reshape(n_cells, n_latents, -1))
    return read, weights.unflatten(1, (n_latents, cross.n_heads)).mean(2)


def _read_latents(mix: SelfAttention, latents: Tensor, n_kept: int) -> tuple[Tensor, Tensor]:
    """Return what the first latents read from all, and their mean weights (cells, kept, latents)."""
    query, key, value = (
        part.unflatten(-1, (mix.n_heads, -1)).transpose(1, 2)  # (cells, heads, latents, width / heads)
        for part in functional.linear(latents, mix.project.weight, mix.project.bias).chunk(3, dim=-1)
    )
    weights = (query[:, :, :n_kept] @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
    return mix.out((weights @ value).transpose(1, 2).flatten(2)), weights.mean(1)


def roll_out(readings: list[Reading]) -> Tensor:
    """Return how much each latent of the last layer drew from each gene, (cells, kept, tokens), rows summing to one.

    As in attention rollout, every step keeps one half of what a latent held and takes the other half from
    what it attends to; what the latents began with is nobody's gene and is divided out.

    Parameters
    ----------
    readings
        Attention of every layer, the first one first.
    """
    held = torch.zeros_like(readings[0].genes)
    for reading in readings:
        held = (held + reading.genes) / 2
        held = (held[:, : reading.latents.shape[1]] + reading.latents @ held) / 2
    return held / held.sum(-1, keepdim=True).clamp_min(torch.finfo(held.dtype).tiny)


def share_out(readings: list[Reading]) -> Tensor:
    """Return how much CLS drew from each gene by way of each latent, (cells, latents, tokens), cells summing to one.

    The sum over latents is the first row of :func:`roll_out`. A latent counts with what it held before the last
    mixing, times the share that CLS took of it.

    Parameters
    ----------
    readings
        Attention of every layer, the first one first.
    """
    held = torch.zeros_like(readings[0].genes)
    for reading in readings[:-1]:
        held = (held + reading.genes) / 2
        held = (held + reading.latents @ held) / 2
    taken = readings[-1].latents[:, 0].clone()
    taken[:, 0] += 1  # what CLS keeps
    parts = (held + readings[-1].genes) * taken[:, :, None]
    return parts / parts.sum((1, 2), keepdim=True).clamp_min(torch.finfo(parts.dtype).tiny)


@dataclass(frozen=True)
class AttentionToGenes:
    """How much CLS attends to each gene; a kernel of :func:`~scbert_tools.infer.token_scores.score_groups`.

    Parameters
    ----------
    network
        A network with latents.
    of
        ``"rollout"`` over all layers, or the number of one layer, counted from 0.
    """

    network: CellTransformer
    of: str | int = ROLLOUT

    @classmethod
    def of_model(cls, annotator: Annotator, of: str | int = ROLLOUT) -> AttentionToGenes:
        """Return the kernel of a model, or say why there is none.

        Raises
        ------
        ValueError
            If the model has no latents, or no such layer.
        """
        encoder = annotator.network.encoder
        if not isinstance(encoder, LatentEncoder):
            msg = (
                f'`model` {annotator.name!r} has the architecture "{annotator.config.preset}", whose attention is a '
                'table of genes × genes per cell, too large to keep; use a model of the architecture "mini".'
            )
            raise ValueError(msg)
        layers = range(len(encoder.layers))
        if of != ROLLOUT and of not in layers:
            msg = f'`of` must be "{ROLLOUT}" or the number of a layer, {list(layers)}, got {of!r}.'
            raise ValueError(msg)
        return cls(annotator.network.eval(), of)

    @torch.inference_mode()
    def __call__(self, batch: Batch, cells: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the attention to every token (cells, tokens), and what it sums to: one."""
        del cells
        tokens = self.network.embedding(batch.genes, batch.levels)
        readings = read_openly(cast("LatentEncoder", self.network.encoder), tokens, mask=batch.mask)[1]
        shares = roll_out(readings)[:, 0] if self.of == ROLLOUT else readings[int(self.of)].genes[:, 0]
        return shares, torch.ones(len(shares))


def gene_attention(
    annotator: Annotator,
    rows: Callable[[NDArray[np.int64]], sparse.csr_matrix],
    *,
    cells: NDArray[np.int64],
    genes: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return the mean attention from genes to genes, (genes, genes); missing where no cell expresses the first.

    Latents read genes; what a gene is read together with is where the latents that read it look as well. A row
    holds the attention of all latents, each weighted by how much of the gene went into it.

    Parameters
    ----------
    annotator
        A model with latents.
    rows
        Gives cells by their numbers as (cells, vocabulary) values proportional to counts.
    cells
        (cells,) numbers of the cells to average over.
    genes
        (genes,) numbers of the genes in the vocabulary.
    """
    sums, n_cells = torch.zeros(len(genes), len(genes)), torch.zeros(len(genes))
    place = torch.full((len(annotator.vocabulary) + 1,), -1)
    place[torch.from_numpy(genes)] = torch.arange(len(genes))
    for start in range(0, len(cells), CELLS_PER_CHUNK):
        tokens = to_levels(rows(cells[start : start + CELLS_PER_CHUNK]), annotator.levels)
        for _, batch in readable_batches(tokens):
            square, seen = _square(annotator.network, batch, place, len(genes))
            sums += square
            n_cells += seen
    return (sums / n_cells[:, None]).numpy()


@torch.inference_mode()
def _square(network: CellTransformer, batch: Batch, place: Tensor, n_genes: int) -> tuple[Tensor, Tensor]:
    """Return the summed gene-gene attention of a batch and in how many cells each gene is expressed."""
    readings = read_openly(
        cast("LatentEncoder", network.encoder), network.embedding(batch.genes, batch.levels), mask=batch.mask
    )[1]
    shares = share_out(readings)
    column = place[batch.genes.long()].masked_fill(~batch.mask[:, 0, 0], -1)
    wanted = torch.zeros(len(batch), shares.shape[1], n_genes + 1)
    wanted.scatter_add_(2, column.remainder(n_genes + 1)[:, None].expand_as(shares), shares)
    wanted = wanted[..., :n_genes]  # (cells, latents, genes)
    into = wanted / wanted.sum(1, keepdim=True).clamp_min(torch.finfo(wanted.dtype).tiny)
    own = wanted / shares.sum(2, keepdim=True)
    seen = (wanted.sum(1) > 0).sum(0)
    return torch.einsum("clg,clh->gh", into, own), seen.float()
