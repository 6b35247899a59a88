"""Matrices in an HDF5 file: dense, or sparse in any of the layouts in use; whole, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from ._columns import texts

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

PARTS = ("data", "indices", "indptr")
SHAPES = ("shape", "h5sparse_shape", "dims")
FORMATS = ("encoding-type", "h5sparse_format")


def read_matrix(node: h5py.Group | h5py.Dataset, *, genes_first: bool = False) -> sparse.csr_matrix:
    """Read a matrix as cells × genes.

    Parameters
    ----------
    node
        Data set of a dense matrix, or group with ``data``, ``indices`` and ``indptr``.
    genes_first
        Whether a sparse matrix is stored by the columns of R, genes × cells.

    Raises
    ------
    ValueError
        If the parts of the matrix contradict one another or are not numbers.
    """
    if not hasattr(node, "keys"):
        return sparse.csr_matrix(_numbers(node[()], n_dimensions=2))
    data, indices, indptr = (_numbers(node[part][()], n_dimensions=1) for part in PARTS)
    layout = texts(next((node.attrs[name] for name in FORMATS if name in node.attrs), ""))[0]
    by_column = genes_first or layout.startswith("csc")
    shape = _shape(node, indices, indptr, by_column=by_column)
    matrix = compressed(data, indices, indptr, shape=shape, by_column=by_column)
    return (matrix.transpose() if genes_first else matrix).tocsr()


def compressed(
    data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], *, shape: tuple[int, int], by_column: bool
) -> sparse.csr_matrix | sparse.csc_matrix:
    """Return the sparse matrix of the three arrays after checking that they fit each other and the shape."""
    n_lines, length = (shape[1], shape[0]) if by_column else shape
    if indices.dtype.kind not in "iu" or indptr.dtype.kind not in "iu":
        msg = f"places of a sparse matrix are {indices.dtype} and {indptr.dtype}, not integers"
        raise ValueError(msg)
    whole = (
        indptr.size == n_lines + 1 and indptr.size > 0 and data.size == indices.size == indptr[-1] and indptr[0] == 0
    )
    # Unsigned differences wrap around instead of falling below zero, so they are taken as signed.
    if not whole or (np.diff(indptr.astype(np.int64)) < 0).any():
        msg = f"a sparse matrix of {shape[0]} × {shape[1]} is not whole: {data.size} values, {indptr.size} line ends"
        raise ValueError(msg)
    if indices.size and not 0 <= indices.min() <= indices.max() < length:
        msg = f"a sparse matrix of {shape[0]} × {shape[1]} has places up to {indices.max()}"
        raise ValueError(msg)
    kind = sparse.csc_matrix if by_column else sparse.csr_matrix
    return kind((data, indices.astype(np.int64), indptr.astype(np.int64)), shape)


def _shape(node: h5py.Group, indices: NDArray[Any], indptr: NDArray[Any], *, by_column: bool) -> tuple[int, int]:
    stated = next((node.attrs[name] for name in SHAPES if name in node.attrs), node.get("shape"))
    if stated is None:
        n_lines, length = max(indptr.size - 1, 0), int(indices.max(initial=-1)) + 1
        return (length, n_lines) if by_column else (n_lines, length)
    rows, columns = (int(n) for n in np.asarray(stated).ravel())
    return rows, columns


def _numbers(values: NDArray[Any], *, n_dimensions: int) -> NDArray[Any]:
    if values.dtype.kind not in "biuf" or values.ndim != n_dimensions:
        msg = f"a matrix holds {values.ndim}-dimensional {values.dtype}, not {n_dimensions}-dimensional numbers"
        raise ValueError(msg)
    # SciPy has no sparse matrices of half precision.
    return values.astype(np.float32) if values.dtype.kind == "b" or values.dtype == np.float16 else values
