"""Contents of a file become an AnnData: counts in X if there are any, all else kept, doubts told, all writable."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scbert_tools.io._assemble import assemble, embedding_name, writable
from scbert_tools.io._contents import Contents, Matrix

CELLS, GENES = [f"c{i}" for i in range(60)], [f"G{i}" for i in range(40)]
WAYS = {
    "counts": lambda counts: counts,
    "log": lambda counts: np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4),
    "scaled": lambda counts: (counts - counts.mean(axis=0)) / counts.std(axis=0),
    "shares": lambda counts: counts / counts.sum(axis=1, keepdims=True) * 1e6,
    "empty": np.zeros_like,
}


@pytest.fixture
def counts(rng):
    return rng.poisson(rng.lognormal(0.5, 0.6, (60, 1)) * rng.gamma(1, 1.5, 40)) + np.eye(60, 40)


@pytest.fixture
def contents(counts):
    """Make contents of matrices by name, each of one of the scales."""

    def make(obs=None, **scales):
        table = pd.DataFrame(index=GENES)
        matrices = [Matrix(name, sparse.csr_matrix(WAYS[how](counts)), table) for name, how in scales.items()]
        return Contents(format="test", obs=pd.DataFrame(obs or {}, index=CELLS), matrices=matrices)

    return make


@pytest.mark.parametrize(
    ("scales", "matrix", "state", "layers"),
    [
        ({"X": "counts"}, "X", "counts", []),
        ({"X": "log", "counts": "counts"}, "counts", "counts", ["lognorm"]),
        ({"X": "scaled", "raw": "counts"}, "raw", "counts", ["scaled"]),
        ({"X": "scaled", "raw": "log"}, "raw", "counts recovered from natural log of 1 + CP10k", ["scaled", "lognorm"]),
        ({"X": "counts", "data": "log", "empty": "empty"}, "X", "counts", ["data"]),
        ({"X": "shares"}, "X", "CPM linear", []),
    ],
    ids=["counts", "counts in a layer", "counts in raw", "log in raw", "layers by name", "shares"],
)
def test_counts_come_to_x_and_the_rest_to_layers(contents, counts, scales, matrix, state, layers):
    adata = assemble(contents({"nCount_RNA": counts.sum(axis=1)}, **scales))
    report = adata.uns["seurat_import"]
    assert (report["matrix"], report["X"], [name for name in adata.layers if name]) == (matrix, state, layers)
    if "counts" in state:
        np.testing.assert_array_equal(adata.X.toarray(), counts)


def test_same_counts_are_not_kept_twice(contents):
    assert [name for name in assemble(contents(counts="counts", raw="counts")).layers if name] == []


def test_matrix_of_other_genes_is_no_layer(contents, counts):
    made = contents(counts="counts")
    made.matrices.append(Matrix("X", sparse.csr_matrix(counts[:, :9]), pd.DataFrame(index=GENES[:9])))
    assert assemble(made).shape == (60, 40)
    assert [name for name in assemble(made).layers if name] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: made.matrices.clear(), "it holds no matrix of all its cells and genes$"),
        (lambda made: (made.matrices.clear(), made.doubts.append("X broke")), r"cells and genes \(X broke\)"),
        (lambda made: setattr(made, "obs", pd.DataFrame()), "it holds no cells"),
    ],
    ids=["no matrix", "with the reason", "no cells"],
)
def test_contents_that_make_no_data_are_refused(contents, change, message):
    made = contents(X="counts")
    change(made)
    with pytest.raises(ValueError, match=message):
        assemble(made)


def test_counts_that_differ_are_told(contents, counts):
    made = contents(counts="counts", X="counts")
    made.matrices[1].values[3, 4] = 99
    assert "X holds other counts than counts, which was taken" in assemble(made).uns["seurat_import"]["warnings"]


@pytest.mark.parametrize(
    ("name", "difference", "told"),
    [
        ("nCount_RNA", 0, ""),
        ("nCount_RNA", 5, ""),
        ("nCount_RNA", -1, "60 cells have more counts than were noted when the object was made"),
        ("nUMI", -1, "60 cells have more counts"),
        ("nCount_ADT", -1, ""),
    ],
    ids=["same", "genes were dropped", "more", "Seurat 2", "of proteins"],
)
def test_counts_beyond_those_noted_are_told(contents, counts, name, difference, told):
    adata = assemble(contents({name: counts.sum(axis=1) + difference}, X="counts"))
    assert adata.uns["seurat_import"]["warnings"][: len(told) or None] == told


def test_totals_that_are_no_numbers_are_passed_over(contents):
    assert assemble(contents({"nCount_RNA": ["many"] * 60}, X="counts")).uns["seurat_import"]["warnings"] == ""


def test_proteins_are_passed_on_with_a_doubt(contents, counts):
    made = contents()
    names = pd.DataFrame(index=[f"CD{i}_TotalSeqB" for i in range(40)])
    made.matrices.append(Matrix("X", sparse.csr_matrix(counts), names))
    assert "X holds proteins, not genes" in assemble(made).uns["seurat_import"]["warnings"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("X_PCA", "X_pca"), ("ref.umap", "X_ref.umap"), ("X_spatial", "spatial"), ("UMAP_1", "X_umap_1"), ("X_", "X_")],
)
def test_names_of_embeddings_at_the_edges(name, expected):
    assert embedding_name(name) == expected


@pytest.mark.parametrize(
    ("column", "expected", "dtype"),
    [
        (["a", None, "b"], ["a", None, "b"], "category"),
        ([None, None, None], [None, None, None], "float64"),
        ([1, "x", True], ["1", "x", "True"], "category"),
        (pd.array([1, None, 3], "Int64"), [1, None, 3], "Int64"),
    ],
    ids=["text", "nothing", "mixed", "integers"],
)
def test_columns_become_what_a_file_can_hold(column, expected, dtype):
    found = writable(pd.DataFrame({"n": pd.Series(column, dtype=object if isinstance(column, list) else None)}))["n"]
    assert [None if pd.isna(value) else value for value in found] == expected
    assert found.dtype == dtype


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["_index", ""], ["index_in_file", "unnamed"]),
        (["a/b", 7], ["a|b", "7"]),
        (["a/b", "a|b"], ["a|b"]),
        ([], []),
    ],
    ids=["reserved", "slash and number", "same afterwards", "no columns"],
)
def test_names_of_columns_become_what_a_file_can_hold(names, expected):
    table = pd.DataFrame([range(len(names))], columns=names, index=[5])
    assert writable(table).columns.tolist() == expected
    assert writable(table).index.tolist() == ["5"]
    assert table.columns.tolist() == names


def test_odd_contents_survive_a_file(contents, tmp_path):
    made = contents(
        {"_index": ["x", None] * 30, "a/b": [None] * 60, "q": pd.array([1, None] * 30, "Int64")}, X="counts"
    )
    made.assays["ADT"] = pd.DataFrame(np.ones((60, 3)), columns=["CD3", "CD3", "_index"])
    made.obsm["PCA"] = np.ones((60, 2))
    made.repairs, made.doubts = ["joined"], ["lost", "odd"]
    adata = assemble(made)
    adata.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(again.obs, adata.obs, check_index_type=False, check_column_type=False)
    assert again.obsm["ADT"].columns.tolist() == ["CD3", "CD3-1", "index_in_file"]
    assert again.uns["seurat_import"]["warnings"] == "lost\nodd"
