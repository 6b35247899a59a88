"""Models by name, by folder, or as they are."""

import pytest

import scbert_tools as sbt
from scbert_tools import models


@pytest.fixture
def shelf(annotator, tmp_path, monkeypatch):
    """A package that ships one model, the tiny one."""
    annotator.save(tmp_path / "shipped" / "tiny")
    monkeypatch.setattr(models, "SHIPPED", tmp_path / "shipped")
    models._load_shipped.cache_clear()
    yield tmp_path
    models._load_shipped.cache_clear()


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path"])
def test_folder_is_a_model(annotator, tmp_path, kind):
    annotator.save(tmp_path / "mine")
    assert sbt.models.load(kind(tmp_path / "mine")).fingerprint == annotator.fingerprint


def test_loaded_model_is_handed_back(annotator):
    assert sbt.models.load(annotator) is annotator


def test_shipped_model_is_read_once(shelf):
    assert sbt.models.load("tiny") is sbt.models.load("tiny")


def test_shipped_models_are_listed_with_their_size(shelf):
    (listed,) = sbt.models.available()
    size = sum(path.stat().st_size for path in (shelf / "shipped" / "tiny").iterdir())
    assert listed == {
        "name": "tiny", "genes": 12, "classes": "T cell, B cell, monocyte", "megabytes": round(size / 1e6, 1)
    }  # fmt: skip


@pytest.mark.parametrize("name", ["nowhere", "no/where", "tiny.h5"])
def test_model_that_is_not_there_is_said_with_those_that_are(shelf, name):
    with pytest.raises(FileNotFoundError, match=rf"'{name}', neither a shipped model \['tiny'\] nor a folder"):
        sbt.models.load(name)


@pytest.mark.parametrize("name", [None, 3, ["tiny"]], ids=str)
def test_what_can_be_no_model_is_refused(shelf, name):
    with pytest.raises(TypeError, match=r"`model` must be one of \['tiny'\], a folder or a loaded model, got"):
        sbt.models.load(name)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_folder_without_a_model_is_said(annotator, tmp_path, missing):
    annotator.save(tmp_path / "mine")
    (tmp_path / "mine" / missing).unlink()
    with pytest.raises(FileNotFoundError, match=rf"not a model's folder: \['{missing}'\] missing"):
        sbt.models.load(tmp_path / "mine")


def test_model_of_blood_cells_is_shipped_small_and_whole():
    listed = {model["name"]: model for model in sbt.models.available()}
    assert listed["pbmc"]["megabytes"] <= 8
    annotator = sbt.models.load("pbmc")
    assert len(annotator.vocabulary) == annotator.config.n_genes == listed["pbmc"]["genes"]
    assert set(annotator.labels.ontology) == set(annotator.labels.names)
    assert all(word in annotator.card.lower() for word in ("licen", "limit"))
