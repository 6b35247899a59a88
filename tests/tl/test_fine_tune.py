"""A reference teaches a model its labels, whatever form they have; what cannot teach is refused before training."""

import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import scbert_tools as sbt

SIZES = {"n_steps": 6, "lr": 1e-2, "contrastive": 0.1}


@pytest.fixture
def tune(adata, annotator):
    """Fine-tune the tiny model on the toy data."""

    def run(label_key="cell_type", **options):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return sbt.tl.fine_tune(adata, label_key, **({"model": annotator} | SIZES | options))

    return run


def called(model, adata):
    return sbt.tl.annotate(adata, model=model, copy=True).obs["scbert_label"].astype(str)


@pytest.mark.parametrize("start", [{}, {"model": "pbmc", "preset": "mini"}], ids=["from a model", "fresh"])
def test_labels_of_a_reference_are_learned(tune, adata, start):
    model = tune(**start)
    assert (called(model, adata) == adata.obs["cell_type"].astype(str)).mean() > 0.9
    assert set(model.classes) == set(adata.obs["cell_type"])


def test_report_compares_with_plain_methods_on_held_out_cells(tune):
    model = tune()
    report = model.training["report"]
    assert {"ours", "votes alone", "transformer alone", "logistic regression", "nearest neighbours"} <= set(report)
    assert all(0 < one["n_cells"] < 15 for one in report.values())
    assert report["ours"]["macro_f1"] > report["commonest label"]["macro_f1"]
    assert "| logistic regression |" in model.card
    assert len(model.training["history"]["steps"]) > 0


def test_training_record_is_saved_with_the_model(tune, tmp_path):
    model = tune()
    model.save(tmp_path / "model")
    again = sbt.Annotator.load(tmp_path / "model")
    assert again.training == model.training
    assert again.fingerprint == model.fingerprint


def test_same_seed_same_model(tune):
    assert tune(rng=3).fingerprint == tune(random_state=3).fingerprint != tune(rng=4).fingerprint


def test_whole_donors_are_held_out(tune, adata):
    model = tune(batch_key="donor")
    assert model.training["report"]["ours"]["n_cells"] == 15


def test_labels_at_any_depth_of_a_tree_are_learned(tune, adata, labels):
    adata.obs["mixed"] = adata.obs["cell_type"].astype(str)
    adata.obs.loc[adata.obs_names[:3], "mixed"] = "lymphocyte"
    model = tune("mixed", label_tree=labels.parents)
    assert set(model.classes) == {"T cell", "B cell", "monocyte"}


def test_tree_of_the_model_is_taken_if_it_knows_the_labels(tune):
    assert tune().labels.parents["T cell"] == "lymphocyte"


def test_genes_the_model_does_not_know_are_learned_unless_unwanted(tune, adata):
    adata.var_names = [*adata.var_names[:11], "MYGENE1"]
    assert "MYGENE1" in tune().vocabulary
    assert "MYGENE1" not in tune(keep_genes=True).vocabulary


def test_lists_of_labels_are_learned_and_given(tune, adata):
    adata.obs["several"] = [[name, "odd"] if i % 2 else [name] for i, name in enumerate(adata.obs["cell_type"])]
    model = tune("several", multilabel=True)
    assert model.config.multilabel
    sbt.tl.annotate(adata, model=model)
    chances = adata.obsm["scbert_probabilities"]
    assert set(chances.columns) == {"T cell", "B cell", "monocyte", "odd"}
    assert (chances[["T cell", "B cell", "monocyte"]].idxmax(axis=1) == adata.obs["cell_type"].astype(str)).mean() > 0.9
    assert chances.sum(axis=1).max() > 1.01  # no softmax


def test_boolean_columns_are_labels(tune, adata):
    for name in ("T cell", "B cell"):
        adata.obs[name] = adata.obs["cell_type"] == name
    assert tune(["T cell", "B cell"]).classes == ("T cell", "B cell")


def test_options_that_need_exclusive_labels_are_refused(tune, adata):
    for name in ("T cell", "B cell"):
        adata.obs[name] = adata.obs["cell_type"] == name
    model = tune(["T cell", "B cell"])
    with pytest.raises(ValueError, match="`refine` needs a model of exclusive labels"):
        sbt.tl.annotate(adata, model=model, refine="cell_type")


def test_cells_without_a_label_are_left_out_with_a_warning(adata, annotator):
    adata.obs["gaps"] = adata.obs["cell_type"].astype(object)
    adata.obs.loc[adata.obs_names[[0, 1]], "gaps"] = np.nan
    adata.obs.loc[adata.obs_names[2], "gaps"] = "  "
    with pytest.warns(UserWarning, match="3 of 30 cells have no label in `label_key`"):
        model = sbt.tl.fine_tune(adata, "gaps", model=annotator, **SIZES)
    assert set(model.classes) == {"T cell", "B cell", "monocyte"}


def test_label_of_a_single_cell_is_kept_and_named(adata, annotator):
    adata.obs["rare"] = adata.obs["cell_type"].astype(str)
    adata.obs.loc[adata.obs_names[0], "rare"] = "mast cell"
    with pytest.warns(UserWarning, match=r"single cell, learned from but never judged: \['mast cell'\]"):
        model = sbt.tl.fine_tune(adata, "rare", model=annotator, **SIZES)
    assert "mast cell" in model.classes


