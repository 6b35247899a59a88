"""Exact self-attention over CLS and every expressed gene: the encoder of the full size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from .embedding import GeneEmbedding
from .encoder import EncoderLayer
from .heads import build_cell_head
from .latent import SelfAttention
from .network import CellTransformer

if TYPE_CHECKING:
    from torch import Tensor

    from .config import ModelConfig


class ExactEncoder(nn.Module):
    """A CLS token and the genes, through a stack of layers in which every token reads every other.

    Parameters
    ----------
    width
        Numbers per token.
    layers
        The layers, outermost last.
    """

    def __init__(self, *, width: int, layers: list[EncoderLayer]) -> None:
        super().__init__()
        self.start = nn.Parameter(0.5 * torch.randn(width))
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, mask: Tensor, *, n_kept: int | None = None) -> Tensor:
        """Return the tokens after all layers, CLS first.

        Parameters
        ----------
        tokens
            (cells, genes, width).
        mask
            (cells, 1, 1, genes), true where a token is real.
        n_kept
            Tokens wanted, the first ones; by default CLS alone, so that no padding is read further on.

        Returns
        -------
        (cells, n_kept, width).
        """
        tokens = torch.cat([self.start.expand(len(tokens), 1, -1), tokens], dim=1)
        mask = functional.pad(mask, (1, 0), value=True)
        for layer in self.layers:
            tokens = layer(tokens, mask)
        return self.norm(tokens[:, : n_kept or 1])


def build_exact(config: ModelConfig, n_classes: int) -> CellTransformer:
    """Return an exact-attention network of the given sizes with fresh weights; gene tokens have the full width."""
    layers = [
        EncoderLayer(
            attention=SelfAttention(width=config.width, n_heads=config.n_heads),
            width=config.width,
            feed_forward=config.feed_forward,
            dropout=config.dropout,
        )
        for _ in range(config.n_layers)
    ]
    return CellTransformer(
        embedding=GeneEmbedding(config.n_genes, config.n_levels, config.width),
        encoder=ExactEncoder(width=config.width, layers=layers),
        head=build_cell_head(n_genes=config.n_genes, width=config.width, n_classes=n_classes, power=config.vote_power),
    )
