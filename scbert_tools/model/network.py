"""The whole network: gene tokens, encoder, head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from .embedding import GeneEmbedding
from .heads import build_cell_head
from .latent import LatentEncoder, LatentLayer

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from .config import ModelConfig
    from .exact import ExactEncoder
    from .scbert import PerformerEncoder

    Encoder: TypeAlias = LatentEncoder | ExactEncoder | PerformerEncoder


@dataclass(frozen=True)
class CellOutput:
    """What the network says of some cells.

    Parameters
    ----------
    logits
        (cells, classes), not calibrated.
    embedding
        (cells, width), the CLS latent.
    """

    logits: Tensor
    embedding: Tensor


class CellTransformer(nn.Module):
    """Gene tokens → encoder → cell type.

    Parameters
    ----------
    embedding
        Turns genes and levels into tokens.
    encoder
        Reads the tokens; its first output is the cell.
    head
        Classifies the cell.
    """

    def __init__(self, *, embedding: GeneEmbedding, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        self.embedding, self.encoder = embedding, encoder
        self.head: Any = head

    def latents(self, genes: Tensor, levels: Tensor, mask: Tensor) -> Tensor:
        """Return all latents of the cells: (cells, latents, width)."""
        latents: Tensor = self.encoder(self.embedding(genes, levels), mask)
        return latents

    def cell_of(self, latents: Tensor) -> Tensor:
        """Return the cells' vectors, (cells, width), from all their latents."""
        return latents[:, 0]

    def forward(self, genes: Tensor, levels: Tensor, mask: Tensor) -> CellOutput:
        """Return logits and embedding.

        Parameters
        ----------
        genes, levels
            (cells, tokens) integers.
        mask
            (cells, 1, 1, tokens), true where a token is real.
        """
        cell = self.encoder(self.embedding(genes, levels), mask, n_kept=1)[:, 0]
        return CellOutput(self.head(cell, genes=genes, levels=levels, mask=mask), cell)

    def opinions(self, genes: Tensor, levels: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """Return every set of logits that training asks to be right, each (cells, classes)."""
        cell = self.encoder(self.embedding(genes, levels), mask, n_kept=1)[:, 0]
        opinions: tuple[Tensor, ...] = self.head.opinions(cell, genes=genes, levels=levels, mask=mask)
        return opinions

    def tokens_read(self, n_expressed: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many tokens cells with so many expressed genes are read as, (cells,)."""
        return n_expressed


def build_network(config: ModelConfig, n_classes: int) -> CellTransformer:
    """Return a network of the given architecture and sizes with fresh weights."""
    from .exact import build_exact
    from .scbert import build_scbert

    return {"mini": build_latent, "base": build_exact, "scbert": build_scbert}[config.preset](config, n_classes)


def build_latent(config: ModelConfig, n_classes: int) -> CellTransformer:
    """Return a latent-attention network of the given sizes with fresh weights."""
    layers = [
        LatentLayer(
            width=config.width,
            gene_width=config.gene_width,
            n_heads=config.n_heads,
            feed_forward=config.feed_forward,
            dropout=config.dropout,
        )
        for _ in range(config.n_layers)
    ]
    return CellTransformer(
        embedding=GeneEmbedding(config.n_genes, config.n_levels, config.gene_width),
        encoder=LatentEncoder(n_latents=config.n_latents, width=config.width, layers=layers),
        head=build_cell_head(n_genes=config.n_genes, width=config.width, n_classes=n_classes, power=config.vote_power),
    )
