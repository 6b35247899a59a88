"""Cells are grouped and drawn as asked, and scores of the model's genes find the columns of the data."""

import warnings

import numpy as np
import pandas as pd
import pytest

from scbert_tools.genes import Vocabulary
from scbert_tools.tl._cells import find_cells
from scbert_tools.tl._groups import Groups, check_n_cells, find_groups, predicted_labels, to_own_genes


@pytest.fixture
def labelled(adata):
    """The toy cells with labels as `annotate` writes them; the last three are unassigned."""
    labels = adata.obs["cell_type"].astype(str).to_numpy()
    adata.obs["scbert_label"] = pd.Categorical([*labels[:27], *["unassigned"] * 3])
    return adata


@pytest.mark.parametrize("n_cells", [1, 2, 3, 100, None])
def test_as_many_cells_of_every_group_are_drawn_in_the_order_of_the_data(n_cells, rng):
    codes = np.array([0, 1, -1, 0, 1, 1, 0, 0, -1, 1])
    drawn = Groups(["a", "b"], codes).draw(n_cells, rng)
    assert np.bincount(codes[drawn]).tolist() == [min(n_cells or 100, 4)] * 2
    assert (np.diff(drawn) > 0).all()


def test_draws_are_random_and_repeatable():
    groups = Groups(["a"], np.zeros(1000, np.int64))
    first, same, other = (groups.draw(5, np.random.default_rng(seed)).tolist() for seed in (0, 0, 1))
    assert first == same != other


@pytest.mark.parametrize(
    ("groupby", "assigned_only", "sizes"),
    [
        (None, False, {"B cell": 10, "T cell": 10, "monocyte": 7, "unassigned": 3}),
        (None, True, {"B cell": 10, "T cell": 10, "monocyte": 7}),
        ("donor", False, {"d1": 15, "d2": 15}),
        ("donor", True, {"d1": 14, "d2": 13}),
        ("number", False, {"0": 20, "1": 10}),
        ("some", False, {"x": 2}),
    ],
    ids=["labels", "labels assigned", "column", "column assigned", "numbers", "missing values"],
)
def test_groups_are_those_of_the_column(labelled, groupby, assigned_only, sizes):
    labelled.obs["number"] = np.arange(30) // 20
    labelled.obs["some"] = ["x", None, "x", *[None] * 27]
    groups = find_groups(labelled, groupby, "scbert", assigned_only=assigned_only)
    codes = groups.codes[groups.codes >= 0]
    assert dict(zip(groups.names, np.bincount(codes).tolist(), strict=True)) == sizes
    assert len(groups.codes) == 30


@pytest.mark.parametrize(
    ("categories", "warned"),
    [(["T cell", "B cell", "monocyte", "mast cell"], True), (["T cell", "B cell", "monocyte", "unassigned"], False)],
    ids=["a label", "unassigned"],
)
def test_groups_without_cells_are_left_out_and_named(adata, categories, warned):
    adata.obs["own"] = pd.Categorical(adata.obs["cell_type"].astype(str), categories)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        groups = find_groups(adata, "own", "scbert")
    assert groups.names == ["T cell", "B cell", "monocyte"]
    assert [str(one.message) for one in told] == (
        ["'own' has groups without cells, which are left out: ['mast cell']."] if warned else []
    )


@pytest.mark.parametrize(
    ("groupby", "key_added", "error", "message"),
    [
        ("leiden", "scbert", KeyError, "`groupby` is 'leiden', which is not a column of adata.obs; present: .*donor"),
        (None, "mine", KeyError, "mine_label.* is missing: `annotate` has not been run with `key_added='mine'`"),
        ("none", "scbert", ValueError, "`groupby` 'none' puts no cell into a group"),
    ],
    ids=["column", "key", "all missing"],
)
def test_groups_that_are_not_there_are_refused(labelled, groupby, key_added, error, message):
    labelled.obs["none"] = None
    with pytest.raises(error, match=message):
        find_groups(labelled, groupby, key_added)


def test_cells_that_are_all_unassigned_make_no_group(labelled):
    labelled.obs["scbert_label"] = pd.Categorical(["unassigned"] * 30)
    assert predicted_labels(labelled, "scbert").eq("unassigned").all()
    with pytest.raises(ValueError, match="every cell is missing or 'unassigned'"):
        find_groups(labelled, "donor", "scbert", assigned_only=True)


@pytest.mark.parametrize("n_cells", [None, 1, 10**6, np.int64(3)], ids=str)
def test_numbers_of_cells_that_can_be_drawn_pass(n_cells):
    check_n_cells(n_cells)


@pytest.mark.parametrize("n_cells", [0, -1, 2.0, "5", True, np.float64(3)], ids=repr)
def test_other_numbers_of_cells_are_refused(n_cells):
    with pytest.raises(ValueError, match="`n_cells` must be a whole number of at least 1 cell per group, or None"):
        check_n_cells(n_cells)


@pytest.mark.parametrize("form", ["plain", "reversed", "raw"])
def test_score_of_a_gene_comes_to_its_column(adata, annotator, form):
    if form == "raw":
        adata.raw = adata.copy()
        adata = adata[:, ["LYZ", "CD3E", "CD19"]].copy()
    vocabulary = Vocabulary(annotator.vocabulary.genes[:: -1 if form == "reversed" else 1])
    way = to_own_genes(adata, find_cells(adata, vocabulary, layer="raw" if form == "raw" else None))
    expected = [[float(gene == name) for name in adata.var_names] for gene in vocabulary.genes]
    np.testing.assert_array_equal(way.toarray(), expected)


@pytest.mark.parametrize("n_columns", [2, 3])
def test_columns_of_one_gene_share_its_score(adata, annotator, n_columns):
    names = [*["CD3D"] * n_columns, *adata.var_names[n_columns:]]
    adata.var_names = names
    way = to_own_genes(adata, find_cells(adata, annotator.vocabulary, layer=None)).toarray()
    np.testing.assert_allclose(way[0, :n_columns], 1 / n_columns)
    np.testing.assert_allclose(way.sum(axis=0)[n_columns:], 1)
