"""Whatever stands in an .h5ad or .h5mu is read or named as left out; nothing is dropped in silence."""

import re

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.io._h5ad import read_h5ad, read_h5mu

CELLS, GENES = ["a", "b", "c"], ["CD3E", "NKG7"]
COUNTS = sparse.csr_matrix([[1, 0], [0, 2], [3, 4]], dtype=float)


@pytest.fixture
def h5ad(file, put):
    """Three cells without any matrix."""
    put(file, "obs", {"_index": CELLS})
    put(file, "var", {"_index": GENES})
    return file


@pytest.mark.parametrize(
    ("places", "names"),
    [
        (["X"], ["X"]),
        (["X", "layers/counts", "layers/data"], ["X", "counts", "data"]),
        (["layers/counts"], ["counts"]),
        (["X", "raw/X"], ["X", "raw"]),
    ],
    ids=["X", "layers", "layer alone", "raw without a table"],
)
def test_every_matrix_is_read_by_its_name(h5ad, put, places, names):
    for place in places:
        put(h5ad, place, COUNTS)
    contents = read_h5ad(h5ad)
    assert [matrix.name for matrix in contents.matrices] == names
    assert all(matrix.genes.index.tolist() == GENES for matrix in contents.matrices)
    assert contents.doubts == []


def test_raw_of_old_files_stands_beside_x(h5ad, put):
    put(h5ad, "raw.X", sparse.csr_matrix(np.ones((3, 3))))
    put(h5ad, "raw.var", {"_index": [*GENES, "LYZ"]})
    matrix = read_h5ad(h5ad).matrices[0]
    assert (matrix.name, matrix.genes.index.tolist()) == ("raw", [*GENES, "LYZ"])


@pytest.mark.parametrize(
    ("left", "message"),
    [([], "the writer stopped before `obs` and `var`"), (["obs"], "before `var`$"), (["var"], "before `obs`$")],
    ids=["both", "var", "obs"],
)
def test_files_without_tables_are_refused(file, put, left, message):
    for name in left:
        put(file, name, {"_index": CELLS})
    with pytest.raises(ValueError, match=message):
        read_h5ad(file)


@pytest.mark.parametrize(
    ("parts", "expected", "told"),
    [
        ({"counts.1": COUNTS[:2], "counts.2": COUNTS[2:]}, COUNTS, "counts.1, counts.2 were joined in this order"),
        ({"counts.x": COUNTS * 0, "counts.y": COUNTS}, COUNTS, ""),
        ({"data.pbmc.3k": COUNTS[:1], "data.kang": COUNTS[1:]}, None, "data.kang, data.pbmc.3k were joined in this"),
    ],
    ids=["some cells each", "all cells each", "names with points"],
)
def test_split_layers_become_one(h5ad, put, parts, expected, told):
    for name, values in parts.items():
        put(h5ad, f"layers/{name}", values)
    contents = read_h5ad(h5ad)
    joined = contents.matrices[-1]
    assert joined.values.shape == (3, 2)
    assert expected is None or (joined.values != expected).nnz == 0
    assert contents.repairs == [f"{', '.join(sorted(parts))} were joined to {joined.name}"]
    assert "; ".join(contents.doubts).startswith(told)


def test_split_layers_that_do_not_make_up_the_cells_are_named(h5ad, put):
    put(h5ad, "X", COUNTS)
    put(h5ad, "layers/counts.1", COUNTS[:1])
    contents = read_h5ad(h5ad)
    assert [matrix.name for matrix in contents.matrices] == ["X"]
    assert contents.doubts == ["counts.1 were left out: 1 rows together for 3 cells"]


