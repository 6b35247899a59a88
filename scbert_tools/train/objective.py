"""What training minimises: an objective turns a network and a batch into a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias, TypeVar

    from torch import Tensor, nn

    from ..data.reference import TrainBatch
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
