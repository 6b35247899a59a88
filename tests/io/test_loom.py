"""A .loom is turned to cells × genes with its columns, embeddings and layers; lost labels are told."""

import numpy as np
import pytest

from scbert_tools.io._loom import read_loom

CELLS, GENES = ["a", "b", "c"], ["CD3E", "NKG7"]
COUNTS = np.array([[1.0, 0], [0, 2], [3, 4]])


@pytest.fixture
def loom(file, put):
    """Three cells × two genes."""
    put(file, "col_attrs/CellID", CELLS)
    put(file, "row_attrs/Gene", GENES)
    file["matrix"] = COUNTS.T
    return file


def test_matrix_and_layers_are_turned(loom):
    loom["layers/spliced"] = 2 * COUNTS.T
    contents = read_loom(loom)
    assert contents.obs.index.tolist() == CELLS
    assert [(m.name, m.genes.index.tolist()) for m in contents.matrices] == [("X", GENES), ("spliced", GENES)]
    for factor, matrix in zip((1, 2), contents.matrices, strict=True):
        np.testing.assert_array_equal(matrix.values.toarray(), factor * COUNTS)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("col_attrs/CellID", "cell_names"),
        ("col_attrs/CellID", "obs_names"),
        ("row_attrs/Gene", "gene_names"),
        ("row_attrs/Gene", "var_names"),
    ],
)
def test_names_are_found_as_other_writers_call_them(loom, place, name):
    loom.move(place, f"{place.split('/')[0]}/{name}")
    contents = read_loom(loom)
    assert (contents.obs.index.tolist(), contents.matrices[0].genes.index.tolist()) == (CELLS, GENES)
    assert list(contents.obs) == []


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("col_attrs/CellID", "none of CellID, cell_names, obs_names is in /col_attrs"),
        ("row_attrs/Gene", "none of Gene, gene_names, var_names is in /row_attrs"),
    ],
    ids=["cells", "genes"],
)
def test_files_without_names_are_refused(loom, place, message):
    del loom[place]
    with pytest.raises(ValueError, match=message):
        read_loom(loom)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([b"x", b"NA", b"z"], object), ["x", None, "z"]),
        (np.array([1, 2, 3], "i4"), [1, 2, 3]),
        (np.array([1, -2147483648, 3], "i4"), [1, None, 3]),
        (np.array([0.5, np.nan, 1]), [0.5, None, 1]),
    ],
    ids=["text", "integers", "missing integer", "fractions"],
)
def test_columns_are_read_with_their_missing_values(loom, put, values, expected):
    put(loom, "col_attrs/n", [value.decode() for value in values] if values.dtype == object else values)
    column = read_loom(loom).obs["n"]
    assert [None if missing else value for value, missing in zip(column, column.isna(), strict=True)] == expected


@pytest.mark.parametrize("place", ["matrix", "layers/spliced"])
def test_matrix_of_another_shape_is_refused(loom, place):
    loom.pop("matrix", None) if place == "matrix" else None
    loom[place] = np.ones((2, 4))
    with pytest.raises(ValueError, match=r"has shape \(4, 2\) for 3 cells and 2 genes"):
        read_loom(loom)


def test_labels_that_were_written_as_numbers_are_told(loom):
    loom["col_attrs/cluster"] = np.array([1, 2, 1], "u1")
    contents = read_loom(loom)
    assert contents.obs["cluster"].tolist() == [1, 2, 1]
    assert contents.doubts == ["cluster hold the numbers of labels; the labels are not in the file"]


@pytest.mark.parametrize(
    ("values", "kept"),
    [(np.ones((3, 2)), True), (np.ones((2, 3)), False), (np.ones((3, 2), "S1"), False)],
    ids=["embedding", "other cells", "text"],
)
def test_attribute_of_several_columns_is_an_embedding_or_left_out(loom, values, kept):
    loom["col_attrs/umap"] = values
    contents = read_loom(loom)
    assert list(contents.obsm) == (["umap"] if kept else [])
    assert contents.doubts == ([] if kept else ["column 'umap' was left out: column /col_attrs/umap has 2 dimensions"])


def test_column_of_other_cells_and_group_are_left_out_with_a_doubt(loom):
    loom["col_attrs/long"] = np.ones(4)
    loom.create_group("col_attrs/odd")
    contents = read_loom(loom)
    assert list(contents.obs) == []
    assert contents.doubts[0] == "column 'long' was left out: it has 4 rows instead of 3"
    assert contents.doubts[1].startswith("column 'odd' was left out")
