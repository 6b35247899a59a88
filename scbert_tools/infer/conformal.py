"""What sets of labels rest on: how unlikely the true label looked in held-out cells, and which of them promise what."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


MOST_SCORES = 400
"""Held-out cells kept for a label: more make the promise no truer, only its size steadier."""

MOST_OF_A_SET = 50
"""Held-out cells of a label that one data set brings to the pool: no large set drowns the others."""

FEWEST_OF_A_SET = 5
"""Cells of a label from which on a held-out data set is heard for itself."""

MORE_MISSES = 1.5
"""So many times the share of misses asked for is allowed in the data set in which a label is hardest to find: at a
coverage of 0.9, 15 % there and 10 % over all."""

LIKELY_ENOUGH = 1.0
"""Labels at least this many times as likely as a miss may be (0.1 at a coverage of 0.9) are in the set unless one's
own cells say otherwise: data in which a type is beyond doubt must not exclude it from those where it is not."""

LEAST_LIKELY = 0.1
"""Labels less likely than this many times what a miss may be (0.01 at a coverage of 0.9) are in no set unless one's own
cells ask for it: sets that hold a type to which the model was blind in other data would say nothing."""

LEAST_LIKELY_BORNE_OUT = 0.01
"""The same where the cell holds known markers of the label that no other label explains."""


@dataclass(frozen=True)
class HeldOut:
    """How unlikely the true label looked in cells that trained nothing, label by label.

    Parameters
    ----------
    names
        Labels that sets are made of; every leaf of the tree stands under exactly one of them.
    scores
        (names, at most ``MOST_SCORES``) float32, 1 - probability of the true label, sorted; NaN where there are fewer.
        Raised to what the data set says in which the label is hardest to find, see :func:`heard_out`.
    own
        (names,) whether the cells are of the data asked about; ``None`` if none are.
    pooled
        The scores before they were raised; ``None`` where nothing was.
    """

    names: tuple[str, ...]
    scores: NDArray[np.float32]
    own: NDArray[np.bool_] | None = None
    pooled: NDArray[np.float32] | None = None

    def least(self, coverage: float, borne_out: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return the probability that each label must have to be in a set: (names,), or (cells, names)."""
        least = LEAST_LIKELY if borne_out is None else np.where(borne_out, LEAST_LIKELY_BORNE_OUT, LEAST_LIKELY)
        return np.where(self.is_own, 0, least * (1 - coverage))

    def enough(self, coverage: float) -> NDArray[np.float64]:
        """Return the probability from which on each label is in a set in any case: (names,)."""
        return np.where(self.is_own, np.inf, LIKELY_ENOUGH * (1 - coverage))

    @property
    def is_own(self) -> NDArray[np.bool_]:
        """(names,) whether the cells of a label are of the data asked about."""
        return np.zeros(len(self.names), bool) if self.own is None else self.own

    @property
    def n_cells(self) -> NDArray[np.int64]:
        """(names,) held-out cells of every label."""
        return np.isfinite(self.scores).sum(axis=1)

    def promised(self, coverage: float) -> NDArray[np.bool_]:
        """Return for which labels the coverage is promised: there are enough cells, and few that the model is blind to.

        Parameters
        ----------
        coverage
            Share of cells whose set is to hold the true label.
        """
        n_blind = (self.scores > 1 - self.least(coverage)[:, None]).sum(axis=1)
        return (self.n_cells >= cells_needed(coverage)) & (n_blind <= (1 - coverage) * self.n_cells)


