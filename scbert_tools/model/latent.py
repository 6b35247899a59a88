"""Latent attention: a few learned tokens read a cell's genes, at a cost linear in the number of genes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


class CrossAttention(nn.Module):
    """Multi-head attention of latents over gene tokens, with the key and value projections absorbed.

    ``q (W_k x) = (W_k' q) x`` and ``W_v`` commutes with the weighted sum, so the projections act on the few
    latents instead of on every gene, and keys and values are the token vectors themselves.

    Parameters
    ----------
    width
        Numbers per latent.
    gene_width
        Numbers per gene token.
    n_heads
        Heads.
    """

    def __init__(self, *, width: int, gene_width: int, n_heads: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, n_heads * gene_width)
        self.out = nn.Linear(n_heads * gene_width, width)
        self.n_heads = n_heads

    def forward(self, latents: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return what each latent reads.

        Parameters
        ----------
        latents
            (cells, latents, width), or (1, latents, width) where all cells are asked the same.
        tokens
            (cells, genes, gene_width).
        mask
            (cells, 1, 1, genes), true where a token is real.
        """
        n_cells, n_latents = len(tokens), latents.shape[1]
        query = self.query(latents).view(len(latents), 1, n_latents * self.n_heads, -1).expand(n_cells, -1, -1, -1)
        tokens = tokens.unsqueeze(1)  # (cells, 1, genes, gene_width)
        read = functional.scaled_dot_product_attention(query, tokens, tokens, attn_mask=mask)
        return self.out(read.reshape(n_cells, n_latents, -1))


class SelfAttention(nn.Module):
    """Multi-head softmax attention among tokens: the latents, or all genes of a cell.

    Parameters
    ----------
    width
        Numbers per token.
    n_heads
        Heads.
    """

    def __init__(self, *, width: int, n_heads: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.n_heads = n_heads

    def forward(self, tokens: Tensor, mask: Tensor | None = None, *, n_asking: int | None = None) -> Tensor:
        """Return what the first ``n_asking`` tokens read from the real ones.

        Parameters
        ----------
        tokens
            (cells, tokens, width).
        mask
            (cells, 1, 1, tokens), true where a token is real; ``None`` where all are.
        n_asking
            Tokens whose answer is wanted; all by default.

        Returns
        -------
        (cells, n_asking, width).
        """
        query, key, value = map(self._heads, self.project(tokens).chunk(3, dim=-1))
        read = functional.scaled_dot_product_attention(query[:, :, :n_asking], key, value, attn_mask=mask)
        return self.out(read.transpose(1, 2).flatten(2))

    def _heads(self, vectors: Tensor) -> Tensor:  # (cells, tokens, width) -> (cells, heads, tokens, width / heads)
        return vectors.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)


class LatentLayer(nn.Module):
    """Read the genes, talk among latents, think: three pre-norm steps, each added to its input.

    Parameters
    ----------
    width
        Numbers per latent.
    gene_width
        Numbers per gene token.
    n_heads
        Heads of both attentions.
    feed_forward
        Hidden numbers of the feed-forward step.
    dropout
        Share of what a step adds that is dropped in training.
    """

    def __init__(self, *, width: int, gene_width: int, n_heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.cross = CrossAttention(width=width, gene_width=gene_width, n_heads=n_heads)
        self.mix = SelfAttention(width=width, n_heads=n_heads)
        self.think = nn.Sequential(nn.Linear(width, feed_forward), nn.GELU(), nn.Linear(feed_forward, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, latents: Tensor, tokens: Tensor, mask: Tensor, *, n_kept: int) -> Tensor:
        """Return the first ``n_kept`` latents after one layer; shapes as in :class:`CrossAttention`."""
        latents = latents + self.dropout(self.cross(self.norms[0](latents), tokens, mask))
        kept = latents[:, :n_kept] + self.dropout(self.mix(self.norms[1](latents), n_asking=n_kept))
        return kept + self.dropout(self.think(self.norms[2](kept)))


class LatentEncoder(nn.Module):
    """Learned latents that read a cell through a stack of layers; the first latent is the cell.

    Parameters
    ----------
    n_latents
        Latent tokens, the first one being CLS.
    width
        Numbers per latent.
    layers
        The layers, outermost last.
    """

    def __init__(self, *, n_latents: int, width: int, layers: list[LatentLayer]) -> None:
        super().__init__()
        self.start = nn.Parameter(0.5 * torch.randn(n_latents, width))
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, mask: Tensor, *, n_kept: int | None = None) -> Tensor:
        """Return the latents after all layers.

        Parameters
        ----------
        tokens
            (cells, genes, gene_width).
        mask
            (cells, 1, 1, genes), true where a token is real.
        n_kept
            Latents wanted, the first ones; all by default. The last layer skips what only the others need.

        Returns
        -------
        (cells, n_kept, width).
        """
        n_latents = len(self.start)
        latents = self.start[None]  # the first layer asks the same of every cell
        for layer in self.layers:
            last = layer is self.layers[-1]
            latents = layer(latents, tokens, mask, n_kept=(n_kept or n_latents) if last else n_latents)
        return self.norm(latents)
