"""SHAP values of genes: the evidence is asked again with modules of genes taken away, through shap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.cluster.hierarchy import linkage

from .._optional import require
from .evidence import Inputs, evidence_of, inputs_of, votes_toward

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ..data.batches import Batch
    from ..model.network import CellTransformer

TOKENS_AT_ONCE = 32_768
"""Padded tokens of mutilated cells that are read together."""


@dataclass(frozen=True)
class Shapley:
    """Scores the genes of a batch, cell by cell; a kernel of :func:`~scbert_tools.infer.token_scores.score_groups`.

    A gene taken away is not read and does not vote; the others vote as loud as before, so that the SHAP values of the
    votes are the votes themselves. For the correction, the genes of a cell form a tree of modules, by the likeness of
    their vectors; modules that matter are split first (Owen values), and the genes of one not split share its value.

    Parameters
    ----------
    network
        A frozen network.
    direction
        (all cells, classes) what to explain in each cell.
    n_evaluations
        How often the network is asked about each cell.
    """

    network: CellTransformer
    direction: Tensor
    n_evaluations: int

    @torch.no_grad()
    def __call__(self, batch: Batch, cells: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return SHAP values (cells, tokens) and the change of evidence from a cell without genes (cells,)."""
        shap = require("shap", purpose='`method="shap"`')
        direction, own = self.direction[torch.from_numpy(cells)], inputs_of(self.network, batch)
        scores = own.loudness * votes_toward(self.network, batch.genes, direction)
        nothing = Inputs(torch.zeros_like(own.tokens), torch.zeros_like(own.loudness))
        change = [evidence_of(self.network, batch, inputs, direction=direction) for inputs in (own, nothing)]
        for row, toward in enumerate(direction @ self.network.head.correction.weight):
            asked = _Mutilated(self.network, batch, row, toward)
            scores[row, : len(asked.genes)] += torch.from_numpy(self._explain(shap, asked))
        return scores, change[0] - change[1]

    def _explain(self, shap: Any, asked: _Mutilated) -> NDArray[np.float32]:
        """Return the SHAP values of the correction in one cell, (tokens,)."""
        n_genes = len(asked.genes)
        if n_genes == 1:  # no tree of one gene
            return np.subtract(asked(np.ones((1, 1))), asked(np.zeros((1, 1)))).astype(np.float32)
        masker = shap.maskers.Partition(np.zeros((1, n_genes)), clustering=gene_tree(asked.vectors()))
        explain = shap.explainers.Partition(asked, masker)
        size = max(1, TOKENS_AT_ONCE // n_genes)
        values = explain(np.ones((1, n_genes)), max_evals=self.n_evaluations, batch_size=size, silent=True)
        return values.values[0].astype(np.float32)


class _Mutilated:
    """The evidence of the correction in one cell as a function of which of its genes are left."""

    def __init__(self, network: CellTransformer, batch: Batch, row: int, toward: Tensor) -> None:
        real = batch.mask[row, 0, 0]
        self.genes, self.levels = batch.genes[row][real], batch.levels[row][real]
        self.network, self.toward = network, toward

    def vectors(self) -> NDArray[np.float32]:
        """Return the vectors of the genes, (tokens, gene_width)."""
        return self.network.embedding.gene.weight[self.genes.long()].numpy()

    @torch.no_grad()
    def __call__(self, left: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the evidence, (cases,), for the genes left, (cases, tokens) of 0 and 1."""
        kept = torch.from_numpy(np.asarray(left) > 0)
        # Genes that are left move to the front: tokens that no case has are not read at all.
        order = torch.argsort(kept.int(), dim=1, descending=True, stable=True)[:, : max(1, int(kept.sum(1).max()))]
        real = kept.gather(1, order)[:, None, None]
        cell = self.network.encoder(self.network.embedding(self.genes[order], self.levels[order]), real, n_kept=1)
        return (cell[:, 0] @ self.toward).double().numpy()


def gene_tree(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return a tree of modules of genes alike, in the form of ``scipy.cluster.hierarchy.linkage``.

    Parameters
    ----------
    vectors
        (genes, width), at least two.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    tree = linkage(vectors / np.maximum(lengths, 1e-12), method="complete")
    tree[:, 2] /= max(tree[:, 2].max(), 1e-12)
    return tree
