"""Evidence of genes: it adds up, speaks for the right label, and says what is missing before any compute."""

from functools import partialmethod

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scbert_tools as sbt
from scbert_tools.infer import explainers, token_scores

MARKERS = {
    "T cell": ["CD3D", "CD3E", "IL7R", "TRAC"],
    "B cell": ["MS4A1", "CD79A", "CD79B", "CD19"],
    "monocyte": ["LYZ", "CD14", "S100A8", "FCN1"],
}


@pytest.fixture
def annotated(adata, trained):
    sbt.tl.annotate(adata, model=trained)
    return adata


@pytest.mark.parametrize("baseline", ["empty", "average"])
def test_markers_argue_for_their_label(annotated, trained, baseline):
    sbt.tl.attribute(annotated, model=trained, baseline=baseline)
    table = annotated.varm["scbert_attribution"]
    for label, genes in MARKERS.items():
        assert set(table[label].nlargest(4).index) == set(genes)
    assert (table.dtypes == np.float32).all()


def test_shares_of_a_cell_add_up_as_reported(annotated, trained, tmp_path):
    sbt.tl.attribute(annotated, model=trained, per_cell=True)
    layer, record = annotated.layers["scbert_attribution"], annotated.uns["scbert_attribution"]
    asked = annotated.obs["scbert_label"].astype(str) == "B cell"
    sums = np.asarray(layer[asked.to_numpy()].sum(axis=0)).ravel() / asked.sum()
    np.testing.assert_allclose(sums, annotated.varm["scbert_attribution"]["B cell"], atol=1e-5)
    assert record["completeness"]["largest_gap"] < 0.05 * record["completeness"]["mean_change"]
    annotated.write_h5ad(tmp_path / "a.h5ad")
    assert ad.read_h5ad(tmp_path / "a.h5ad").uns["scbert_attribution"]["params"]["baseline"] == "empty"


def test_shares_that_do_not_add_up_are_warned_of(annotated, trained, monkeypatch):
    monkeypatch.setattr(explainers.Effort, "__init__", partialmethod(explainers.Effort.__init__, n_steps=1))
    with pytest.warns(UserWarning, match="miss the change of evidence by .*choose another `method` or `baseline`"):
        sbt.tl.attribute(annotated, model=trained)


def test_labels_explained_are_kept_with_their_ids(annotated, trained):
    sbt.tl.attribute(annotated, model=trained, target="lymphocyte", groupby="cell_type")
    record = annotated.uns["scbert_attribution"]
    assert record["labels"] == ["lymphocyte"]
    assert record["ontology_ids"] == [trained.labels.ontology["lymphocyte"]]


def test_only_drawn_cells_have_shares(annotated, trained):
    sbt.tl.attribute(annotated, model=trained, per_cell=True, n_cells=2)
    assert (np.diff(annotated.layers["scbert_attribution"].indptr) > 0).sum() == 6


def test_one_label_is_explained_in_all_cells(annotated, trained):
    sbt.tl.attribute(annotated, model=trained, target="B cell", groupby="cell_type")
    table = annotated.varm["scbert_attribution"].sum()
    assert table["B cell"] > 0 > table["T cell"]


def test_evidence_against_another_label(annotated, trained):
    sbt.tl.attribute(annotated, model=trained, target="B cell", against="T cell", groupby="cell_type")
    table = annotated.varm["scbert_attribution"]
    assert table.loc["CD79A", "B cell"] > 0 > table.loc["CD3D", "T cell"]


@pytest.mark.parametrize(("method", "package"), [("shap", "shap"), ("gradient_shap", "captum")])
def test_methods_agree_on_the_best_genes(annotated, trained, method, package):
    pytest.importorskip(package)
    sbt.tl.attribute(annotated, model=trained, method=method, n_cells=4)
    table = annotated.varm["scbert_attribution"]
    shared = [len(set(table[label].nlargest(4).index) & set(genes)) for label, genes in MARKERS.items()]
    assert min(shared) >= 3


def test_copy_leaves_the_data_alone(annotated, trained):
    done = sbt.tl.attribute(annotated, model=trained, copy=True, key_added="scbert")
    assert "scbert_attribution" in done.varm
    assert "scbert_attribution" not in annotated.varm


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "lime"}, ValueError, "`method` must be one of"),
        ({"method": "attention"}, ValueError, r"call `sbt\.tl\.attention`"),
        ({"baseline": "black"}, ValueError, "`baseline` must be one of"),
        ({"target": "neuron"}, KeyError, r"no label \['neuron'\]"),
        ({"against": "neuron"}, KeyError, r"no label \['neuron'\]"),
        ({"against": "lymphocyte"}, ValueError, "must not share classes"),
        ({"groupby": "leiden"}, KeyError, "`groupby` is 'leiden'"),
        ({"n_cells": 0}, ValueError, "`n_cells` must be"),
    ],
    ids=["method", "attention", "baseline", "target", "against", "same branch", "groupby", "n_cells"],
)
def test_bad_input_is_said_before_any_compute(annotated, trained, monkeypatch, options, error, message):
    monkeypatch.setattr(token_scores, "score_groups", lambda *_, **__: pytest.fail("computed"))
    with pytest.raises(error, match=message):
        sbt.tl.attribute(annotated, model=trained, **options)
    assert not list(annotated.varm)


def test_annotate_has_to_be_run_first(adata, trained):
    with pytest.raises(KeyError, match=r"`annotate` has not been run.*Run `sbt\.tl\.annotate"):
        sbt.tl.attribute(adata, model=trained)


def test_cells_that_are_all_unassigned_are_refused(annotated, trained):
    annotated.obs["scbert_label"] = pd.Categorical(["unassigned"] * 30)
    with pytest.raises(ValueError, match=r"puts no cell into a group.*give `target` and `groupby`"):
        sbt.tl.attribute(annotated, model=trained)
