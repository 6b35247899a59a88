"""What a model remembers of known cells survives saving; models without it stay as they were."""

import json
from dataclasses import replace

import numpy as np
import pytest

from scbert_tools.model.annotator import Annotator, Calibration
from scbert_tools.model.known_cells import KnownCells


def test_known_cells_survive_saving(knowing, tmp_path):
    knowing.save(tmp_path / "model")
    back = Annotator.load(tmp_path / "model")
    assert back.fingerprint == knowing.fingerprint
    assert back.calibration == knowing.calibration
    for name, array in knowing.known.arrays().items():
        np.testing.assert_array_equal(back.known.arrays()[name], array)


def test_model_without_them_is_saved_as_before(trained, tmp_path):
    trained.save(tmp_path / "model")
    assert not (tmp_path / "model" / "known.safetensors").exists()
    assert json.loads((tmp_path / "model" / "config.json").read_text())["calibration"] == {
        "temperature": 1.0,
        "threshold": 0.5,
    }
    assert Annotator.load(tmp_path / "model").known is None


def test_exchanged_file_is_noticed(knowing, tmp_path):
    other = replace(knowing, known=replace(knowing.known, novelty=knowing.known.novelty + 1))
    for name, model in (("one", knowing), ("other", other)):
        model.save(tmp_path / name)
    (tmp_path / "other" / "known.safetensors").rename(tmp_path / "one" / "known.safetensors")
    with pytest.raises(ValueError, match="do not match their fingerprint"):
        Annotator.load(tmp_path / "one")


@pytest.mark.parametrize("content", [b"", b"\x00" * 40], ids=["empty", "zeros"])
def test_damaged_file_is_said(knowing, tmp_path, content):
    knowing.save(tmp_path / "model")
    (tmp_path / "model" / "known.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"known.safetensors.* is not readable as safetensors"):
        Annotator.load(tmp_path / "model")


def test_arrays_of_another_model_are_refused(knowing):
    arrays = knowing.known.arrays()
    with pytest.raises(ValueError, match="`profiles` are of 2 classes and `usual` of 3"):
        KnownCells.from_arrays(arrays | {"profiles": arrays["profiles"][:2]})


@pytest.mark.parametrize(
    ("options", "message"),
    [({"temperature": 0}, "`temperature` must be above 0"), ({"threshold": 1.5}, "`threshold` must be above 0")],
)
def test_calibration_that_means_nothing_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Calibration(**options)
