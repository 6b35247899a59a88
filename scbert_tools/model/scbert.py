"""The published scBERT (Yang et al. 2022): every gene a token, Performer layers, a head that reads all tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from .embedding import GeneEmbedding
from .encoder import EncoderLayer
from .network import CellOutput, CellTransformer
from .performer import MAXIMA, FavorAttention

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from .config import ModelConfig

HEAD_SIZES = (512, 128)
"""Hidden numbers of the class head."""


class ScbertHead(nn.Module):
    """Classify a cell from one number per token: a convolution over the token's width, then three linear layers.

    Parameters
    ----------
    width
        Numbers per token.
    sequence
        Tokens of a cell, the trailing one included.
    n_classes
        Classes.
    dropout
        Share of hidden numbers dropped in training.
    """

    def __init__(self, *, width: int, sequence: int, n_classes: int, dropout: float) -> None:
        super().__init__()
        wide, narrow = HEAD_SIZES
        self.in_features = width
        self.read = nn.Linear(width, 1)
        self.wide, self.narrow, self.classes = (
            nn.Linear(sequence, wide),
            nn.Linear(wide, narrow),
            nn.Linear(narrow, n_classes),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, encodings: Tensor) -> Tensor:  # (cells, sequence, width) -> (cells, classes)
        hidden = self.read(encodings).squeeze(-1).relu()
        hidden = self.dropout(self.wide(hidden).relu())
        return self.classes(self.dropout(self.narrow(hidden).relu()))


class PerformerEncoder(nn.Module):
    """A stack of layers over all tokens, and a final norm.

    Parameters
    ----------
    width
        Numbers per token.
    layers
        The layers, outermost last.
    """

    def __init__(self, *, width: int, layers: list[EncoderLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:  # (cells, sequence, width) -> same
        for layer in self.layers:
            tokens = layer(tokens)
        return self.norm(tokens)


def fill_levels(genes: Tensor, levels: Tensor, mask: Tensor, *, sequence: int) -> Tensor:
    """Return the level of every gene: 0 where a gene is not expressed, and in the trailing place.

    Parameters
    ----------
    genes, levels
        (cells, tokens) expressed genes.
    mask
        (cells, 1, 1, tokens), false where a token is padding or hidden, which is read as not expressed.
    sequence
        Genes of the vocabulary and the trailing place.

    Returns
    -------
    (cells, sequence).
    """
    shown = levels * mask[:, 0, 0]
    return shown.new_zeros(len(genes), sequence).scatter_add(1, genes.long(), shown)  # padding adds 0 to a gene


class ScbertNetwork(CellTransformer):
    """Levels of all genes → encodings → cell type; the embedding of a cell is the mean of its encodings.

    Parameters
    ----------
    embedding
        Gene vectors (gene2vec and a trailing one) as genes, level vectors as shifts, all scales 1.
    encoder
        Reads the tokens.
    head
        Classifies the cell.
    """

    def latents(self, genes: Tensor, levels: Tensor, mask: Tensor) -> Tensor:
        """Return the encodings of all genes and the trailing place: (cells, n_genes + 1, width)."""
        sequence = self.embedding.gene.num_embeddings
        filled = fill_levels(genes, levels, mask, sequence=sequence)
        everyone = torch.arange(sequence, device=filled.device)[None]
        return self.encoder(self.embedding(everyone, filled))

    def cell_of(self, latents: Tensor) -> Tensor:
        """Return the mean of a cell's encodings, (cells, width)."""
        return latents.mean(dim=1)

    def forward(self, genes: Tensor, levels: Tensor, mask: Tensor) -> CellOutput:
        """Return logits and embedding; shapes as in :class:`CellTransformer`."""
        encodings = self.latents(genes, levels, mask)
        return CellOutput(self.head(encodings), self.cell_of(encodings))

    def opinions(self, genes: Tensor, levels: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, the only opinion of this architecture."""
        return (self(genes, levels, mask).logits,)

    def tokens_read(self, n_expressed: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many tokens cells are read as: every gene, whatever they express."""
        return np.full_like(n_expressed, self.embedding.gene.num_embeddings)


class MaskedScbertNetwork(ScbertNetwork):
    """The network as it is after pretraining: its head tells the levels of genes, and no classes."""

    def level_logits(self, genes: Tensor, levels: Tensor, mask: Tensor) -> Tensor:
        """Return the logits of every gene's level: (cells, n_genes + 1, n_levels)."""
        return self.head(self.latents(genes, levels, mask))

    def forward(self, genes: Tensor, levels: Tensor, mask: Tensor) -> CellOutput:
        """Return the embedding, and logits of no class: (cells, 0)."""
        encodings = self.latents(genes, levels, mask)
        return CellOutput(encodings.new_empty(len(encodings), 0), self.cell_of(encodings))


def build_scbert(config: ModelConfig, n_classes: int) -> ScbertNetwork:
    """Return a network of the published architecture with fresh weights; without classes, one for masked genes."""
    sequence = config.n_genes + 1
    embedding = GeneEmbedding(sequence, config.n_levels, config.width)
    embedding.scale = nn.Embedding.from_pretrained(torch.ones(config.n_levels, config.width))  # is not trained
    encoder = PerformerEncoder(width=config.width, layers=[_layer(config) for _ in range(config.n_layers)])
    if n_classes == 0:
        return MaskedScbertNetwork(embedding=embedding, encoder=encoder, head=nn.Linear(config.width, config.n_levels))
    head = ScbertHead(width=config.width, sequence=sequence, n_classes=n_classes, dropout=config.dropout)
    return ScbertNetwork(embedding=embedding, encoder=encoder, head=head)


def _layer(config: ModelConfig) -> EncoderLayer:
    """Return one Performer layer."""
    attention = FavorAttention(
        width=config.width,
        n_heads=config.n_heads,
        head_width=config.head_width,
        n_features=config.n_features,
        maximum=MAXIMA[config.maximum],
    )
    return EncoderLayer(
        attention=attention, width=config.width, feed_forward=config.feed_forward, dropout=config.dropout
    )
