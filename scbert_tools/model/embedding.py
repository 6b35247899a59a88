"""Gene tokens: who the gene is, modulated by how strongly it is expressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class GeneEmbedding(nn.Module):
    """Turn (gene, level) pairs into vectors: ``gene * scale[level] + shift[level]``.

    The sum of gene and level vectors of the original scBERT is the case ``scale = 1``.

    Parameters
    ----------
    n_genes
        Genes of the vocabulary.
    n_levels
        Expression levels.
    width
        Numbers per token.
    """

    def __init__(self, n_genes: int, n_levels: int, width: int) -> None:
        super().__init__()
        self.gene = nn.Embedding(n_genes, width)
        nn.init.normal_(self.gene.weight, std=1.0)
        # Levels begin in their order, neighbours alike, instead of as strangers that must be learned one by one.
        ramp = torch.linspace(0.3, 1.7, n_levels)[:, None]
        self.scale = nn.Embedding.from_pretrained(ramp + 0.1 * torch.randn(1, width), freeze=False)
        self.shift = nn.Embedding.from_pretrained((ramp - 1) * 0.3 * torch.randn(1, width), freeze=False)

    def forward(self, genes: Tensor, levels: Tensor) -> Tensor:  # (cells, tokens) twice -> (cells, tokens, width)
        return torch.addcmul(self.shift(levels), self.gene(genes), self.scale(levels))
