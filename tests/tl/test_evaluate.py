"""Evaluation holds out whole donors and scores every method on the same cells."""

import pytest

import scbert_tools as sbt

METHODS = {"ours", "logistic regression", "nearest neighbours", "commonest label"}


@pytest.mark.parametrize("split", ["donor", None], ids=["donors", "cells"])
def test_every_method_is_scored_on_all_cells(adata, annotator, split):
    table = sbt.tl.evaluate(adata, "cell_type", split=split, n_folds=2, model=annotator, n_steps=3)
    assert set(table.index) == METHODS
    assert (table["n_cells"] == 30).all()
    assert table["macro_f1"].is_monotonic_decreasing
    assert table.loc["ours", "accuracy"] > table.loc["commonest label", "accuracy"]


def test_training_sees_no_cell_of_the_donor_held_out(adata, annotator, monkeypatch):
    seen = []

    def spy(training, label_key, **options):
        seen.append(set(training.obs["donor"]))
        return annotator

    monkeypatch.setattr("scbert_tools.tl._fine_tune.fine_tune", spy)
    sbt.tl.evaluate(adata, "cell_type", model=annotator)
    assert sorted(map(sorted, seen)) == [["d1"], ["d2"]]


def test_labels_of_one_donor_alone_are_not_judged(adata, annotator):
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(str)
    adata.obs.loc[adata.obs["donor"] == "d1", "cell_type"] = adata.obs["cell_type"].replace("monocyte", "mast cell")
    table = sbt.tl.evaluate(adata, "cell_type", model=annotator, n_steps=3)
    assert (table["n_cells"] == 20).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"split": "nothing"}, KeyError, "not a column"),
        ({"n_folds": 1}, ValueError, "`n_folds` must be at least 2, got 1"),
        ({"split": "same"}, ValueError, "has a single value among labelled cells"),
    ],
)
def test_impossible_evaluations_are_refused(adata, options, error, message):
    adata.obs["same"] = "d1"
    with pytest.raises(error, match=message):
        sbt.tl.evaluate(adata, "cell_type", **options)
