"""The base of a log, from cells alone: equal totals, or values that are whole multiples of a cell's smallest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

BASES = (math.e, 2.0, 10.0)
ROUND_TOTALS = (1.0, 1e2, 1e3, 1e4, 1e5, 1e6)
SAME_TOTAL = 0.01
WHOLE_MULTIPLES = 0.9
LARGEST_MULTIPLE = 50
"""Farther up, whole numbers lie closer than rounding to single precision lets one tell."""


@dataclass(frozen=True, kw_only=True)
class LogFit:
    """The base of the log (``None``: not a log) and the total of every cell, if it is one."""

    base: float | None
    total: float | None
    evidence: str
    certain: bool = True


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One base tried: how even the totals of the cells become, and how whole the multiples."""

    base: float | None
    total: float
    spread: float
    multiples: float
    unit_is_one: bool

    @property
    def name(self) -> str:
        """The reading in words."""
        return "linear values" if self.base is None else f"log base {'e' if self.base == math.e else f'{self.base:g}'}"


def fit_log(sample: sparse.csr_matrix, *, try_log: bool = True) -> LogFit:
    """Find the base that explains the values of some cells.

    Parameters
    ----------
    sample
        Cells × all genes of the matrix, none negative, float64.
    try_log
        Whether the values are small enough to be logs.
    """
    filled = sample[np.diff(sample.indptr) > 0]
    if not filled.shape[0]:
        return LogFit(base=None, total=None, evidence="no cell that was looked at holds a value", certain=False)
    readings = [_read(filled, base) for base in ((None, *BASES) if try_log else (None,))]
    # Equal totals are the strongest sign. They are gone once genes were left out, while multiples of one count still
    # hold; evenness is a guess.
    return _by_totals(readings) or _by_multiples(readings) or _by_evenness(readings)


def _read(sample: sparse.csr_matrix, base: float | None) -> Reading:
    with np.errstate(over="ignore", invalid="ignore"):
        linear = sample.data if base is None else np.expm1(sample.data * math.log(base))
        first = sample.indptr[:-1]
        totals, smallest = np.add.reduceat(linear, first), np.minimum.reduceat(linear, first)
        multiples = linear / np.repeat(smallest, np.diff(sample.indptr))
        return Reading(
            base=base,
            total=float(np.median(totals)),
            spread=float(totals.std() / totals.mean()),
            multiples=_whole_share(multiples),
            unit_is_one=bool(
                np.median(np.abs(smallest - 1)) < 1e-4 and np.mean(np.abs(linear - np.rint(linear)) < 1e-2) > 0.99
            ),
        )


def _whole_share(multiples: NDArray[np.float64]) -> float:
    """Share of the multiples above one that are whole; 0 where there are too few to tell."""
    # The smallest value is once itself in any base and says nothing.
    telling = multiples[(multiples > 1.01) & (multiples < LARGEST_MULTIPLE)]
    if telling.size < 20:
        return 0.0
    return _near_whole(telling)


def _near_whole(values: NDArray[np.float64]) -> float:
    return float(np.mean(np.abs(values - np.rint(values)) < 0.02))


def _by_totals(readings: list[Reading]) -> LogFit | None:
    """Accept the reading that gives every cell the same total."""
    best = min(readings, key=lambda reading: reading.spread)
    # Said with `not`, so that the spread of a base that overflowed, which is NaN, is refused as well.
    if not best.spread < SAME_TOTAL:
        return None
    total = next((total for total in ROUND_TOTALS if abs(best.total / total - 1) < SAME_TOTAL), best.total)
    return LogFit(base=best.base, total=total, evidence=f"read as {best.name}, every cell sums to {total:,.6g}")


def _by_multiples(readings: list[Reading]) -> LogFit | None:
    """Accept the reading that makes the values of a cell whole multiples of its smallest: that is one count."""
    best = max(readings, key=lambda reading: reading.multiples)
    if best.multiples < WHOLE_MULTIPLES:
        return None
    evidence = f"read as {best.name}, {best.multiples:.0%} of the values are whole multiples of the cell's smallest"
    if best.unit_is_one:
        evidence = f"read as {best.name}, the values are whole numbers: plain or SCT-corrected counts, not normalised"
    return LogFit(base=best.base, total=None, evidence=evidence, certain=not best.unit_is_one)


def _by_evenness(readings: list[Reading]) -> LogFit:
    """Choose the reading with the most even totals (log10 is rare); certain only if it is far ahead."""
    best, *others = sorted(readings, key=lambda reading: reading.spread * (2 if reading.base == 10 else 1))
    if not others:
        return LogFit(base=None, total=None, evidence="not whole, none negative, and too large for a log")
    ahead = best.spread < 0.15 and others[0].spread > 3 * best.spread
    evidence = f"neither equal totals nor whole multiples; totals are most even ({best.spread:.0%}) as {best.name}"
    return LogFit(base=best.base, total=None, evidence=evidence, certain=ahead)
