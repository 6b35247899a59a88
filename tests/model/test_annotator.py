"""A saved model is whole, comes back the same, and never half replaces another."""

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scbert_tools import Annotator
from scbert_tools.genes import Vocabulary
from scbert_tools.model import annotator as module
from scbert_tools.model.annotator import FILES, Calibration


@pytest.fixture
def folder(annotator, tmp_path):
    annotator.save(tmp_path / "model")
    return tmp_path / "model"


def weights(model):
    return {name: tensor.clone() for name, tensor in model.network.state_dict().items()}


def same(one, other):
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_model_comes_back_the_same(annotator, folder):
    loaded = Annotator.load(folder)
    assert same(weights(loaded), weights(annotator))
    assert loaded.fingerprint == annotator.fingerprint
    for field in ("config", "vocabulary", "labels", "levels", "calibration", "name", "card", "classes"):
        assert getattr(loaded, field) == getattr(annotator, field)
    assert not loaded.network.training


def test_calibration_comes_back_the_same(annotator, tmp_path):
    calibrated = replace(annotator, calibration=Calibration(temperature=1.7, threshold=0.4))
    calibrated.save(tmp_path / "model")
    assert Annotator.load(tmp_path / "model").calibration == calibrated.calibration


def test_half_model_is_smaller_close_and_leaves_the_model_in_memory_as_it_was(annotator, folder):
    before = weights(annotator)
    annotator.save(folder.with_name("half"), half=True)
    assert same(before, weights(annotator))
    halved = weights(Annotator.load(folder.with_name("half")))
    assert all(torch.allclose(tensor, before[name], rtol=1e-3, atol=1e-6) for name, tensor in halved.items())
    size = [(path / "model.safetensors").stat().st_size for path in (folder.with_name("half"), folder)]
    assert size[0] < 0.75 * size[1]


@pytest.fixture
def untaught(annotator):
    """Encoder of the toy model with every weight moved, as if labels had moved it back."""
    known = annotator.network.state_dict()
    return {name: tensor + 1 for name, tensor in known.items() if not name.startswith("head.")}


@pytest.mark.parametrize("half", [False, True], ids=["whole", "half"])
def test_encoder_from_before_the_labels_comes_along(annotator, untaught, tmp_path, half):
    model = replace(annotator, untaught=untaught)
    model.save(tmp_path / "model", half=half)
    found = Annotator.load(tmp_path / "model").untaught
    assert found.keys() == untaught.keys()
    assert all(torch.allclose(tensor, untaught[name], rtol=1e-3, atol=1e-6) for name, tensor in found.items())
    assert model.fingerprint != annotator.fingerprint


def test_damaged_encoder_from_before_the_labels_is_noticed(annotator, untaught, tmp_path):
    replace(annotator, untaught=untaught).save(tmp_path / "model")
    save_file({name: tensor + 1 for name, tensor in untaught.items()}, tmp_path / "model" / "untaught.safetensors")
    with pytest.raises(ValueError, match="its files do not match their fingerprint"):
        Annotator.load(tmp_path / "model")


@pytest.mark.parametrize(
    "change",
    [
        lambda model: {"vocabulary": Vocabulary(model.vocabulary.genes[::-1])},
        lambda model: {"calibration": Calibration(temperature=2.0)},
        lambda model: {"network": _with_another_start(model.network)},
    ],
    ids=["order of genes", "calibration", "weights"],
)
def test_fingerprint_tells_models_apart(annotator, change):
    assert replace(annotator, **change(annotator)).fingerprint != annotator.fingerprint


def _with_another_start(network):
    network = deepcopy(network)
    network.encoder.start.data[0] += 1
    return network


def test_name_does_not_change_the_fingerprint(annotator):
    assert replace(annotator, name="other").fingerprint == annotator.fingerprint


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"not a model's folder: \['{name}'\] missing"):
        Annotator.load(folder)


@pytest.mark.parametrize("name", ["config.json", "classes.json", "model.safetensors"])
@pytest.mark.parametrize("keep", [0, 0.5], ids=["empty", "truncated"])
def test_damaged_file_is_named(folder, name, keep):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ValueError, match=rf"{name}' is not readable as (JSON|safetensors).*Copy or install"):
        Annotator.load(folder)


@pytest.mark.parametrize(
    "content",
    ["[]", '{"format": 1}', '{"format": 1, "model": {"legs": 4}}'],
    ids=["a list", "nothing but the format", "unknown sizes"],
)
def test_json_that_is_no_model_is_damage(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(ValueError, match="is damaged"):
        Annotator.load(folder)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("vocabulary.txt", "CD3E\n", "CD3G\n"),
        ("classes.json", "monocyte", "macrophage"),
        ("config.json", '"temperature": 1.0', '"temperature": 9.0'),
    ],
)
def test_files_of_different_models_do_not_load(folder, name, old, new):
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    with pytest.raises(ValueError, match="is damaged: its files do not match their fingerprint"):
        Annotator.load(folder)


def test_weights_of_other_sizes_do_not_load(folder):
    header = json.loads((folder / "config.json").read_text())
    header["model"]["n_layers"] = 3
    (folder / "config.json").write_text(json.dumps(header))
    with pytest.raises(ValueError, match=r"weights and `config\.json` do not belong together"):
        Annotator.load(folder)


def test_newer_format_asks_for_an_update(folder):
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"format": 1', '"format": 2'))
    with pytest.raises(ValueError, match="has format 2, this version reads 1; update scbert-tools"):
        Annotator.load(folder)


def test_saving_again_replaces_the_model_and_leaves_nothing_else(annotator, folder):
    replace(annotator, name="second").save(folder)
    assert Annotator.load(folder).name == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("files", [["notes.txt"], ["config.json", "model.safetensors"]], ids=["notes", "other model"])
def test_foreign_folder_is_never_overwritten(annotator, tmp_path, files):
    for name in files:
        (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match="exists and is not a model's folder; choose another name"):
        annotator.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == files


def test_file_in_the_way_is_never_overwritten(annotator, tmp_path):
    (tmp_path / "model").write_text("mine")
    with pytest.raises(FileExistsError, match="choose another name"):
        annotator.save(tmp_path / "model")


@pytest.mark.parametrize(
    ("owner", "name"),
    [(module, "save_file"), (Vocabulary, "write"), (Path, "rename")],
    ids=["while writing weights", "while writing genes", "between two renames"],
)
def test_interrupted_save_leaves_the_old_model(annotator, folder, monkeypatch, owner, name):
    done = getattr(owner, name)

    def interrupt(*arguments, **options):
        if owner is Path and (arguments[0].name, arguments[1]) != ("model", folder):
            return done(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace(annotator, name="second").save(folder)
    assert Annotator.load(folder).name == annotator.name
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": 0.0}, "`temperature` must be above 0, got 0.0"),
        ({"threshold": 0.0}, "`threshold` must be above 0 and at most 1, got 0.0"),
        ({"threshold": 1.1}, "`threshold` must be above 0 and at most 1, got 1.1"),
    ],
)
def test_impossible_calibration_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Calibration(**values)
