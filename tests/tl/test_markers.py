"""The table of the genes behind labels."""

import numpy as np
import pytest

import scbert_tools as sbt


@pytest.fixture
def explained(adata, trained):
    sbt.tl.annotate(adata, model=trained)
    sbt.tl.attention(adata, model=trained)
    sbt.tl.attribute(adata, model=trained)
    return adata


def test_best_genes_of_every_label_with_known_ones_marked(explained, trained):
    table = sbt.tl.markers(explained, model=trained, n_genes=4)
    assert list(table.columns) == ["label", "gene", "score", "known", "p_value", "auroc"]
    of_b = table[table["label"] == "B cell"]
    assert set(of_b["gene"]) == {"MS4A1", "CD79A", "CD79B", "CD19"}
    assert of_b["known"].all()
    assert of_b["p_value"].iloc[0] < 0.05
    assert of_b["auroc"].iloc[0] > 0.9
    assert of_b["score"].is_monotonic_decreasing


def test_type_without_an_ontology_id_has_no_known_markers(explained, trained):
    table = sbt.tl.markers(explained, label="monocyte", model=trained)
    assert not table["known"].any()
    assert table["p_value"].isna().all()


def test_attention_is_taken_against_the_other_labels(explained, trained):
    table = sbt.tl.markers(explained, method="attention", model=trained, n_genes=3)
    attention = explained.varm["scbert_attention"]
    others = attention.drop(columns="B cell").mean(axis=1)
    best = (attention["B cell"] - others).nlargest(3)
    assert table.loc[table["label"] == "B cell", "gene"].tolist() == best.index.tolist()


def test_known_markers_are_those_of_the_label_explained(explained, trained):
    sbt.tl.attribute(explained, model=trained, target="B cell")
    table = sbt.tl.markers(explained, label="T cell", model=trained, n_genes=12)
    known = set(table.loc[table["known"], "gene"])
    assert "MS4A1" in known
    assert "CD3D" not in known


def test_contrast_of_two_labels(explained, trained):
    table = sbt.tl.markers(explained, label="B cell", against="T cell", model=trained, n_genes=12).set_index("gene")
    scores = explained.varm["scbert_attribution"]
    np.testing.assert_allclose(table["score"], (scores["B cell"] - scores["T cell"]).loc[table.index], rtol=1e-5)
    assert table.index[0] in {"MS4A1", "CD79A", "CD79B", "CD19"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"label": "neuron"}, KeyError, r"No cells were explained for \['neuron'\]"),
        ({"method": "lime"}, ValueError, r"`method` must be one of \['attribution', 'attention'\]"),
        ({"against": "T cell"}, ValueError, "give another label as `label`"),
        ({"label": "T cell", "against": "T cell"}, ValueError, "give another label as `label`"),
        ({"n_genes": 0}, ValueError, "`n_genes` must be at least 1"),
        ({"min_sources": 1}, ValueError, "`min_sources` must be at least 2"),
    ],
    ids=["label", "method", "against alone", "against itself", "n_genes", "min_sources"],
)
def test_bad_input_is_said(explained, trained, options, error, message):
    with pytest.raises(error, match=message):
        sbt.tl.markers(explained, model=trained, **options)


@pytest.mark.parametrize(("method", "function"), [("attribution", "attribute"), ("attention", "attention")])
def test_what_has_to_be_run_first_is_said(adata, trained, method, function):
    with pytest.raises(KeyError, match=rf"Run `sbt\.tl\.{function}\(adata\)` first"):
        sbt.tl.markers(adata, method=method, model=trained)
