"""Attention among all genes of a cell, followed from CLS or from chosen genes, never as a table of genes × genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn import functional

from .latent_attention import ROLLOUT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ..data.batches import Batch
    from ..model.exact import ExactEncoder
    from ..model.latent import SelfAttention
    from ..model.network import CellTransformer

ROWS_AT_ONCE = 256
"""Tokens whose attention to all others is held together."""


@dataclass(frozen=True)
class ExactAttention:
    """Attention of a network in which every token reads every other.

    Made by :func:`~scbert_tools.infer.attention.attention_of`; cells are read one by one.

    Parameters
    ----------
    network
        A network with exact attention.
    of
        ``"rollout"`` over all layers, or the number of one layer, counted from 0.
    """

    network: CellTransformer
    of: str | int = ROLLOUT

    @torch.inference_mode()
    def __call__(self, batch: Batch, cells: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the attention of CLS to every token (cells, tokens), and what it sums to: one."""
        del cells
        shares = torch.zeros(batch.genes.shape)
        for row in range(len(batch)):
            tokens = self._tokens(batch.alone(row))
            shares[row, : len(tokens)] = self._follow(tokens, torch.eye(1, len(tokens) + 1))[0]
        return shares, torch.ones(len(shares))

    @torch.inference_mode()
    def between(self, batch: Batch, column: Tensor, *, n_genes: int) -> Tensor:
        """Return the attention from chosen genes to chosen genes, (cells, genes, genes), rows of others empty.

        Parameters
        ----------
        batch
            The cells.
        column
            (cells, tokens) which of the chosen genes a token is, -1 for none.
        n_genes
            How many genes are chosen.
        """
        square = torch.zeros(len(batch), n_genes, n_genes)
        for row in range(len(batch)):
            tokens = self._tokens(batch.alone(row))
            place = torch.nonzero(column[row] >= 0)[:, 0]
            chosen = column[row][place]
            start = functional.one_hot(place + 1, len(tokens) + 1).to(tokens.dtype)
            square[row][chosen[:, None], chosen] = self._follow(tokens, start)[:, place]
        return square

    def _tokens(self, cell: Batch) -> Tensor:
        """Return the token vectors of one cell, (tokens, width)."""
        return self.network.embedding(cell.genes, cell.levels)[0]

    def _follow(self, tokens: Tensor, start: Tensor) -> Tensor:
        """Return to which genes (rows, tokens) attention leads from a share of all tokens, (rows, 1 + tokens)."""
        encoder = cast("ExactEncoder", self.network.encoder)
        shares, steps = start, attention_steps(encoder, tokens)
        if self.of == ROLLOUT:
            for attention, heard in reversed(steps):
                shares = (shares + look_from(shares, attention, heard)) / 2
        else:
            shares = look_from(shares, *steps[int(self.of)])
        genes = shares[:, 1:]  # what CLS began with is nobody's gene
        return genes / genes.sum(1, keepdim=True).clamp_min(torch.finfo(genes.dtype).tiny)


def attention_steps(encoder: ExactEncoder, tokens: Tensor) -> list[tuple[SelfAttention, Tensor]]:
    """Return the attention of every layer and what it reads in one cell, (1 + tokens, width), the first layer first.

    Parameters
    ----------
    encoder
        The encoder.
    tokens
        (tokens, width) of one cell.
    """
    held, steps = torch.cat([encoder.start[None], tokens])[None], []
    layers: Any = encoder.layers
    for layer in layers:
        steps.append((layer.attention, layer.attention_norm(held)[0]))
        held = layer(held)
    return steps


def look_from(shares: Tensor, attention: SelfAttention, heard: Tensor) -> Tensor:
    """Return where tokens look, averaged over heads and over the tokens by their share: (rows, tokens).

    Parameters
    ----------
    shares
        (rows, tokens) how much each token counts in each row.
    attention
        Attention of one layer.
    heard
        (tokens, width) what it reads.
    """
    query, key, _ = (
        part.unflatten(-1, (attention.n_heads, -1)).transpose(0, 1)  # (heads, tokens, width / heads)
        for part in attention.project(heard).chunk(3, dim=-1)
    )
    seen = torch.zeros_like(shares)
    for some in torch.arange(len(heard)).split(ROWS_AT_ONCE):
        if shares[:, some].any():
            weights = (query[:, some] @ key.mT / query.shape[-1] ** 0.5).softmax(-1).mean(0)
            seen += shares[:, some] @ weights
    return seen
