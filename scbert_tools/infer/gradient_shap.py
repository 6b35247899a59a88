"""Gradient-SHAP: gradients at random places between the cell and other cells of the data, through captum."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from .._optional import require
from ..data.batches import Batch
from ..model.heads import loudness
from ..tokens.levels import to_levels
from .evidence import Inputs, evidence_of, inputs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy import sparse
    from torch import Tensor

    from ..model.annotator import Annotator
    from ..model.network import CellTransformer


@dataclass(frozen=True)
class GradientShap:
    """Scores the genes of a batch, cell by cell; a kernel of :func:`~scbert_tools.infer.token_scores.score_groups`.

    Parameters
    ----------
    network
        A frozen network.
    direction
        (all cells, classes) what to explain in each cell.
    background
        (other cells, vocabulary) levels of other cells plus one, 0 where a gene is not expressed.
    n_samples
        Random places in each cell.
    rng
        Source of randomness.
    """

    network: CellTransformer
    direction: Tensor
    background: NDArray[np.int64]
    n_samples: int
    rng: np.random.Generator
    # captum draws from numpy's global generator: in threads, cells would take each other's numbers.
    in_turn: ClassVar[bool] = True

    def __call__(self, batch: Batch, cells: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return scores (cells, tokens) and the mean change of evidence from the background (cells,)."""
        captum = require("captum.attr", purpose='`method="gradient_shap"`')
        scores, change = torch.zeros(batch.genes.shape), torch.zeros(len(batch))
        for row, cell in enumerate(cells):
            one = batch.alone(row)
            scores[row, : one.genes.shape[1]], change[row] = self._explain(captum, one, self.direction[cell])
        return scores, change

    def _explain(self, captum: Any, cell: Batch, direction: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores of one cell (tokens,) and what they should sum to."""
        with torch.no_grad():
            own, others = inputs_of(self.network, cell), self._others(cell.genes[0])

        def evidence(tokens: Tensor, loudness: Tensor) -> Tensor:
            copies = Batch(
                *(part.expand(len(tokens), *part.shape[1:]) for part in (cell.genes, cell.levels, cell.mask))
            )
            return evidence_of(
                self.network, copies, Inputs(tokens, loudness), direction=direction.expand(len(tokens), -1)
            )

        with _global_seed(self.rng):
            parts = captum.GradientShap(evidence).attribute(
                (own.tokens, own.loudness),
                baselines=(others.tokens, others.loudness),
                n_samples=self.n_samples,
                stdevs=0.0,
            )
        with torch.no_grad():
            change = evidence(own.tokens, own.loudness) - evidence(others.tokens, others.loudness).mean()
        return (parts[0].sum(-1) + parts[1])[0].float().detach(), change[0]

    def _others(self, genes: Tensor) -> Inputs:
        """Return what some genes (tokens,) bring in the cells of the background."""
        # Levels are stored plus one, since level 0 is expressed too; what is absent is silenced below.
        levels = torch.from_numpy(self.background[:, genes.numpy()])
        tokens = self.network.embedding(genes.expand(len(levels), -1), (levels - 1).clamp_min(0))
        return Inputs(tokens * (levels > 0)[..., None], self._loud[:, genes.long()])

    @cached_property
    def _loud(self) -> Tensor:
        """How loud the genes vote in the cells of the background, (other cells, vocabulary)."""
        return loudness(torch.from_numpy(self.background - 1).clamp_min(0), self.network.head.votes.power)


@contextmanager
def _global_seed(rng: np.random.Generator) -> Iterator[None]:
    """Let captum, which draws from numpy's global generator, draw from ours, and leave the global one as it was."""
    before = np.random.get_state()
    np.random.set_state(np.random.RandomState(int(rng.integers(2**31))).get_state())
    try:
        yield
    finally:
        np.random.set_state(before)


def background_of(annotator: Annotator, linear: sparse.csr_matrix) -> NDArray[np.int64]:
    """Return levels plus one of some cells, 0 where a gene is not expressed: (cells, vocabulary)."""
    tokens = to_levels(linear, annotator.levels)
    background = np.zeros(linear.shape, np.int64)
    background[np.repeat(np.arange(len(tokens.lengths)), tokens.lengths), tokens.genes] = tokens.levels.astype(int) + 1
    return background
