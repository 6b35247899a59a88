"""Figures of every cell are the same from any kind of matrix and any size of pieces, and the matrix stays as it is."""

import anndata as ad
import h5py
import numpy as np
import pytest
from scipy import sparse

from scbert_tools.tokens import row_statistics
from scbert_tools.tokens.row_statistics import SAMPLED_CELLS, RowStatistics, pieces, rows_of, without_zeros

VALUES = np.array([[0, 2, 0.5], [0, 0, 0], [-1, 4, 0], [7, 0, 0]])


def on_disk(kind):
    """Give the matrix back as what anndata or h5py reads from a file piece by piece."""

    def make(values, folder):
        path = folder / "x.h5ad"
        if kind == "dense":
            file = h5py.File(path, "w")
            file["X"] = values
            return file["X"]
        ad.AnnData(sparse.csr_matrix(values).asformat(kind)).write_h5ad(path)
        return ad.read_h5ad(path, backed="r").X

    return make


KINDS = {
    "dense": lambda values, _: values,
    "csr": lambda values, _: sparse.csr_matrix(values),
    "csc": lambda values, _: sparse.csc_matrix(values),
    "csr array": lambda values, _: sparse.csr_array(values),
    "float32": lambda values, _: values.astype(np.float32),
    "h5py": on_disk("dense"),
    "backed csr": on_disk("csr"),
    "backed csc": on_disk("csc"),
}


@pytest.fixture(params=[1, 3, 2_000_000], ids=["a value a piece", "three", "whole"])
def pieced(request, monkeypatch):
    monkeypatch.setattr(row_statistics, "VALUES_PER_PIECE", request.param)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("pieced")
def test_figures_do_not_depend_on_how_the_matrix_is_held(kind, tmp_path):
    found = RowStatistics(KINDS[kind](VALUES, tmp_path))
    assert found.total.tolist() == [2.5, 0, 3, 7]
    assert found.n_nonzero.tolist() == [2, 0, 2, 1]
    assert found.n_whole.tolist() == [1, 0, 2, 1]
    assert found.smallest.tolist() == [0.5, np.inf, -1, 7]
    assert found.largest.tolist() == [2, -np.inf, 4, 7]
    assert (found.n_negative, found.n_missing, found.minimum, found.maximum) == (1, 0, -1, 7)
    np.testing.assert_array_equal(found.sample.toarray(), VALUES)


@pytest.mark.parametrize(
    ("values", "minimum", "maximum", "density", "whole_share"),
    [
        ([[2.0, 3.5]], 2, 3.5, 1, 0.5),
        ([[2.0, 0.0]], 0, 2, 0.5, 1),
        ([[-2.5, 0.0]], -2.5, 0, 0.5, 0),
        ([[0.0, 0.0]], 0, 0, 0, 0),
        (np.zeros((0, 3)), 0, 0, 0, 0),
        (np.zeros((3, 0)), 0, 0, 0, 0),
    ],
    ids=["full", "zeros count", "negative", "only zeros", "no cells", "no genes"],
)
def test_figures_of_the_whole_matrix(values, minimum, maximum, density, whole_share):
    found = RowStatistics(np.array(values))
    assert (found.minimum, found.maximum) == (minimum, maximum)
    assert (found.density, found.whole_share) == (density, whole_share)


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "f4"])
def test_whole_numbers_of_any_type_are_whole(dtype):
    found = RowStatistics(np.array([[1, 0], [1, 1]], dtype))
    assert found.n_whole.tolist() == [1, 2]
    assert found.total.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("bad", "n_missing"), [([np.nan], 1), ([np.inf, -np.inf], 2), ([np.nan, -1.0], 1)], ids=["NaN", "infinite", "both"]
)
@pytest.mark.usefixtures("pieced")
def test_missing_values_are_counted_and_never_the_smallest_or_largest_by_themselves(bad, n_missing):
    values = np.ones((2, 4))
    values[1, : len(bad)] = bad
    found = RowStatistics(values)
    assert found.n_missing == n_missing
    assert not np.isnan([*found.smallest, *found.largest]).any()
    assert found.n_negative == sum(value < 0 for value in bad)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix], ids=["csr", "csc"])
@pytest.mark.parametrize("n_cells", [1, SAMPLED_CELLS, 3 * SAMPLED_CELLS + 1])
@pytest.mark.usefixtures("pieced")
def test_sample_is_spread_over_all_cells(monkeypatch, kind, n_cells):
    monkeypatch.setattr(row_statistics, "VALUES_PER_PIECE", max(row_statistics.VALUES_PER_PIECE, 500))
    sample = RowStatistics(kind(np.arange(1.0, n_cells + 1)[:, None])).sample.toarray().ravel()
    assert len(sample) == min(n_cells, SAMPLED_CELLS)
    assert (sample[0], sample[-1]) == (1, n_cells)
    assert len(sample) == 1 or np.diff(sample).max() <= np.ceil(n_cells / SAMPLED_CELLS)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix], ids=["dense", "csr", "csc"])
@pytest.mark.usefixtures("pieced")
def test_pieces_make_up_the_matrix(kind):
    found = list(pieces(kind(VALUES)))
    by_columns = kind is sparse.csc_matrix
    assert {piece.by_columns for piece in found} == {by_columns}
    join = sparse.hstack if by_columns else sparse.vstack
    np.testing.assert_array_equal(join([piece.values for piece in found]).toarray(), VALUES)


@pytest.mark.parametrize(
    ("data", "indices", "expected"),
    [([0.0, 2.0], [0, 1], [[0, 2]]), ([1.0, 2.0], [1, 1], [[0, 3]]), ([1.0, -1.0], [1, 1], [[0, 0]])],
    ids=["stored zero", "place stored twice", "sum is zero"],
)
def test_every_place_is_stored_once_and_the_block_stays(data, indices, expected):
    block = sparse.csr_matrix((np.array(data), np.array(indices), np.array([0, 2])), (1, 2))
    found = without_zeros(block)
    assert found.nnz == np.count_nonzero(expected)
    np.testing.assert_array_equal(found.toarray(), expected)
    assert (block.data.tolist(), block.indices.tolist()) == (data, indices)


@pytest.mark.parametrize(
    "rows",
    [slice(2, 5), slice(None), slice(3, 3), slice(4, 2), slice(-3, None), slice(0, 6, 2), np.array([4, 1])],
    ids=str,
)
@pytest.mark.parametrize(
    "kind", [sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, np.asarray], ids=lambda x: x.__name__
)
def test_rows_are_those_of_indexing(kind, rows, rng):
    x = kind(rng.poisson(1.0, (7, 5)))
    found, expected = rows_of(x, rows), x[rows]
    assert type(found) is type(expected)
    np.testing.assert_array_equal(*(each.toarray() if sparse.issparse(each) else each for each in (found, expected)))
