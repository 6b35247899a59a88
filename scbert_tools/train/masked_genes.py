"""Masked genes: which genes of a cell were hidden, and at which level, is to be told from those that are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from ..model.heads import HiddenGeneHead, MaskedGeneHead

if TYPE_CHECKING:
    from torch import Tensor

    from ..data.batches import Batch
    from ..data.reference import TrainBatch
    from ..model.network import CellTransformer
    from .coexpression import GeneFacts

HIDDEN_SHARE = 0.15
"""Share of a cell's expressed genes that are hidden."""


def hide(mask: Tensor, *, share: float, generator: torch.Generator) -> Tensor:
    """Return which tokens to hide from the encoder: a random ``share`` of the real ones, shape of ``mask``."""
    return mask & (torch.rand(mask.shape, generator=generator).to(mask.device) < share)


@dataclass(frozen=True)
class Questions:
    """Genes whose level is asked for.

    Parameters
    ----------
    genes
        (cells, asked) places in the vocabulary.
    levels
        (cells, asked) true levels, -1 where a place is empty.
    expressed
        (cells, asked), true for genes that the cell expresses and that were hidden.
    lowest
        (cells,) lowest level shown of each cell: that of one molecule, so all that depth tells. 0 if none was.
    """

    genes: Tensor
    levels: Tensor
    expressed: Tensor
    lowest: Tensor

    def cpu(self) -> Questions:
        """Return the same in main memory."""
        return Questions(self.genes.cpu(), self.levels.cpu(), self.expressed.cpu(), self.lowest.cpu())


@dataclass(frozen=True)
class Answers:
    """What a model says of the genes hidden from some cells, and what it was asked.

    Parameters
    ----------
    names
        (cells, vocabulary) logits of which genes are hidden; -inf where a gene is shown or was not measured.
    hidden
        (cells, tokens), true where a token was hidden.
    levels
        (cells, asked, levels) logits of the levels of the genes asked for.
    asked
        Whose level was asked for.
    """

    names: Tensor
    hidden: Tensor
    levels: Tensor
    asked: Questions

    def cpu(self) -> Answers:
        """Return the same in main memory."""
        return Answers(self.names.cpu(), self.hidden.cpu(), self.levels.cpu(), self.asked.cpu())


class MaskedGeneModel(nn.Module):
    """A network together with the heads that say what was hidden from it.

    The cell's vector names the hidden genes among all that were measured and are not shown; depth does not tell them,
    and this trains the network. Levels, most of which depth tells, are read off it and leave it as it is.

    Parameters
    ----------
    network
        Its embedding and encoder are trained; its gene vectors are replaced by those of the facts.
    facts
        What is known of the genes.
    """

    def __init__(self, network: CellTransformer, facts: GeneFacts) -> None:
        super().__init__()
        gene, width, n_genes = network.embedding.gene, network.head.in_features, len(facts.commonness)
        self.network, self.n_genes = network, n_genes
        self.names = HiddenGeneHead(width=width, gene_width=gene.embedding_dim, n_genes=n_genes)
        self.levels = MaskedGeneHead(
            width=width, gene_width=gene.embedding_dim, n_levels=network.embedding.scale.num_embeddings
        )
        self.measured: Tensor
        self.register_buffer("measured", torch.from_numpy(facts.measured), persistent=False)
        with torch.no_grad():
            gene.weight[:n_genes].copy_(torch.from_numpy(facts.vectors))
            self.names.commonness.copy_(torch.from_numpy(facts.commonness))

    def forward(self, batch: TrainBatch, generator: torch.Generator) -> Tensor:
        """Return the loss of one batch: the surprise at the names of hidden genes, and at levels; 0 if none was hidden.

        Parameters
        ----------
        batch
            Cells; their labels are not looked at.
        generator
            Source of randomness.
        """
        said = self.answer(batch, generator)
        known = said.asked.levels >= 0
        if not known.any():
            # A zero that has a gradient.
            return said.levels.sum() * 0
        of_levels = functional.cross_entropy(said.levels[known], said.asked.levels[known].long())
        return -name_log_likelihood(said.names, batch.cells, said.hidden).mean() + of_levels

    def answer(self, batch: TrainBatch, generator: torch.Generator) -> Answers:
        """Hide genes and say which they are and at which level; arguments as for :meth:`forward`."""
        cells = batch.cells
        mask = hide(cells.mask, share=HIDDEN_SHARE, generator=generator)
        asked = ask_levels(cells, mask[:, 0, 0], generator)
        latents = self.network.latents(cells.genes, cells.levels, cells.mask & ~mask)
        table = self.network.embedding.gene.weight[: self.n_genes]
        names = self.names(self.network.cell_of(latents), table)
        possible = self.measured[batch.dataset] & ~present(cells, cells.mask & ~mask, self.n_genes)
        levels = self.levels(table.detach()[asked.genes.long()], latents.detach(), asked.lowest)
        return Answers(names.masked_fill(~possible, -torch.inf), mask[:, 0, 0], levels, asked)


def present(cells: Batch, mask: Tensor, n_genes: int) -> Tensor:
    """Return which genes the tokens under a mask, (cells, 1, 1, tokens), are: (cells, genes)."""
    found = torch.zeros(len(cells), n_genes, device=mask.device)
    # Counted, for padding points at a gene as well, with nothing to add.
    return found.scatter_add_(1, cells.genes.long(), mask[:, 0, 0].float()) > 0


def name_log_likelihood(names: Tensor, cells: Batch, hidden: Tensor) -> Tensor:
    """Return the log-probability of every hidden gene, cell by cell, (hidden genes,).

    Parameters
    ----------
    names
        (cells, vocabulary) logits.
    cells
        The cells asked about.
    hidden
        (cells, tokens), true where a token was hidden.
    """
    return names.log_softmax(dim=1).gather(1, cells.genes.long())[hidden]


def ask_levels(cells: Batch, hidden: Tensor, generator: torch.Generator) -> Questions:
    """Return the hidden genes of every cell, and as absent ones those hidden in another cell."""
    genes, levels = cells.genes, cells.levels
    # `topk` finds the hidden places of all cells at once; cells with fewer fill up with places that are not asked.
    n_asked = max(1, int(hidden.sum(dim=1).max()))
    place = hidden.int().topk(n_asked, dim=1).indices
    real = hidden.gather(1, place)
    asked, truth = genes.gather(1, place), torch.where(real, levels.gather(1, place), -1)
    # Absent genes are those hidden in another cell, so as common as the present ones: how often a gene is expressed
    # at all must not give the answer away.
    partner = torch.randperm(len(genes), generator=generator).to(genes.device)
    absent = asked[partner][:, : max(1, n_asked // 2)]
    is_there = (absent[:, :, None] == genes[:, None, :]).any(dim=2)
    zero = torch.where(is_there | ~real[partner][:, : absent.shape[1]], -1, 0)
    return Questions(
        torch.cat([asked, absent], dim=1),
        torch.cat([truth, zero], dim=1),
        torch.cat([real, torch.zeros_like(is_there)], dim=1),
        lowest_level(levels, cells.mask[:, 0, 0] & ~hidden),
    )


def lowest_level(levels: Tensor, shown: Tensor) -> Tensor:
    """Return the lowest level shown of each cell, 0 where none is, (cells,)."""
    most = torch.iinfo(levels.dtype).max
    lowest = levels.masked_fill(~shown, most).amin(dim=1)
    return lowest.masked_fill(lowest == most, 0)