def test_unused_levels_of_a_category_are_no_classes(tune, adata):
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.add_categories("platelet")
    assert "platelet" not in tune().classes


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        ({}, {"label_key": "nothing"}, KeyError, "'nothing' is not a column of `adata.obs`; there are"),
        ({}, {"batch_key": "nothing"}, KeyError, "'nothing' is not a column"),
        ({"cell_type": "T cell"}, {}, ValueError, r"`label_key` holds \['T cell'\] as its only label"),
        ({"cell_type": np.nan}, {}, ValueError, "`label_key` holds no label"),
        ({"cell_type": ""}, {}, ValueError, "`label_key` holds no label"),
        ({}, {"label_key": []}, ValueError, "`label_key` names no column"),
        ({}, {"lr": "big"}, ValueError, "`lr` must be a number above 0, got 'big'"),
        ({}, {"contrastive": "much"}, ValueError, "`contrastive` must be a number of at least 0, got 'much'"),
        ({}, {"label_tree": {"A": None, "B": None}}, ValueError, "the tree knows only"),
        ({}, {"multilabel": True}, ValueError, "needs lists of labels, but obs"),
        ({}, {"label_key": ["donor", "cell_type"]}, ValueError, "besides True and False"),
        ({}, {"temperature": 0.0}, ValueError, "`temperature` must be a number above 0, got 0.0"),
        ({}, {"contrastive": -1.0}, ValueError, "`contrastive` must be a number of at least 0"),
        ({}, {"preset": "huge"}, ValueError, "`preset` must be one of"),
        ({}, {"n_steps": 0}, ValueError, "`n_steps` must be a whole number and at least 1"),
        ({}, {"rng": 1, "random_state": 2}, ValueError, "two names of one thing"),
        ({}, {"model": "nowhere"}, FileNotFoundError, "neither a shipped model"),
    ],
)
def test_what_cannot_teach_is_refused(adata, annotator, change, options, error, message):
    for name, value in change.items():
        adata.obs[name] = value
    options = {"label_key": "cell_type", "model": annotator} | options
    before = adata.obs.copy()
    with pytest.raises(error, match=message):
        sbt.tl.fine_tune(adata, **options)
    pd.testing.assert_frame_equal(adata.obs, before)


def test_reference_without_genes_of_the_model_is_refused(adata, annotator):
    adata.var_names = [f"GENE{i}" for i in range(adata.n_vars)]
    with pytest.raises(ValueError, match="0 of 12 model genes found"):
        sbt.tl.fine_tune(adata, "cell_type", model=annotator)


def test_folder_is_checked_before_training(adata, annotator, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("scbert_tools.train.fine_tuning.fine_tune_network", None)
    with pytest.raises(PermissionError, match="cannot be written to"):
        sbt.tl.fine_tune(adata, "cell_type", model=annotator, folder=tmp_path / "file" / "run")


def test_divergence_is_told(adata, annotator):
    with pytest.raises(FloatingPointError, match=r"diverged at step .* Try a lower `lr`"):
        sbt.tl.fine_tune(adata, "cell_type", model=annotator, n_steps=40, lr=1e30)


def test_interrupted_fine_tuning_goes_on_to_the_same_model(tune, tmp_path, monkeypatch):
    whole = tune(n_steps=60, folder=tmp_path / "whole")
    from scbert_tools.train.loop import Trainer

    step = Trainer._take_step

    def killed(self, *rest):
        if self.step == 55:
            raise KeyboardInterrupt
        return step(self, *rest)

    monkeypatch.setattr(Trainer, "_take_step", killed)
    with pytest.raises(KeyboardInterrupt):
        tune(n_steps=60, folder=tmp_path / "killed")
    monkeypatch.setattr(Trainer, "_take_step", step)
    assert tune(n_steps=60, folder=tmp_path / "killed").fingerprint == whole.fingerprint


KILLED = """
import os, signal, sys

import anndata as ad
import scbert_tools as sbt
from scbert_tools.train import loop, watch

folder, name, last = sys.argv[1], sys.argv[2], int(sys.argv[3])

def deadly(function):
    def run(trainer, *rest, **options):
        if trainer.step == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(trainer, *rest, **options)
    return run

loop.Trainer._take_step = deadly(loop.Trainer._take_step)
watch.write_checkpoint = deadly(watch.write_checkpoint)
sbt.settings.batch_size = 8
options = {"model": folder + "/model", "n_steps": 110, "lr": 1e-2, "rng": 5}
cells = ad.read_h5ad(folder + "/cells.h5ad")
sbt.tl.fine_tune(cells, "cell_type", folder=folder + "/" + name, **options).save(folder + "/" + name + "_model")
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_process_killed_twice_leaves_what_another_needs_for_the_same_weights(adata, annotator, tmp_path):
    """Once between checkpoints, once after the best weights were written but before the state beside them."""
    annotator.save(tmp_path / "model")
    adata.write_h5ad(tmp_path / "cells.h5ad")
    for name, last in [("run", 71), ("run", 100), ("run", -1), ("whole", -1)]:
        call = [sys.executable, "-c", KILLED, str(tmp_path), name, str(last)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        assert done.returncode == (0 if last < 0 else -signal.SIGKILL), done.stderr
    resumed, whole = (sbt.models.load(tmp_path / f"{name}_model") for name in ("run", "whole"))
    assert resumed.fingerprint == whole.fingerprint
    assert resumed.training == whole.training


def test_caller_data_stay_as_they_are(tune, adata):
    before = adata.copy()
    tune()
    assert (adata.X != before.X).nnz == 0
    pd.testing.assert_frame_equal(adata.obs, before.obs)
