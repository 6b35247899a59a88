"""Tables of text and folders written by hand are read as R writes them, or refused with what is missing."""

import gzip

import numpy as np
import pytest
from scipy import sparse
from scipy.io import mmwrite

from scbert_tools.io._text import read_text, read_written_by_hand

CELLS, GENES = ["a", "b"], ["CD3E", "NA", "3"]
COUNTS = np.array([[1, 0, 3], [0, 5, 0]])


def table(separator, *, corner=True, quote=""):
    """Genes × cells as text; R's write.table leaves the corner out."""
    names = [f"{quote}{name}{quote}" for name in CELLS]
    head = separator.join(([f"{quote}{quote}"] if corner else []) + names)
    rows = [
        f"{quote}{g}{quote}{separator}{separator.join(map(str, row))}" for g, row in zip(GENES, COUNTS.T, strict=True)
    ]
    return "\n".join([head, *rows]) + "\n"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", table(",")),
        ("t.csv", table(",", quote='"')),
        ("t.tsv", table("\t")),
        ("t.txt", table("\t", corner=False, quote='"')),
        ("T.CSV", table(",")),
        ("t.csv", table(",").replace("\n", "\r\n")),
    ],
    ids=["commas", "write.csv", "tabs", "write.table", "capitals", "Windows"],
)
def test_tables_are_read_however_they_are_written(tmp_path, name, content, packed):
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    contents = read_text(path)
    assert contents.obs.index.tolist() == CELLS
    assert contents.matrices[0].genes.index.tolist() == GENES
    np.testing.assert_array_equal(contents.matrices[0].values.toarray(), COUNTS)


@pytest.mark.parametrize(
    "content",
    [
        "gene,a,b\nCD3E,1,x\n",
        "gene,a,b\nCD3E,1,NA\n",
        "gene,a,b\nCD3E,1,\n",
        "gene,a,b\nCD3E,TRUE,FALSE\n",
        "gene,a\nCD3E,1,2,3\n",
        "gene;a;b\nCD3E;1;2\n",
    ],
    ids=["text", "NA", "blank", "truth values", "names lost", "semicolons"],
)
def test_tables_of_other_things_are_refused(tmp_path, content):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(ValueError, match="it is not a table of numbers with genes in rows"):
        read_text(tmp_path / "t.csv")


@pytest.mark.parametrize("content", ["", "gene,a,b\n"], ids=["nothing", "header alone"])
def test_tables_without_rows_are_refused(tmp_path, content):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(ValueError, match="No columns to parse from file"):
        read_text(tmp_path / "t.csv")


@pytest.fixture
def folder(tmp_path):
    """A folder of matrix, cells and genes as written from R."""
    mmwrite(tmp_path / "counts.mtx", sparse.coo_matrix(COUNTS.T))
    (tmp_path / "genes.csv").write_text("\n".join(GENES))
    (tmp_path / "metadata.csv").write_text("cell,label,n\na,T,1\nb,NA,2\n")
    return tmp_path


@pytest.mark.parametrize("values", [COUNTS, COUNTS.T], ids=["cells × genes", "genes × cells"])
def test_matrix_of_a_folder_may_lie_either_way(folder, values):
    mmwrite(folder / "counts.mtx", sparse.coo_matrix(values))
    contents = read_written_by_hand(folder)
    np.testing.assert_array_equal(contents.matrices[0].values.toarray(), COUNTS)
    assert contents.matrices[0].genes.index.tolist() == GENES


def test_square_matrix_is_taken_as_genes_by_cells(folder):
    (folder / "genes.csv").write_text("CD3E\nNKG7")
    mmwrite(folder / "counts.mtx", sparse.coo_matrix([[1, 2], [3, 4]]))
    assert read_written_by_hand(folder).matrices[0].values.toarray().tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize("genes", ["features.csv", "gene_names.csv"])
@pytest.mark.parametrize("cells", ["obs.csv", "cells.csv", "meta.csv"])
def test_tables_of_a_folder_are_found_by_their_names(folder, genes, cells):
    (folder / "genes.csv").rename(folder / genes)
    (folder / "metadata.csv").rename(folder / cells)
    contents = read_written_by_hand(folder)
    assert contents.obs.index.tolist() == CELLS
    assert contents.obs["label"].isna().tolist() == [False, True]
    assert contents.obs["n"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("genes.csv", "the folder has no .csv with gene or feature in its name"),
        ("metadata.csv", "the folder has no .csv with meta or obs or cell in its name"),
        ("counts.mtx", "the folder has no .mtx"),
    ],
)
def test_missing_file_of_a_folder_is_named(folder, lost, message):
    (folder / lost).unlink()
    with pytest.raises(ValueError, match=message):
        read_written_by_hand(folder)


def test_gzipped_matrix_of_a_folder_is_read(folder):
    (folder / "counts.mtx.gz").write_bytes(gzip.compress((folder / "counts.mtx").read_bytes()))
    (folder / "counts.mtx").unlink()
    assert read_written_by_hand(folder).matrices[0].values.sum() == COUNTS.sum()


def test_matrix_that_does_not_fit_the_tables_is_refused(folder):
    (folder / "genes.csv").write_text("CD3E")
    with pytest.raises(ValueError, match="the matrix is 3 × 2 for 1 genes and 2 cells"):
        read_written_by_hand(folder)


@pytest.mark.parametrize(
    ("name", "content", "kept"),
    [
        ("umap", "cell,x,y\na,1,2\nb,3,4\n", True),
        ("PCA", "cell,x,y\na,1,2\nb,3,4\n", True),
        ("umap", "cell,x,y\nb,1,2\na,3,4\n", False),
        ("umap", "cell,x,y\na,1,2\n", False),
        ("markers", "cell,x,y\na,1,2\nb,3,4\n", False),
    ],
    ids=["umap", "capitals", "another order", "a cell lost", "another name"],
)
def test_table_of_the_same_cells_is_an_embedding(folder, name, content, kept):
    (folder / f"{name}.csv").write_text(content)
    obsm = read_written_by_hand(folder).obsm
    assert {each: array.tolist() for each, array in obsm.items()} == ({name: [[1, 2], [3, 4]]} if kept else {})
