"""What is read off genes and encoder: votes for cell types, the cell type, the level of a hidden gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


VOTE_LENGTH = 30.0
"""Euclidean length that a cell's levels are brought to, so that depth and the size of a panel do not change the sum."""

VOTE_POWER = 1.5
"""Power of the levels before that: across data sets, loud genes are worth more than their logarithm says."""


def loudness(levels: Tensor, power: float = VOTE_POWER) -> Tensor:
    """Return how loud the genes of each cell vote, from levels (cells, tokens) that are 0 where nothing is."""
    return VOTE_LENGTH * functional.normalize(levels.float() ** power, dim=1)


class GeneVotes(nn.Module):
    """Every expressed gene votes for the classes, the louder the higher its level: the linear part of the answer.

    Parameters
    ----------
    n_genes
        Genes of the vocabulary.
    n_classes
        Classes to vote for.
    power
        Power of the levels.
    """

    def __init__(self, n_genes: int, n_classes: int, power: float = VOTE_POWER) -> None:
        super().__init__()
        self.power = power
        self.weight = nn.Parameter(torch.zeros(n_genes, n_classes))
        self.bias = nn.Parameter(torch.zeros(n_classes))
        self.expected: Tensor
        # Only training asks for it, so it is not stored with the model.
        self.register_buffer("expected", torch.zeros(n_genes, n_classes), persistent=False)

    @torch.no_grad()
    def expect(self, votes: Tensor) -> None:
        """Start from votes known beforehand, (genes, classes), and let training depart from them only for a reason."""
        self.expected.copy_(votes)
        self.weight.copy_(votes)

    def surprise(self) -> Tensor:
        """Return how far the votes are from what was expected: the sum of squares that training penalises."""
        return (self.weight - self.expected).square().sum()

    def forward(self, genes: Tensor, levels: Tensor, mask: Tensor) -> Tensor:
        """Return the sums of the votes: (cells, classes).

        Parameters
        ----------
        genes, levels
            (cells, tokens) integers.
        mask
            (cells, 1, 1, tokens), true where a token is real.
        """
        loud = loudness(levels * mask[:, 0, 0], self.power)
        # Sums the weights while gathering them: no tensor of cells × tokens × classes is ever made.
        return functional.embedding_bag(genes, self.weight, per_sample_weights=loud, mode="sum") + self.bias

    def of_rows(self, genes: Tensor, levels: Tensor, starts: Tensor) -> Tensor:
        """Return the same of cells that lie one after the other, without padding: (cells, classes).

        Parameters
        ----------
        genes, levels
            (tokens,) integers.
        starts
            (cells,) where the tokens of each cell begin.
        """
        starts, levels = starts.to(genes.dtype), levels.to(genes.dtype)
        loud = torch.arange(1 + int(levels.max()) if len(levels) else 1).float() ** self.power
        length = functional.embedding_bag(levels, loud.square()[:, None], starts, mode="sum").sqrt().clamp_min(1e-12)
        loud = loud.index_select(0, levels)
        votes = functional.embedding_bag(genes, self.weight, starts, per_sample_weights=loud, mode="sum")
        return VOTE_LENGTH * votes / length + self.bias


class CellHead(nn.Module):
    """Classify a cell: the votes of its genes, corrected by what the encoder saw in their combination.

    Parameters
    ----------
    votes
        The linear part.
    correction
        From the cell's vector to what is added to the votes.
    alone
        From the cell's vector to classes without any votes; only trains the vector to hold the cell type.
    """

    def __init__(self, *, votes: GeneVotes, correction: nn.Linear, alone: nn.Linear) -> None:
        super().__init__()
        self.votes, self.correction, self.alone = votes, correction, alone
        self.in_features = correction.in_features

    def forward(self, cell: Tensor, *, genes: Tensor, levels: Tensor, mask: Tensor) -> Tensor:
        """Return the logits, (cells, classes); arguments as in :class:`GeneVotes`, ``cell`` (cells, width)."""
        return self.votes(genes, levels, mask) + self.correction(cell)

    def opinions(self, cell: Tensor, *, genes: Tensor, levels: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """Return what training asks to be right: corrected votes, votes, vector, each (cells, classes).

        The correction is trained on fixed votes, so it learns only what single genes cannot tell.
        """
        votes = self.votes(genes, levels, mask)
        return votes.detach() + self.correction(cell), votes, self.alone(cell)


def build_cell_head(*, n_genes: int, width: int, n_classes: int, power: float = VOTE_POWER) -> CellHead:
    """Return a head whose gene votes are still silent."""
    linear = [nn.Linear(width, n_classes) for _ in range(2)]
    return CellHead(votes=GeneVotes(n_genes, n_classes, power), correction=linear[0], alone=linear[1])


class MaskedGeneHead(nn.Module):
    """Predict the level of any gene from what latents and depth tell: the gene's vector asks, the latents answer.

    Parameters
    ----------
    width
        Numbers per latent.
    gene_width
        Numbers per gene vector.
    n_levels
        Expression levels to choose from.
    """

    def __init__(self, *, width: int, gene_width: int, n_levels: int) -> None:
        super().__init__()
        self.ask = nn.Linear(gene_width, width)
        self.depth = nn.Embedding(n_levels, width)
        self.answer = nn.Linear(width, 2 * width)
        self.decide = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, n_levels))

    def forward(self, genes: Tensor, latents: Tensor, lowest: Tensor) -> Tensor:
        """Return level logits.

        Parameters
        ----------
        genes
            (cells, asked, gene_width) vectors of the genes asked for.
        latents
            (cells, latents, width).
        lowest
            (cells,) lowest level shown of each cell: that of one molecule, which says how deep the cell was read.

        Returns
        -------
        (cells, asked, n_levels).
        """
        question = self.ask(genes) + self.depth(lowest)[:, None]
        keys, values = self.answer(latents).chunk(2, dim=-1)
        known = functional.scaled_dot_product_attention(question[:, None], keys[:, None], values[:, None])
        return self.decide(question + known.squeeze(1))


class HiddenGeneHead(nn.Module):
    """Tell which genes a cell expresses beyond those shown: those whose vectors point where the cell's does.

    Parameters
    ----------
    width
        Numbers of the cell's vector.
    gene_width
        Numbers per gene vector.
    n_genes
        Genes of the vocabulary.
    """

    def __init__(self, *, width: int, gene_width: int, n_genes: int) -> None:
        super().__init__()
        self.say = nn.Linear(width, gene_width)
        self.commonness = nn.Parameter(torch.zeros(n_genes))

    def forward(self, cell: Tensor, table: Tensor) -> Tensor:  # (cells, width), (genes, gene_width) -> (cells, genes)
        """Return the logits of all genes."""
        return functional.linear(self.say(cell), table, self.commonness)
