"""One pass over a matrix of any kind, in pieces: what each cell holds, and a spread-out sample of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

VALUES_PER_PIECE = 2_000_000
SAMPLED_CELLS = 512


@dataclass(frozen=True)
class Piece:
    """A block of a matrix: some rows with all columns, or all rows with some columns."""

    rows: slice
    values: sparse.csr_matrix
    by_columns: bool


class RowStatistics:
    """Per-cell figures of a cells × genes matrix, gathered piece by piece in constant memory.

    Parameters
    ----------
    x
        Cells × genes: NumPy, SciPy csr or csc, an HDF5 data set, or anndata's backed sparse data set.
    """

    def __init__(self, x: Any) -> None:
        self.n_cells, self.n_genes = (int(n) for n in x.shape)
        self.total = np.zeros(self.n_cells)
        self.n_nonzero = np.zeros(self.n_cells, np.int64)
        self.n_whole = np.zeros(self.n_cells, np.int64)
        self.smallest = np.full(self.n_cells, np.inf)
        self.largest = np.full(self.n_cells, -np.inf)
        self.n_negative = self.n_missing = 0
        wanted = np.unique(np.linspace(0, max(self.n_cells - 1, 0), SAMPLED_CELLS).astype(np.int64))
        sampled: list[sparse.csr_matrix] = []
        by_columns = False
        for piece in pieces(x):
            by_columns = piece.by_columns
            self._add(piece)
            inside = wanted[(wanted >= piece.rows.start) & (wanted < piece.rows.stop)] - piece.rows.start
            sampled += [piece.values[inside]] if inside.size else []
        join = sparse.hstack if by_columns else sparse.vstack
        self.sample = sparse.csr_matrix(join(sampled) if sampled else (0, self.n_genes), dtype=np.float64)
        """Up to 512 cells × all genes, evenly spread over the matrix."""

    def _add(self, piece: Piece) -> None:
        data, starts = piece.values.data, piece.values.indptr
        filled = np.flatnonzero(np.diff(starts))
        if not filled.size:
            return
        rows, first = filled + piece.rows.start, starts[filled]
        self.n_nonzero[rows] += np.diff(starts)[filled]
        with np.errstate(invalid="ignore"):  # infinite values of both signs, which are counted below
            self.total[rows] += np.add.reduceat(data, first, dtype=np.float64)
        # `fmin` and `fmax` pass over NaN, which is counted apart: one lost value must not hide the range of the others.
        self.smallest[rows] = np.fmin(self.smallest[rows], np.fmin.reduceat(data, first))
        self.largest[rows] = np.fmax(self.largest[rows], np.fmax.reduceat(data, first))
        self.n_whole[rows] += _whole_per_row(data, first)
        if self.smallest[rows].min() < 0:
            self.n_negative += int(np.count_nonzero(data < 0))
        if not np.isfinite(self.total[rows]).all():
            self.n_missing += int(np.count_nonzero(~np.isfinite(data)))

    @property
    def minimum(self) -> float:
        """Smallest value of the matrix, counting zeros that are not stored."""
        stored = float(self.smallest.min(initial=np.inf))
        return min(stored, 0.0) if self.density < 1 else stored

    @property
    def maximum(self) -> float:
        """Largest value of the matrix."""
        stored = float(self.largest.max(initial=-np.inf))
        return max(stored, 0.0) if self.density < 1 else stored

    @property
    def density(self) -> float:
        """Share of the values that are not zero."""
        return int(self.n_nonzero.sum()) / max(self.n_cells * self.n_genes, 1)

    @property
    def whole_share(self) -> float:
        """Share of the non-zero values that are whole numbers."""
        return int(self.n_whole.sum()) / max(int(self.n_nonzero.sum()), 1)


def pieces(x: Any) -> Iterator[Piece]:
    """Yield the matrix in blocks of about two million stored values, as csr without stored zeros."""
    # Rows of a csc matrix lie all over it: each block of rows would cost a walk through the whole.
    by_columns = getattr(x, "format", None) == "csc"
    n_cells, n_genes = x.shape
    length, width = (n_genes, n_cells) if by_columns else (n_cells, n_genes)
    stored = getattr(x, "nnz", None)
    per_line = width if stored is None else stored / max(length, 1)
    step = max(1, int(VALUES_PER_PIECE / max(per_line, 1)))
    for start in range(0, length, step):
        part = slice(start, min(start + step, length))
        block = x[:, part] if by_columns else rows_of(x, part)
        yield Piece(slice(0, n_cells) if by_columns else part, without_zeros(block), by_columns)


def rows_of(x: Any, rows: slice | NDArray[np.int64]) -> Any:
    """Return some rows, not to be written to: those of a slice of a csr matrix share its memory."""
    start, stop, step = rows.indices(x.shape[0]) if isinstance(rows, slice) else (0, 0, 0)
    if step != 1 or stop < start or not isinstance(x, sparse.csr_matrix | sparse.csr_array):
        return x[rows]
    stored = slice(x.indptr[start], x.indptr[stop])
    part = type(x)((stop - start, x.shape[1]), dtype=x.dtype)
    part.data, part.indices, part.indptr = x.data[stored], x.indices[stored], x.indptr[start : stop + 1] - stored.start
    return part


def without_zeros(block: Any) -> sparse.csr_matrix:
    """Return a block as csr that stores every place once and no zero; the block itself is not changed."""
    # Making a csr block once more would copy it where it is a part of a larger one.
    values = block if isinstance(block, sparse.csr_matrix) else sparse.csr_matrix(block)
    # `csr_matrix` shares the arrays of a csr block, which belongs to the user: copy before changing it in place.
    if not values.has_canonical_format:
        values = values.copy()
        values.sum_duplicates()
    if np.count_nonzero(values.data) < values.data.size:
        values = values.copy()
        values.eliminate_zeros()
    return values


def _whole_per_row(data: NDArray[Any], first: NDArray[Any]) -> NDArray[np.int64]:
    """Count the whole numbers of each row; ``first`` is where the rows begin in ``data``."""
    lengths = np.diff(first, append=data.size)
    if data.dtype.kind in "iub":
        return lengths
    # Nearly every matrix is all whole or hardly anywhere: both are spared the sums by row.
    whole = data == np.rint(data)
    n_whole = np.count_nonzero(whole)
    if n_whole == data.size:
        return lengths
    return np.add.reduceat(whole, first, dtype=np.int64) if n_whole else np.zeros_like(lengths)
