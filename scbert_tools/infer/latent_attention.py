"""What the latents attend to, recomputed in the open, and rolled out from CLS to the genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn import functional

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ..data.batches import Batch
    from ..model.latent import CrossAttention, LatentEncoder, SelfAttention
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
class LatentAttention:
    """Attention of a network with latents.

    Made by :func:`~scbert_tools.infer.attention.attention_of`.

    Parameters
    ----------
    network
        A network with latents.
    of
        ``"rollout"`` over all layers, or the number of one layer, counted from 0.
    """

    network: CellTransformer
    of: str | int = ROLLOUT

    @torch.inference_mode()
    def __call__(self, batch: Batch, cells: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the attention of CLS to every token (cells, tokens), and what it sums to: one."""
        del cells
        readings = self._read(batch)
        shares = roll_out(readings)[:, 0] if self.of == ROLLOUT else readings[int(self.of)].genes[:, 0]
        return shares, torch.ones(len(shares))

    @torch.inference_mode()
    def between(self, batch: Batch, column: Tensor, *, n_genes: int) -> Tensor:
        """Return the attention from chosen genes to chosen genes, (cells, genes, genes), rows of others empty.

        Latents read genes; what a gene is read together with is where the latents that read it look as well. A row
        holds the attention of all latents, each weighted by how much of the gene went into it.

        Parameters
        ----------
        batch
            The cells.
        column
            (cells, tokens) which of the chosen genes a token is, -1 for none.
        n_genes
            How many genes are chosen.
        """
        shares = share_out(self._read(batch))
        wanted = torch.zeros(len(batch), shares.shape[1], n_genes + 1)
        wanted.scatter_add_(2, column.remainder(n_genes + 1)[:, None].expand_as(shares), shares)
        wanted = wanted[..., :n_genes]  # (cells, latents, genes)
        into = wanted / wanted.sum(1, keepdim=True).clamp_min(torch.finfo(wanted.dtype).tiny)
        own = wanted / shares.sum(2, keepdim=True)
        return into.mT @ own

    def _read(self, batch: Batch) -> list[Reading]:
        """Return the attention of every layer."""
        tokens = self.network.embedding(batch.genes, batch.levels)
        return read_openly(cast("LatentEncoder", self.network.encoder), tokens, mask=batch.mask)[1]