@pytest.mark.parametrize(
    ("place", "values", "message"),
    [
        ("X", COUNTS[:2], "X was left out: 2 rows for 3 cells"),
        ("X", COUNTS[:, :1], "X was left out: it has 1 columns but 2 genes are listed"),
        ("layers/spliced", np.zeros(3), "spliced was left out: a matrix holds 1-dimensional"),
        ("raw/X", np.zeros((3, 2), "S1"), r"raw was left out: a matrix holds 2-dimensional \|S1"),
    ],
    ids=["cells", "genes", "a row", "text"],
)
def test_matrices_that_do_not_fit_are_left_out_with_a_doubt(h5ad, put, place, values, message):
    put(h5ad, place, values)
    contents = read_h5ad(h5ad)
    assert contents.matrices == []
    assert re.match(message, contents.doubts[0])


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (np.ones((3, 2)), True),
        ({"index": ["a", "b", "c"], "x": [0.5, 1, 2], "y": [1.5, 2, 3]}, True),
        (np.ones((2, 2)), False),
        (np.ones(3), False),
        (np.ones((3, 2), "S1"), False),
        (sparse.csr_matrix(np.ones((3, 2))), False),
    ],
    ids=["array", "table", "too few cells", "a row", "text", "sparse"],
)
def test_embeddings_are_kept_or_named(h5ad, put, values, kept):
    put(h5ad, "obsm/X_pca", values)
    contents = read_h5ad(h5ad)
    assert {name: array.shape for name, array in contents.obsm.items()} == ({"X_pca": (3, 2)} if kept else {})
    assert [doubt.startswith("obsm 'X_pca' was left out: ") for doubt in contents.doubts] == ([] if kept else [True])


def test_cells_without_names_are_numbered_with_a_doubt(file, put):
    put(file, "var", {"_index": GENES})
    file["obs/n"] = [1, 2, 3]
    contents = read_h5ad(file)
    assert contents.obs.index.tolist() == [0, 1, 2]
    assert contents.doubts == ["the cells have no names; they were numbered"]


def test_names_that_are_there_twice_are_kept(file, put):
    put(file, "obs", {"_index": ["a", "a"]})
    put(file, "var", {"_index": ["TBCE", "TBCE"]})
    put(file, "X", COUNTS[:2])
    contents = read_h5ad(file)
    assert contents.obs.index.tolist() == ["a", "a"]
    assert contents.matrices[0].genes.index.tolist() == ["TBCE", "TBCE"]


@pytest.fixture
def modality(file, put):
    """Add a modality of the three cells, or of some."""

    def add(name, genes, *, cells=CELLS, place="X"):
        put(file, f"mod/{name}/obs", {"_index": cells})
        put(file, f"mod/{name}/var", {"_index": genes})
        put(file, f"mod/{name}/{place}", sparse.csr_matrix(np.ones((len(cells), len(genes)))))
        return file

    return add


@pytest.mark.parametrize("name", ["rna", "RNA", "GEX", "Gene Expression"])
def test_rna_is_found_by_its_names(modality, name):
    modality("ADT", ["CD3-TotalSeqB"])
    contents = read_h5mu(modality(name, GENES))
    assert (contents.format, contents.matrices[0].genes.index.tolist()) == ("h5mu", GENES)
    assert list(contents.assays) == ["ADT"]


def test_first_modality_is_read_where_none_is_called_rna(modality):
    assert read_h5mu(modality("cells", GENES)).matrices[0].genes.index.tolist() == GENES


def test_cells_without_proteins_have_missing_values(modality):
    modality("rna", GENES)
    proteins = read_h5mu(modality("prot", ["CD3", "CD3"], cells=["c", "a"])).assays["prot"]
    assert proteins.index.tolist() == CELLS
    assert proteins.isna().all(axis=1).tolist() == [False, True, False]


def test_modality_without_a_matrix_is_named(modality):
    modality("rna", GENES)
    contents = read_h5mu(modality("prot", ["CD3"], place="layers/scaled"))
    assert contents.assays == {}
    assert contents.doubts == ["modality 'prot' was left out: no matrix"]


def test_file_without_modalities_is_refused(file):
    file.create_group("mod")
    with pytest.raises(ValueError, match="it holds no modality"):
        read_h5mu(file)