def is_share(value: object) -> bool:
    """Return whether a value is a number above 0 and below 1."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < 1


def cells_needed(coverage: float) -> int:
    """Return how many held-out cells a label needs before a promise of this coverage can leave anything out.

    Raises
    ------
    ValueError
        If ``coverage`` is not above 0 and below 1.
    """
    if not is_share(coverage):
        msg = f"`coverage` must be above 0 and below 1, such as 0.9 for sets right in 90 % of cells, got {coverage!r}."
        raise ValueError(msg)
    # As the decimal that was written: 0.9999 / (1 - 0.9999) in binary is a little more than 9,999.
    share = Fraction(repr(float(coverage)))
    return math.ceil(share / (1 - share))


def held_out_scores(
    likely: NDArray[np.float32],
    code: NDArray[np.int64],
    names: Sequence[str],
    *,
    dataset: NDArray[np.int64] | None = None,
) -> HeldOut:
    """Keep what conformal sets need to know of held-out cells.

    Parameters
    ----------
    likely
        (cells, names) probability of every label.
    code
        (cells,) place of the true label in ``names``; -1 where it is not known finely enough.
    names
        Labels that sets are made of.
    dataset
        (cells,) data set of each cell, where each is to bring at most ``MOST_OF_A_SET`` cells of a label and the one
        in which the label is hardest to find is heard, see :func:`heard_out`; ``None`` for cells of a single one, of
        which ``MOST_SCORES`` are kept.
    """
    scores = np.full((2, len(names), MOST_SCORES), np.nan, np.float32)
    for place in range(len(names)):
        odd, own = 1 - likely[code == place, place], None if dataset is None else dataset[code == place]
        sets = [odd] if own is None else [odd[own == one] for one in np.unique(own)]
        parts = sets if own is None else [evenly(one, MOST_OF_A_SET) for one in sets]
        kept = evenly(np.concatenate([*parts, odd[:0]]), MOST_SCORES)
        scores[:, place, : len(kept)] = kept, kept if own is None else heard_out(kept, sets)
    pooled, raised = scores
    return HeldOut(tuple(names), raised, pooled=None if dataset is None else pooled)


def heard_out(pooled: NDArray[np.float32], sets: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return pooled scores, raised so that no data set of its own misses more than ``MORE_MISSES`` times as often.

    The next data set may be as hard as the hardest seen so far, where pooled cells promise too much.

    Parameters
    ----------
    pooled
        (n,) sorted.
    sets
        Scores of each; those with fewer than ``FEWEST_OF_A_SET`` are not heard.
    """
    share = (np.arange(len(pooled)) + 0.5) / max(len(pooled), 1)
    within = np.maximum(1 - MORE_MISSES * (1 - share), 0)
    heard = [np.sort(one) for one in sets if len(one) >= FEWEST_OF_A_SET]
    ranks = [np.clip(np.ceil((len(one) + 1) * within - 1e-9).astype(int), 1, len(one)) - 1 for one in heard]
    return np.max([pooled, *(one[rank] for one, rank in zip(heard, ranks, strict=True))], axis=0)


def evenly(values: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Return values sorted, or so many of them at evenly spaced ranks where there are more."""
    n_kept = min(len(values), most)
    ranks = ((np.arange(n_kept) + 0.5) / max(n_kept, 1) * len(values)).astype(int)
    return np.sort(values)[ranks]


def completed(own: HeldOut, others: HeldOut, *, needed: int) -> HeldOut:
    """Return one's own held-out cells, and those of others for labels of which there are too few.

    Parameters
    ----------
    own, others
        What was kept of both, for the same names.
    needed
        Fewest cells of a label.
    """
    scores, enough = np.full((len(own.names), MOST_SCORES), np.nan, np.float32), own.n_cells >= needed
    for place, whole in enumerate(enough):
        chosen = (own if whole else others).scores[place]
        scores[place, : len(chosen)] = chosen
    return HeldOut(own.names, scores, enough, others.pooled)


def share_as_odd(odd: NDArray[np.floating[Any]], known: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the share of known cells that are at least as odd, each cell counting as one of them: (cells,).

    Parameters
    ----------
    odd
        (cells,).
    known
        (n,) how odd known cells are, sorted.
    """
    return np.asarray((1 + len(known) - np.searchsorted(known, odd)) / (1 + len(known)))
