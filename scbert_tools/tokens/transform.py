"""Normalised expression on matrices of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS_AT_ONCE = 4096
"""Dense rows that are normalised together."""


def log_cpm(x: Any) -> Any:
    """Return log(counts per million + 1) as float32, sparse for sparse and dense for dense.

    Parameters
    ----------
    x
        (cells, genes) values proportional to counts; cells without any stay zero.

    Raises
    ------
    ValueError
        If a value is negative or not finite.
    """
    if sparse.issparse(x):
        return _log_cpm_sparse(x)
    values = np.asarray(x)
    done = np.empty(values.shape, np.float32)
    for start in range(0, len(values), CELLS_AT_ONCE):
        rows = slice(start, start + CELLS_AT_ONCE)
        _refuse_impossible(values[rows])
        done[rows] = np.log1p(values[rows] * _factors(values[rows].sum(axis=1))[:, None])
    return done


def _log_cpm_sparse(x: Any) -> Any:
    """Normalise the stored values only."""
    # `astype` copies even where the type stays, so the user's matrix is not written to.
    rows = sparse.csr_matrix(x).astype(np.float32) if x.format != "csr" else x.astype(np.float32)
    rows.sum_duplicates()
    _refuse_impossible(rows.data)
    factors = _factors(np.asarray(rows.sum(axis=1, dtype=np.float64)).ravel())
    rows.data = np.log1p(rows.data * np.repeat(factors, np.diff(rows.indptr)))
    return rows if x.format == "csr" else rows.asformat(x.format)


def _factors(totals: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return what brings each cell to one million; 0 for empty cells."""
    totals = np.asarray(totals, np.float64)
    return np.divide(1e6, totals, out=np.zeros(len(totals)), where=totals > 0).astype(np.float32)


def _refuse_impossible(values: NDArray[np.float32]) -> None:
    """Refuse values that no count can have."""
    if not np.isfinite(values).all() or (values < 0).any():
        msg = "`x` holds negative, NaN or infinite values; expression cannot. Give the counts, not scaled values."
        raise ValueError(msg)
