"""Attention of AnnData in every form; what is missing is said before any compute."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scbert_tools as sbt
from scbert_tools.infer import token_scores


@pytest.fixture
def annotated(adata, trained):
    sbt.tl.annotate(adata, model=trained)
    return adata


@pytest.fixture
def expected(adata, trained):
    return sbt.tl.attention(adata, groupby="cell_type", model=trained, copy=True).varm["scbert_attention"]


@pytest.mark.filterwarnings("ignore:.*not unique", "ignore:.*view", "ignore:Transforming to str")
def test_every_form_of_the_same_cells_gets_the_same_attention(form, expected, trained):
    found = sbt.tl.attention(form, groupby="cell_type", model=trained, copy=True).varm["scbert_attention"]
    order = slice(None, None, -1) if form.var_names[0] == "FCN1" else slice(0, 12)
    values = found.to_numpy()[order][:12].copy()
    values[0] += found.to_numpy()[12] if len(found) > 12 else 0  # two columns of one gene share
    np.testing.assert_allclose(values, expected, atol=1e-4)


def test_attention_of_a_label_sums_to_one(annotated, trained):
    sbt.tl.attention(annotated, model=trained)
    table = annotated.varm["scbert_attention"]
    assert set(table) == set(annotated.obs["scbert_label"])
    assert (table.dtypes == np.float32).all()
    np.testing.assert_allclose(table.sum(), 1, rtol=1e-4)
    assert sum(annotated.uns["scbert_attention"]["n_cells"]) == 30


def test_trained_model_attends_to_markers(expected):
    markers = {"T cell": ["CD3D", "CD3E", "IL7R", "TRAC"], "B cell": ["MS4A1", "CD79A", "CD79B", "CD19"]}
    assert all(expected.loc[genes, name].sum() > 0.4 for name, genes in markers.items())


def test_square_table_bears_the_names_asked_for(annotated, trained, tmp_path):
    sbt.tl.attention(annotated, model=trained, genes=["MS4A1", "CD3E", "LYZ"])
    square = annotated.uns["scbert_gene_attention"]
    assert (list(square.index), list(square.columns)) == (["MS4A1", "CD3E", "LYZ"],) * 2
    annotated.write_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(ad.read_h5ad(tmp_path / "a.h5ad").uns["scbert_gene_attention"], square)


def test_few_cells_are_drawn_by_the_seed(adata, trained):
    how = {"groupby": "cell_type", "model": trained, "n_cells": 3, "copy": True}
    one, same, other = (sbt.tl.attention(adata, **how, rng=seed).varm["scbert_attention"] for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert not np.allclose(one, other)


def test_raw_genes_go_to_their_own_names(adata, trained):
    adata.raw = adata.copy()
    few = adata[:, 4:].copy()
    few.X = few.X.toarray() - 3.0
    found = sbt.tl.attention(few, groupby="cell_type", model=trained, copy=True).varm["scbert_attention"]
    assert list(found.index) == list(adata.var_names[4:])
    assert found.loc["MS4A1", "B cell"] > 0.05


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, KeyError, "`annotate` has not been run"),
        ({"groupby": "leiden"}, KeyError, "`groupby` is 'leiden', which is not a column .*cell_type"),
        ({"groupby": "cell_type", "genes": ["CD3E", "XIST"]}, KeyError, r"`genes` holds \['XIST'\].*12 genes"),
        ({"groupby": "cell_type", "genes": ["CD3E"]}, ValueError, "`genes` must be 2 to 500 different genes"),
        ({"groupby": "cell_type", "genes": "CD3E"}, TypeError, "`genes` must be a list, got the one name 'CD3E'"),
        ({"groupby": "cell_type", "of": 7}, ValueError, "`of` must be"),
        ({"groupby": "cell_type", "n_cells": 0}, ValueError, "`n_cells` must be a whole number of at least 1"),
        ({"groupby": "cell_type", "layer": "counts"}, KeyError, "`layer` is 'counts', which is not in the data"),
        ({"groupby": "nothing"}, ValueError, "puts no cell into a group"),
    ],
    ids=[
        "not annotated",
        "no column",
        "gene missing",
        "one gene",
        "a name for a list",
        "no layer of attention",
        "no cells",
        "layer",
        "empty",
    ],
)
def test_bad_input_is_said_before_any_compute(adata, trained, monkeypatch, options, error, message):
    adata.obs["nothing"] = pd.Categorical([None] * 30, ["a"])
    monkeypatch.setattr(token_scores, "score_groups", lambda *_, **__: pytest.fail("computed"))
    with pytest.raises(error, match=message):
        sbt.tl.attention(adata, model=trained, **options)
    assert not list(adata.varm)


def test_group_without_cells_is_left_out_with_a_warning(adata, trained):
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.add_categories(["neuron"])
    with pytest.warns(UserWarning, match=r"groups without cells, which are left out: \['neuron'\]"):
        sbt.tl.attention(adata, groupby="cell_type", model=trained)
    assert "neuron" not in adata.varm["scbert_attention"]


@pytest.mark.parametrize(("seed", "error"), [("3", TypeError), (1.5, TypeError), (-1, ValueError)], ids=str)
@pytest.mark.parametrize("explain", [sbt.tl.attention, sbt.tl.attribute], ids=["attention", "attribute"])
def test_seed_that_is_none_is_refused(adata, trained, explain, seed, error):
    sbt.tl.annotate(adata, model=trained)
    with pytest.raises(error, match="`rng` must be"):
        explain(adata, model=trained, rng=seed)
