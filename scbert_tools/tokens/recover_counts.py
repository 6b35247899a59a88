"""Counts back from log-normalised values, where that is certain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from .row_statistics import without_zeros

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .scale import ExpressionScale

TOLERANCE = 0.01
RELATIVE_TOLERANCE = 2e-5
LARGEST_ERROR = 0.2
SINGLE_COUNTS = 0.25
"""Share of a cell's values that must equal its smallest for that to be taken for one count."""


def recover_counts(
    values: sparse.csr_matrix, scale: ExpressionScale, *, totals: NDArray[np.float64] | None = None
) -> sparse.csr_matrix | None:
    """Return the counts that values were made of, ``None`` unless every value comes out whole.

    Parameters
    ----------
    values
        Cells × genes on a log scale, as read from the file.
    scale
        Result of :func:`~scbert_tools.tokens.scale.detect_scale` for them.
    totals
        Counts of each cell before normalisation (Seurat's ``nCount_RNA``); without them the smallest value of a
        cell is taken for one count, if enough of its values equal it.

    Returns
    -------
    Cells × genes, whole numbers in float32, or ``None``.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scbert_tools.tokens.scale import detect_scale
    >>> counts = np.random.default_rng(0).poisson(1.0, (60, 80)) + np.eye(60, 80)
    >>> logged = sparse.csr_matrix(np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4))
    >>> bool((recover_counts(logged, detect_scale(logged)) == counts).all())
    True
    """
    if scale.kind != "log" or scale.base is None:
        return None
    stored = without_zeros(values)
    linear = np.expm1(stored.data.astype(np.float64) * np.log(scale.base))
    lengths = np.diff(stored.indptr)
    filled = lengths > 0
    first = stored.indptr[:-1][filled]
    # Noted totals tell one count exactly; a cell's smallest value does so only where many genes were seen once.
    candidates = [_units_by_totals(linear, first, filled, totals), _units_by_smallest(linear, first, lengths[filled])]
    for units in candidates:
        if units is None:
            continue
        counts = linear / np.repeat(units, lengths[filled])
        if _whole(counts):
            return sparse.csr_matrix((np.rint(counts).astype(np.float32), stored.indices, stored.indptr), stored.shape)
    return None


def _units_by_totals(
    linear: NDArray[np.float64], first: NDArray[np.int32], filled: NDArray[np.bool_], totals: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    """Return what one count became in each cell, from its total before and after."""
    if totals is None or not (np.isfinite(totals[filled]) & (totals[filled] > 0)).all():
        return None
    return np.asarray(np.add.reduceat(linear, first) / totals[filled])


def _units_by_smallest(
    linear: NDArray[np.float64], first: NDArray[np.int32], lengths: NDArray[np.int32]
) -> NDArray[np.float64] | None:
    """Return the smallest value of each cell, ``None`` if a cell has too few of it to be one count."""
    smallest = np.minimum.reduceat(linear, first)
    same = np.abs(linear / np.repeat(smallest, lengths) - 1) < TOLERANCE
    return smallest if (np.add.reduceat(same, first, dtype=float) >= SINGLE_COUNTS * lengths).all() else None


def _whole(counts: NDArray[np.float64]) -> bool:
    error = np.abs(counts - np.rint(counts))
    allowed = np.minimum(TOLERANCE + RELATIVE_TOLERANCE * counts, LARGEST_ERROR)
    return bool((error <= allowed).all() and counts.size and np.rint(counts).min() >= 1)
