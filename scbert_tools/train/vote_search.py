"""Which power of the levels and which penalty suit the votes of a reference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .blend import surprise
from .votes import Votes, loudness_of, solve_votes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy import sparse

    from ..tokens.levels import TokenRows

PENALTIES = (3e-3, 1e-3, 3e-4, 1e-4)
"""Penalties on votes that are tried, the strongest first."""

POWERS = (1.0, 1.5, 2.0)
"""Powers of the levels with which genes vote that are tried."""

FIRST_PENALTY = 1e-3
"""Penalty with which powers are compared."""

BALANCE = 1.0
"""A cell counts with the size of its label to the power of minus this: 0 favours large labels, 1 makes all equal."""


@dataclass(frozen=True)
class VoteSearch:
    """Votes for a reference, and how surprising cells are to votes that were solved without them.

    Parameters
    ----------
    tokens
        Tokens of the cells.
    n_genes
        Genes of the vocabulary.
    allowed
        (cells, classes), true where a cell's label allows the class.
    label
        (cells,) codes; see :data:`BALANCE` for how much a label counts.
    fold
        (cells,) folds.
    several
        Whether a cell may have several labels.
    """

    tokens: TokenRows
    n_genes: int
    allowed: NDArray[np.bool_]
    label: NDArray[np.int64]
    fold: NDArray[np.int64]
    several: bool = False

    @cached_property
    def _loudness(self) -> dict[float, sparse.csr_matrix]:
        return {}

    def loudness(self, power: float) -> sparse.csr_matrix:
        """Return how loud the genes of every cell vote, (cells, genes)."""
        if power not in self._loudness:
            self._loudness[power] = loudness_of(self.tokens, self.n_genes, power)
        return self._loudness[power]

    def importance(self, cells: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how much each of some cells counts among them."""
        label = self.label[cells]
        return np.bincount(label)[label].astype(np.float64) ** -BALANCE

    def solve(self, cells: NDArray[np.int64], power: float, penalty: float, *, start: Votes | None = None) -> Votes:
        """Return the votes that some of the cells ask for."""
        chosen, weight = self.loudness(power)[cells], self.importance(cells).astype(np.float32)
        return solve_votes(chosen, self.allowed[cells], weight, penalty=penalty, several=self.several, start=start)

    def without(self, place: int, power: float, penalty: float, *, start: Votes | None = None) -> Votes:
        """Return the votes of all cells but those of a fold."""
        return self.solve(np.flatnonzero(self.fold != place), power, penalty, start=start)

    def loss(self, votes: Votes, place: int, power: float) -> float:
        """Return the sum of surprises of a fold's cells, as important as they are, that could have been learned."""
        # Cells of a label that only this fold holds would tell nothing of the penalty.
        learned = self.allowed[self.fold != place].any(axis=0)
        cells = np.flatnonzero((self.fold == place) & (self.allowed & learned).any(axis=1))
        each = surprise(votes(self.loudness(power)[cells]), self.allowed[cells], several=self.several)
        return float(each @ self.importance(np.arange(len(self.label)))[cells])

    def best_power(self, places: Iterable[int]) -> float:
        """Return the power that surprises least on some folds."""
        folds = list(places)
        losses = [
            sum(self.loss(self.without(place, power, FIRST_PENALTY), place, power) for place in folds)
            for power in POWERS
        ]
        return POWERS[int(np.argmin(losses))]

    def best_penalty(self, places: Iterable[int], power: float) -> float:
        """Return the penalty that surprises least on some folds, each solved from strong to weak."""
        losses = np.zeros(len(PENALTIES))
        for place in places:
            votes = None
            for rank, penalty in enumerate(PENALTIES):
                votes = self.without(place, power, penalty, start=votes)
                losses[rank] += self.loss(votes, place, power)
        return PENALTIES[int(losses.argmin())]
