"""A matrix is read whole from any layout, cells in rows, or refused with what does not fit."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.io._matrices import compressed, read_matrix

VALUES = np.array([[0, 3, 0, 1], [2, 0, 0, 0], [0, 0, 0, 5]], float)


@pytest.fixture(params=["csr", "csc"])
def layout(request):
    return request.param


def test_sparse_matrices_are_read_in_both_layouts(file, put, layout):
    put(file, "X", sparse.csr_matrix(VALUES).asformat(layout))
    found = read_matrix(file["X"])
    assert found.format == "csr"
    np.testing.assert_array_equal(found.toarray(), VALUES)


@pytest.mark.parametrize("attribute", ["shape", "h5sparse_shape"])
@pytest.mark.parametrize("style", ["encoding-type", "h5sparse_format"])
def test_old_names_of_shape_and_layout_are_known(file, put, layout, attribute, style):
    put(file, "X", sparse.csr_matrix(VALUES).asformat(layout))
    attributes = file["X"].attrs
    del attributes["shape"], attributes["encoding-type"]
    attributes[attribute], attributes[style] = VALUES.shape, layout
    np.testing.assert_array_equal(read_matrix(file["X"]).toarray(), VALUES)


@pytest.mark.parametrize("stated", [True, False], ids=["dims", "no dims"])
def test_columns_of_r_are_turned_into_cells(file, put, stated):
    put(file, "counts", sparse.csc_matrix(VALUES.T))
    attributes = file["counts"].attrs
    del attributes["shape"], attributes["encoding-type"]
    if stated:
        attributes["dims"] = VALUES.shape[::-1]
    np.testing.assert_array_equal(read_matrix(file["counts"], genes_first=True).toarray(), VALUES)


def test_shape_is_found_from_the_places_if_it_is_not_stated(file, put, layout):
    put(file, "X", sparse.csr_matrix(VALUES).asformat(layout))
    del file["X"].attrs["shape"]
    np.testing.assert_array_equal(read_matrix(file["X"]).toarray(), VALUES)


def test_shape_may_be_a_data_set(file, put):
    put(file, "X", sparse.csr_matrix(VALUES))
    del file["X"].attrs["shape"]
    file["X/shape"] = (3, 9)
    assert read_matrix(file["X"]).shape == (3, 9)


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [("f8", "float64"), ("f4", "float32"), ("f2", "float32"), ("i4", "int32"), ("u1", "uint8"), ("?", "float32")],
    ids=["double", "single", "half", "integer", "byte", "truth values"],
)
def test_numbers_of_any_type_are_read(file, stored, dtype):
    file["X"] = VALUES.astype(stored)
    found = read_matrix(file["X"])
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.toarray(), VALUES.astype(stored))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(3), "1-dimensional float64, not 2-dimensional numbers"),
        (np.ones((1, 2, 3)), "3-dimensional float64, not 2-dimensional numbers"),
        (np.array([[b"a", b"b"]]), r"2-dimensional \|S1, not 2-dimensional numbers"),
    ],
    ids=["a row", "a cube", "text"],
)
def test_what_is_no_table_of_numbers_is_refused(file, values, message):
    file["X"] = values
    with pytest.raises(ValueError, match=message):
        read_matrix(file["X"])


@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
def test_missing_part_is_named(file, put, part):
    put(file, "X", sparse.csr_matrix(VALUES))
    del file["X"][part]
    with pytest.raises(KeyError, match=part):
        read_matrix(file["X"])


@pytest.mark.parametrize("by_column", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": [1.0]}, "is not whole: 1 values"),
        ({"indptr": [0, 1]}, "is not whole: 2 values, 2 line ends"),
        ({"indptr": [0, 3, 2]}, "is not whole"),
        ({"indptr": [1, 1, 2]}, "is not whole"),
        ({"indices": [0, 2]}, "has places up to 2"),
        ({"indices": [-1, 0]}, "has places up to 0"),
        ({"indices": [0.0, 1.0]}, "places of a sparse matrix are float64 and int64, not integers"),
    ],
    ids=["value lost", "line lost", "lines backwards", "late start", "too far", "negative", "fractions"],
)
def test_parts_that_contradict_one_another_are_refused(by_column, change, message):
    parts = {"data": [1.0, 2.0], "indices": [0, 1], "indptr": [0, 1, 2]} | change
    with pytest.raises(ValueError, match=message):
        compressed(*(np.array(part) for part in parts.values()), shape=(2, 2), by_column=by_column)


def test_lines_that_run_backwards_are_seen_in_unsigned_numbers():
    parts = np.ones(2), np.array([0, 1]), np.array([0, 3, 2], np.uint32)
    with pytest.raises(ValueError, match="is not whole"):
        compressed(*parts, shape=(2, 2), by_column=False)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0)], ids=["no cells", "no genes", "nothing"])
def test_empty_matrices_keep_their_shape(file, put, layout, shape):
    put(file, "X", sparse.csr_matrix(shape).asformat(layout))
    assert read_matrix(file["X"]).shape == shape
