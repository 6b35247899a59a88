"""Whole counts for augmentation, whatever the values were before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy import sparse

PSEUDO_DEPTH = 20_000
"""Counts per cell given to cells whose counts cannot be had."""

NEARLY_WHOLE = 0.02
"""Distance from a whole number, as a share of it, that the arithmetic of a file may leave."""


def whole_counts(linear: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return whole counts: as they are, in units of a cell's smallest value, or out of 20,000 a cell.

    The smallest value of a cell is one count if all its values are then nearly whole; where that is not so for all
    cells, every cell is brought to 20,000 counts and rounded.

    Parameters
    ----------
    linear
        (cells, genes) values proportional to counts within each cell.
    """
    counts = linear.copy()
    counts.eliminate_zeros()
    lengths = np.diff(counts.indptr)
    filled = np.flatnonzero(lengths)
    if not counts.nnz or np.array_equal(counts.data, np.rint(counts.data)):
        return counts
    starts = counts.indptr[:-1][filled]
    # A cell's smallest value is one count if any gene was seen just once; if not, others come out as halves or thirds.
    units = counts.data / np.repeat(np.minimum.reduceat(counts.data, starts), lengths[filled])
    if np.all(np.abs(units - np.rint(units)) <= NEARLY_WHOLE * units):
        counts.data = np.rint(units)
        return counts
    totals = np.add.reduceat(counts.data, starts, dtype=np.float64)
    counts.data = np.rint(counts.data * np.repeat(PSEUDO_DEPTH / totals, lengths[filled])).astype(np.float32)
    counts.eliminate_zeros()
    return counts
