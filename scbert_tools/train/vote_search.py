"""Which power of the levels, which trust in known votes and which penalty suit the votes of a reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from .blend import is_gain, surprise
from .votes import Votes, loudness_of, solve_votes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from ..tokens.levels import TokenRows

PENALTIES = (3e-3, 1e-3, 3e-4, 1e-4)
"""Penalties on votes that are tried, the strongest first."""

POWERS = (1.0, 1.5, 2.0, 2.5, 3.0)
"""Powers of the levels with which genes vote that are tried."""

TRUSTS = (0.0, 0.3, 1.0, 3.0, 10.0)
"""Degrees of trust in hints that are tried."""

KEPT = (None, 100)
"""Genes kept for each label, beside all of them, that are tried: those with most to say, as CellTypist keeps them
(Domínguez Conde et al. 2022, doi:10.1126/science.abl5197)."""

EVENED, LEAST_SPREAD = 0.5, 1e-3
"""Genes that are kept are divided by their spread, at least the second, to the power of the first: a loud one, such as
insulin in islets, lies about in the droplets of other cells as well, more of it in one donor than in the next."""

STANDARD_ERRORS = 1.0
"""Of its gain on held-out cells, that what is not usual has to gain."""

BALANCE = 1.0
"""A cell counts with the size of its label to the power of minus this: 0 favours large labels, 1 makes all equal."""


@dataclass(frozen=True)
class VoteRule:
    """How votes are solved for.

    Parameters
    ----------
    power
        Power of the levels with which genes vote.
    trust
        How much cells differ in the hints, as a multiple of how much they differ in the genes; 0 ignores hints.
    penalty
        Penalty on votes. The one given is that with which powers and trusts are compared.
    kept
        Genes with the loudest votes for or against each label that have half of the say, evened; ``None`` for none.
    """

    power: float = 1.0
    trust: float = 0.0
    penalty: float = 1e-3
    kept: int | None = None


USUAL = VoteRule(power=2.0, trust=0.3, penalty=1e-3, kept=100)
"""Where the search begins, and ends where held-out cells do not tell."""


def evening(loudness: sparse.csr_matrix) -> NDArray[np.float32]:
    """Return what makes genes more alike in spread, without changing how much cells differ in all: (genes, 1).

    Parameters
    ----------
    loudness
        (cells, genes).
    """
    variance = np.asarray(loudness.power(2).mean(axis=0)).ravel() - np.square(np.asarray(loudness.mean(axis=0)).ravel())
    spread = np.sqrt(np.maximum(variance, LEAST_SPREAD**2))
    scale = spread**-EVENED
    scale *= np.sqrt(np.square(spread).sum() / np.square(spread * scale).sum())
    return np.asarray(scale[:, None], np.float32)


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
    hints
        (genes, directions) votes known beforehand, of which the votes looked for may be mixed.
    """

    tokens: TokenRows
    n_genes: int
    allowed: NDArray[np.bool_]
    label: NDArray[np.int64]
    fold: NDArray[np.int64]
    several: bool = False
    hints: NDArray[np.float32] | None = None

    @cached_property
    def _loudness(self) -> dict[float, sparse.csr_matrix]:
        return {}

    @cached_property
    def _length(self) -> dict[float, float]:
        return {}

    @cached_property
    def _found(self) -> dict[tuple[int, VoteRule], Votes]:
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

    def trusted(self, rule: VoteRule) -> NDArray[np.float32] | None:
        """Return the hints at the length that makes cells differ in them ``rule.trust`` times as much as in genes."""
        if self.hints is None or rule.trust == 0:
            return None
        if rule.power not in self._length:
            loud = self.loudness(rule.power)
            spread = loud.power(2).sum() / loud.shape[0] - np.square(loud.mean(axis=0)).sum()
            self._length[rule.power] = float(np.sqrt(spread / max(1e-12, (loud @ self.hints).var(axis=0).sum())))
        return self.hints * np.float32(np.sqrt(rule.trust) * self._length[rule.power])

    def solve(self, cells: NDArray[np.int64], rule: VoteRule, *, start: Votes | None = None) -> Votes:
        """Return the votes that some of the cells ask for."""
        loud, hints = self.loudness(rule.power)[cells], self.trusted(rule)
        weight = self.importance(cells).astype(np.float32)
        solve = partial(
            solve_votes, allowed=self.allowed[cells], weight=weight, penalty=rule.penalty, several=self.several
        )
        votes = solve(loud, hints=hints, start=start)
        if rule.kept is None:
            return votes
        genes = votes.loudest(rule.kept)
        scale = evening(loud[:, genes])
        evened = (loud[:, genes] @ sparse.diags(scale[:, 0])).tocsr()
        few = solve(evened, hints=None if hints is None else hints[genes] / scale)
        both = votes.weight / np.float32(2)
        both[genes] += few.weight * scale / 2
        return Votes(both, np.asarray((votes.bias + few.bias) / 2, np.float32))

    def without(self, place: int, rule: VoteRule) -> Votes:
        """Return the votes of all cells but those of a fold.

        Each is found once, starting from votes without the same fold: those of other folds have seen its cells.
        """
        if (place, rule) not in self._found:
            start = self._start(place, rule) if rule.kept is None else self.without(place, replace(rule, kept=None))
            self._found[place, rule] = self.solve(np.flatnonzero(self.fold != place), rule, start=start)
        return self._found[place, rule]

    def _start(self, place: int, rule: VoteRule) -> Votes | None:
        """Return votes of all genes without a fold, those of another penalty if there are any."""
        before = {known: votes for (fold, known), votes in self._found.items() if fold == place and known.kept is None}
        alike = [votes for known, votes in before.items() if replace(known, penalty=rule.penalty) == rule]
        return next(reversed(alike or list(before.values())), None)

    def losses(self, places: Iterable[int], rule: VoteRule) -> NDArray[np.float64]:
        """Return the surprises of the cells of some folds that could have been learned, as important as they are."""
        return np.concatenate([self._losses(place, rule) for place in places])

    def _losses(self, place: int, rule: VoteRule) -> NDArray[np.float64]:
        votes = self.without(place, rule)
        learned = self.allowed[self.fold != place].any(axis=0)
        cells = np.flatnonzero((self.fold == place) & (self.allowed & learned).any(axis=1))
        each = surprise(votes(self.loudness(rule.power)[cells]), self.allowed[cells], several=self.several)
        return each * self.importance(np.arange(len(self.label)))[cells]

    def best(self, places: Iterable[int]) -> VoteRule:
        """Return the rule that surprises little on some folds: genes kept, power, trust and penalty, one by one.

        Each stays as usual unless another surprises less by more than the error of the difference.
        """
        folds, hinted = list(places), self.hints is not None
        rule = USUAL if hinted else replace(USUAL, trust=0.0)
        trusts = TRUSTS if hinted else (0.0,)
        tried: dict[str, tuple[Any, ...]] = {"kept": KEPT, "power": POWERS, "trust": trusts, "penalty": PENALTIES}
        for name, values in tried.items():
            rule = self._best_along([replace(rule, **{name: value}) for value in values], rule, folds)
        return rule

    def _best_along(self, rules: Sequence[VoteRule], usual: VoteRule, folds: Sequence[int]) -> VoteRule:
        """Return the rule reached by going to neighbours that surprise less, or the usual if that gains too little."""
        place, losses = rules.index(usual), self.losses(folds, usual)
        best, lowest = usual, losses
        for ahead in (rules[place + 1 :], rules[:place][::-1]):
            for one in ahead:
                if (found := self.losses(folds, one)).sum() >= lowest.sum():
                    break
                best, lowest = one, found
            # Losses have one valley along each of them, so the other side cannot be lower.
            if best in ahead:
                break
        return best if best != usual and is_gain(losses - lowest, n_errors=STANDARD_ERRORS) else usual
