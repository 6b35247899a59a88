"""Pretraining reads AnnData and files alike, never whole, and reports honestly."""

import warnings

import numpy as np
import pytest

import scbert_tools as sbt

SIZES = {"gene_width": 8, "width": 8, "n_latents": 2, "n_heads": 2, "n_layers": 1, "feed_forward": 16}
SHORT = {"n_steps": 4, "lr": 1e-2, "cells_per_step": 8} | SIZES


@pytest.fixture
def path(adata, tmp_path):
    """Write the toy data in a format and return the file."""

    def write(suffix):
        file = tmp_path / f"cells.{suffix}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(adata, {"h5ad": "write_h5ad", "zarr": "write_zarr"}[suffix])(file)
        return file

    return write


def test_pretrained_model_embeds_and_can_be_fine_tuned(adata):
    model = sbt.tl.pretrain(adata, **SHORT)
    assert model.classes == ()
    sbt.tl.embed(adata, model=model)
    assert adata.obsm["X_scbert"].shape == (30, 8)
    tuned = sbt.tl.fine_tune(adata, "cell_type", model=model, n_steps=2)
    assert np.array_equal(tuned.vocabulary.genes, model.vocabulary.genes)


def test_report_holds_the_model_beside_guesses(adata):
    report = sbt.tl.pretrain(adata, **SHORT).training["report"]
    assert {"masked_gene_loss", "overall_level_loss", "gene_level_loss", "gene_level_accuracy"} <= set(report)
    assert all(np.isfinite(value) for value in report.values())


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_file_gives_the_same_model_as_the_data_in_memory(adata, path, suffix):
    pytest.importorskip("zarr")
    assert sbt.tl.pretrain(path(suffix), **SHORT).fingerprint == sbt.tl.pretrain(adata, **SHORT).fingerprint


def test_several_sources_are_read_together(adata, path):
    model = sbt.tl.pretrain([adata, path("h5ad"), str(path("h5ad"))], **SHORT)
    assert set(model.vocabulary.genes) == set(adata.var_names)


def test_interrupted_pretraining_goes_on_to_the_same_model(adata, tmp_path, monkeypatch):
    from scbert_tools.train.config import TrainConfig
    from scbert_tools.train.loop import Trainer

    monkeypatch.setattr(TrainConfig, "check_every", 2)
    options = SHORT | {"n_steps": 8, "cells_in_memory": 10}
    whole = sbt.tl.pretrain(adata, folder=tmp_path / "whole", **options)
    step = Trainer._take_step

    def killed(self, *rest):
        if self.step == 5:
            raise KeyboardInterrupt
        return step(self, *rest)

    monkeypatch.setattr(Trainer, "_take_step", killed)
    with pytest.raises(KeyboardInterrupt):
        sbt.tl.pretrain(adata, folder=tmp_path / "killed", **options)
    monkeypatch.setattr(Trainer, "_take_step", step)
    assert sbt.tl.pretrain(adata, folder=tmp_path / "killed", **options).fingerprint == whole.fingerprint


@pytest.mark.parametrize("option", ["cells_per_step", "token_limit", "cells_in_memory"])
def test_training_on_nothing_is_refused(adata, option):
    with pytest.raises(ValueError, match=f"`{option}` must be at least 1, got 0"):
        sbt.tl.pretrain(adata, **SHORT | {option: 0})


def test_one_gene_is_not_read_letter_by_letter(adata):
    with pytest.raises(TypeError, match="`genes` must be a list, got the one name 'CD3D'"):
        sbt.tl.pretrain(adata, **SHORT, genes="CD3D")


def test_resuming_with_other_settings_is_refused(adata, tmp_path):
    sbt.tl.pretrain(adata, folder=tmp_path, **SHORT)
    with pytest.raises(ValueError, match=r"begun with lr = 0.01 instead of 0.02"):
        sbt.tl.pretrain(adata, folder=tmp_path, **(SHORT | {"lr": 2e-2}))


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([], ValueError, "`data` is empty"),
        ("cells.csv", ValueError, r"files must end in .h5ad or .zarr"),
        ("nowhere.h5ad", FileNotFoundError, "does not exist"),
        ([3], TypeError, "must be AnnData objects or paths, got int"),
    ],
)
def test_what_cannot_be_read_is_refused(data, error, message):
    with pytest.raises(error, match=message):
        sbt.tl.pretrain(data)
