"""What training minimises: an objective turns a network and a batch into a loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias, TypeVar

    from torch import Tensor, nn

    from ..data.batches import Batch
    from ..data.reference import TrainBatch
    from ..model.heads import MaskedGeneHead
    from ..model.network import CellTransformer

    Network = TypeVar("Network", bound=nn.Module)
    Objective: TypeAlias = Callable[[Network, TrainBatch], Tensor]


def marginal_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """Return minus the log-probability that the class is one of those the label allows, averaged.

    A cell labelled "T cell" trains the sum over all T leaves, so coarse labels are not thrown away.

    Parameters
    ----------
    logits
        (cells, classes).
    allowed
        (cells, classes), true where the cell's label allows the class.
    """
    within = logits.masked_fill(~allowed, -torch.inf).logsumexp(dim=1)
    return (logits.logsumexp(dim=1) - within).mean()


VOTE_PENALTY = 3e-4
"""Weight of half the squared surprise of the gene votes, as in ridge-penalised logistic regression."""


def cell_type_objective(membership: Tensor) -> Objective[CellTransformer]:
    """Return the objective of supervised training: every opinion of the network is to be right.

    Parameters
    ----------
    membership
        (labels, classes), true where a label allows a class.
    """

    def loss_of(network: CellTransformer, batch: TrainBatch) -> Tensor:
        opinions = network.opinions(batch.cells.genes, batch.cells.levels, batch.cells.mask)
        allowed = membership.to(batch.label.device)[batch.label]
        return torch.stack([marginal_loss(one, allowed) for one in opinions]).sum() + vote_penalty(network)

    return loss_of


def vote_penalty(network: CellTransformer) -> Tensor:
    """Return the penalty on gene votes away from what was expected; zero for a network without votes."""
    votes = getattr(network.head, "votes", None)
    if votes is None:
        return torch.zeros((), device=next(network.parameters()).device)
    return 0.5 * VOTE_PENALTY * votes.surprise()


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
        (cells,) lowest level shown of each cell: that of a single molecule, so all that depth tells. 0 if none was.
    """

    genes: Tensor
    levels: Tensor
    expressed: Tensor
    lowest: Tensor


def masked_gene_loss(
    network: CellTransformer, head: MaskedGeneHead, batch: TrainBatch, *, share: float, generator: torch.Generator
) -> Tensor:
    """Return the cross-entropy of the levels of hidden genes and of sampled absent genes; 0 if nothing was hidden.

    Parameters
    ----------
    network
        Its embedding and encoder are used.
    head
        Predicts a gene's level from the latents.
    batch
        Cells; their labels are not looked at.
    share
        Share of the expressed genes to hide; half as many absent genes are asked for as well, so that
        absence is learned too.
    generator
        Source of randomness.
    """
    logits, asked = answer_masked_genes(network, head, batch, share=share, generator=generator)
    known = asked.levels >= 0
    if not known.any():
        # A zero that has a gradient.
        return logits.sum() * 0
    return functional.cross_entropy(logits[known], asked.levels[known].long())


def answer_masked_genes(
    network: CellTransformer, head: MaskedGeneHead, batch: TrainBatch, *, share: float, generator: torch.Generator
) -> tuple[Tensor, Questions]:
    """Return level logits, (cells, asked, levels), and what was asked; see :func:`masked_gene_loss`."""
    cells = batch.cells
    hidden = hide(cells.mask, share=share, generator=generator)
    asked = _questions(cells, hidden[:, 0, 0], generator)
    latents = network.latents(cells.genes, cells.levels, cells.mask & ~hidden)
    return head(network.embedding.gene(asked.genes), latents), asked


def _questions(cells: Batch, hidden: Tensor, generator: torch.Generator) -> Questions:
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
