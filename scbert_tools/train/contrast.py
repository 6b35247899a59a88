"""Contrastive fine-tuning: cells of one label come together, close relatives are pushed apart hardest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from ..model.heads import CellHead
from .objective import marginal_loss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ..data.batches import Batch
    from ..data.reference import TrainBatch
    from ..model.labels import LabelTree
    from ..model.network import CellTransformer
    from .objective import Objective


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Strength of the contrastive part of fine-tuning."""

    weight: float = 0.5
    """Factor of the contrastive loss beside the classification loss; 0 leaves it out."""
    temperature: float = 0.1
    """What cosines are divided by: the lower, the more only the nearest cells count."""
    hardness: float = 2.0
    """How many times a cell of a sibling type counts among the cells to be told apart."""

    def __post_init__(self) -> None:
        for name, value, least in (("contrastive", self.weight, 0.0), ("hardness", self.hardness, 1.0)):
            if not (isinstance(value, Real) and value >= least and math.isfinite(value)):
                msg = f"`{name}` must be a number of at least {least:g}, got {value!r}."
                raise ValueError(msg)
        if not (isinstance(self.temperature, Real) and self.temperature > 0 and math.isfinite(self.temperature)):
            msg = f"`temperature` must be a number above 0, got {self.temperature!r}; 0.05 to 0.5 are usual."
            raise ValueError(msg)


def info_nce(vectors: Tensor, label: Tensor, *, temperature: float, emphasis: Tensor | None = None) -> Tensor:
    """Return the supervised InfoNCE loss: how surely a cell finds the others of its label among all cells.

    Follows van den Oord et al. 2018 (arXiv:1807.03748) and Khosla et al. 2020 (arXiv:2004.11362).

    Parameters
    ----------
    vectors
        (cells, width), several views of a cell being several rows.
    label
        (cells,) codes.
    temperature
        What cosines are divided by.
    emphasis
        (labels, labels), how many times a cell of one label counts as a negative of another; once by default.

    Returns
    -------
    Mean over the cells that have another cell of their label; 0 if none has.
    """
    unit = functional.normalize(vectors.float(), dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    closeness = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
    counted = closeness if emphasis is None else closeness + emphasis[label][:, label].log()
    surprise = counted.logsumexp(dim=1, keepdim=True) - closeness.masked_fill(itself, 0)
    alike = (label[:, None] == label) & ~itself
    each = surprise.masked_fill(~alike, 0).sum(dim=1) / alike.sum(dim=1).clamp(min=1)  # a cell alone is infinite
    return each.sum() / alike.any(dim=1).sum().clamp(min=1)


def sibling_emphasis(membership: NDArray[np.bool_], tree: LabelTree, hardness: float) -> Tensor:
    """Return how many times a cell of one label counts as a negative of another: ``hardness`` for siblings.

    Labels are siblings if the classes they allow stand under a common name, and none if all names are at the top.

    Parameters
    ----------
    membership
        (labels, classes), true where a label allows a class.
    tree
        The classes.
    hardness
        Weight of siblings; others weigh 1.
    """
    above = [tree.parents[leaf] for leaf in tree.leaves]
    families = sorted({name for name in above if name is not None})
    belongs = torch.tensor([[name == family for family in families] for name in above]).reshape(len(above), -1)
    shares = torch.from_numpy(membership).float() @ belongs.float()
    siblings = (shares @ shares.T > 0) & ~torch.eye(len(shares), dtype=torch.bool)
    return torch.where(siblings, hardness, 1.0)


def read_cell(network: CellTransformer, cells: Batch) -> tuple[Tensor, Tensor]:
    """Return what the cell's vector alone says of its type, (cells, classes), and the vector, (cells, width)."""
    if isinstance(network.head, CellHead):
        tokens = network.embedding(cells.genes, cells.levels)
        vector = network.encoder(tokens, cells.mask, n_kept=1)[:, 0]
        return network.head.alone(vector), vector
    output = network(cells.genes, cells.levels, cells.mask)
    return output.logits, output.embedding


def sigmoid_loss(logits: Tensor, has: Tensor) -> Tensor:
    """Return the cross-entropy of one sigmoid per class, summed over classes and averaged over cells."""
    return functional.binary_cross_entropy_with_logits(logits, has.to(logits.dtype), reduction="none").sum(1).mean()


def contrastive_objective(
    membership: Tensor, contrast: Contrast, emphasis: Tensor, *, several: bool = False
) -> Objective[CellTransformer]:
    """Return the objective of fine-tuning: the cell's vector is to tell the type, and to lie near its like.

    Parameters
    ----------
    membership
        (labels, classes), true where a label allows a class.
    contrast
        Strength of the contrastive part.
    emphasis
        See :func:`sibling_emphasis`.
    several
        Whether a cell may have several labels at once.
    """
    classify = sigmoid_loss if several else marginal_loss

    def loss_of(network: CellTransformer, batch: TrainBatch) -> Tensor:
        logits, vector = read_cell(network, batch.cells)
        loss = classify(logits, membership.to(logits.device)[batch.label])
        if contrast.weight == 0:
            return loss
        near = info_nce(vector, batch.label, temperature=contrast.temperature, emphasis=emphasis.to(vector.device))
        return loss + contrast.weight * near

    return loss_of
