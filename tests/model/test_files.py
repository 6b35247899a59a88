"""Files of a model's folder are read, or it is said which one is damaged."""

import pytest
import torch
from safetensors.torch import save_file

from scbert_tools.model.files import read_json, read_tensors, read_tensors_if_any


def test_tensors_are_read_as_32_bit_floats(tmp_path):
    save_file({"a": torch.tensor([0.5, 2.0]).half()}, tmp_path / "weights")
    found = read_tensors(tmp_path / "weights")["a"]
    assert (found.dtype, found.tolist()) == (torch.float32, [0.5, 2.0])


@pytest.mark.parametrize(("read", "kind"), [(read_json, "JSON"), (read_tensors, "safetensors")])
def test_damaged_file_is_named_with_what_to_do(tmp_path, read, kind):
    (tmp_path / "part").write_text("{")
    with pytest.raises(ValueError, match=rf"part' is not readable as {kind} .*install the model again"):
        read(tmp_path / "part")


def test_file_that_a_model_may_lack_holds_nothing(tmp_path):
    assert read_tensors_if_any(tmp_path / "weights") == {}
    save_file({"a": torch.ones(1)}, tmp_path / "weights")
    assert read_tensors_if_any(tmp_path / "weights").keys() == {"a"}
