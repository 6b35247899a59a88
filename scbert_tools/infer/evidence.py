"""The evidence for a label as a function of token vectors and loudness, and what cells are compared with."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from ..data.batches import pad
from ..model.heads import CellHead, loudness
from ..tokens.levels import to_levels

if TYPE_CHECKING:
    from scipy import sparse
    from torch import Tensor

    from ..data.batches import Batch
    from ..model.annotator import Annotator
    from ..model.network import CellTransformer


@dataclass(frozen=True)
class Inputs:
    """What the network adds up over the genes of some cells.

    Parameters
    ----------
    tokens
        (cells, tokens, gene_width) token vectors, read by the encoder.
    loudness
        (cells, tokens) how loud each gene votes.
    """

    tokens: Tensor
    loudness: Tensor


@dataclass(frozen=True)
class Baseline:
    """The cell that others are compared with, gene by gene.

    Parameters
    ----------
    tokens
        (genes, gene_width) token vector of every gene.
    loudness
        (genes,) how loud every gene votes.
    """

    tokens: Tensor
    loudness: Tensor

    @property
    def is_empty(self) -> bool:
        """Whether it is a cell without any expression, which reads and votes nothing."""
        return not (self.tokens.any() or self.loudness.any())

    def of(self, genes: Tensor) -> Inputs:
        """Return the baseline of some genes, (cells, tokens)."""
        return Inputs(functional.embedding(genes, self.tokens), self.loudness[genes.long()])


def require_votes(annotator: Annotator) -> None:
    """Refuse a model that does not name cells by gene votes and a correction.

    Raises
    ------
    ValueError
        If so.
    """
    if not isinstance(annotator.network.head, CellHead):
        msg = (
            f'`model` {annotator.name!r} has the architecture "{annotator.config.preset}", whose head cannot be taken '
            'apart by gene; explain a model of the architecture "mini" or "base".'
        )
        raise ValueError(msg)


def frozen_network(annotator: Annotator) -> CellTransformer:
    """Return a copy of the network whose weights ask for no gradient; refused as by :func:`require_votes`."""
    require_votes(annotator)
    return deepcopy(annotator.network).requires_grad_(requires_grad=False).eval()


def inputs_of(network: CellTransformer, batch: Batch) -> Inputs:
    """Return what the genes of a batch bring; padding is silent."""
    return Inputs(
        network.embedding(batch.genes, batch.levels),
        loudness(batch.levels * batch.mask[:, 0, 0], network.head.votes.power),
    )


def votes_toward(network: CellTransformer, genes: Tensor, direction: Tensor) -> Tensor:
    """Return the vote of every token for each cell's direction at loudness 1: (cells, tokens).

    Parameters
    ----------
    network
        The network.
    genes
        (cells, tokens).
    direction
        (cells, classes), see :func:`~scbert_tools.infer.direction.directions`.
    """
    # Cells share a few directions, one per label: multiply by those instead of by one per cell.
    kinds, place = torch.unique(direction, dim=0, return_inverse=True)
    return (network.head.votes.weight @ kinds.T)[genes.long(), place[:, None]]


def evidence_of(network: CellTransformer, batch: Batch, inputs: Inputs, *, direction: Tensor) -> Tensor:
    """Return the evidence in each cell, (cells,): what its votes and its correction say along its direction."""
    votes = (inputs.loudness * votes_toward(network, batch.genes, direction)).sum(1)
    cell = network.encoder(inputs.tokens, batch.mask, n_kept=1)[:, 0]
    return votes + ((network.head.correction(cell) + network.head.votes.bias) * direction).sum(1)


def empty_baseline(network: CellTransformer) -> Baseline:
    """Return the cell that expresses nothing."""
    weight = network.embedding.gene.weight
    return Baseline(torch.zeros_like(weight), weight.new_zeros(len(weight)))


def average_baseline(annotator: Annotator, network: CellTransformer, linear: sparse.csr_matrix) -> Baseline:
    """Return the mean of some cells: every gene's token vector and loudness, zero in the cells that lack it.

    Parameters
    ----------
    annotator, network
        The model and its frozen network.
    linear
        (cells, vocabulary) values proportional to counts.
    """
    baseline = empty_baseline(network)
    tokens = to_levels(linear, annotator.levels)
    for cells in np.array_split(np.arange(linear.shape[0]), max(1, linear.shape[0] // 64)):
        batch = pad(tokens, cells)
        real = batch.mask[:, 0, 0]
        with torch.no_grad():
            inputs = inputs_of(network, batch)
        genes = batch.genes[real].long()
        baseline.tokens.index_add_(0, genes, inputs.tokens[real] / linear.shape[0])
        baseline.loudness.index_add_(0, genes, inputs.loudness[real] / linear.shape[0])
    return baseline
