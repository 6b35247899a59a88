"""Tables of cells and genes come back with their names; columns that cannot be read are named, not lost in silence."""

import h5py
import numpy as np
import pandas as pd
import pytest

from scbert_tools.io._tables import named_genes, read_table


@pytest.fixture
def group(tmp_path):
    """A group of an empty file."""
    with h5py.File(tmp_path / "table.h5", "w") as file:
        yield file.create_group("obs")


@pytest.mark.parametrize("index", ["_index", "index", "features", "rownames", "cell_names", "CellID", "barcodes"])
def test_names_are_found_in_every_column_that_writers_use(group, index):
    group[index] = [b"c1", b"c2"]
    group["n"] = [3, 4]
    table = read_table(group, doubts=[])
    assert table.index.tolist() == ["c1", "c2"]
    assert table["n"].tolist() == [3, 4]


def test_columns_come_in_the_order_listed_and_unlisted_ones_last(group):
    group.attrs["column-order"] = ["b", "a"]
    for name in ("a", "b", "c"):
        group[name] = [1, 2]
    assert read_table(group, doubts=[]).columns.tolist() == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("listed", "values", "doubt"),
    [
        ([], [1, 2, 3], "column 'n' was left out: it has 3 rows instead of 2"),
        (["n", "gone"], [1, 2], "column 'gone' is listed but not in the file"),
    ],
    ids=["length", "missing"],
)
def test_a_column_that_does_not_fit_leaves_a_doubt(group, listed, values, doubt):
    group["_index"] = [b"c1", b"c2"]
    group["n"] = values
    group.attrs["column-order"] = listed
    doubts = []
    read_table(group, doubts=doubts)
    assert doubts == [doubt]


@pytest.mark.parametrize(
    ("codes", "doubted"),
    [([0, 1] * 6, True), ([0, 2] * 6, False), (list(range(12)), False), ([0] * 12, False)],
    ids=["codes", "gap", "all different", "constant"],
)
def test_whole_numbers_of_a_seurat_object_may_be_factors_without_labels(group, codes, doubted):
    group["nCount_RNA"], group["cluster"] = np.linspace(1.5, 9.5, 12), codes
    doubts = []
    read_table(group, doubts=doubts)
    assert any("cluster hold whole numbers from 0" in line for line in doubts) == doubted


def test_a_data_set_that_is_no_table_is_refused(group):
    group["x"] = [1.0, 2.0]
    with pytest.raises(ValueError, match="/obs/x is not a table"):
        read_table(group["x"], doubts=[])


@pytest.mark.parametrize("column", ["features", "gene_symbols", "gene_name", "gene_short_name"])
@pytest.mark.parametrize("first", [0, 1])
def test_numbered_genes_get_their_names_from_a_column(column, first):
    repairs = []
    table = pd.DataFrame({column: ["CD3E", "LYZ"]}, index=[str(first), str(first + 1)])
    assert named_genes(table, 2, repairs=repairs).index.tolist() == ["CD3E", "LYZ"]
    assert repairs == [f"genes were numbered; they got their names from column {column!r}"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pd.DataFrame(index=["CD3E"]), "it has 2 columns but 1 genes are listed"),
        (pd.DataFrame(index=["0", "1"]), "the names of the genes are not in the file"),
        (pd.DataFrame({"features": ["1", "2"]}, index=["0", "1"]), "the names of the genes are not in the file"),
    ],
    ids=["length", "no column", "numbers in it"],
)
def test_genes_without_names_are_refused(table, said):
    with pytest.raises(ValueError, match=said):
        named_genes(table, 2, repairs=[])
