"""Linear steps through oneDNN are the same; where torch has no oneDNN they stay as they are."""

import pytest
import torch

from scbert_tools.infer.onednn import OneDnnLinear, through_onednn


def test_linear_step_through_onednn_is_the_same():
    linear, x = torch.nn.Linear(5, 7), torch.randn(2, 3, 5)
    torch.testing.assert_close(OneDnnLinear(linear)(x), linear(x))
    torch.testing.assert_close(OneDnnLinear(linear, gelu=True)(x), torch.nn.functional.gelu(linear(x)))


@pytest.mark.parametrize("after", [torch.nn.GELU(), torch.nn.GELU("tanh"), torch.nn.ReLU()], ids=repr)
def test_what_follows_a_linear_step_is_done_once(after):
    steps, x = torch.nn.Sequential(torch.nn.Linear(5, 7), after, torch.nn.Linear(7, 3)), torch.randn(4, 5)
    torch.testing.assert_close(through_onednn(steps)(x), steps(x))


@pytest.mark.parametrize("there", [True, False])
def test_linear_steps_stay_plain_where_torch_has_no_onednn(annotator, monkeypatch, there):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: there)
    encoder = annotator.network.encoder
    copied = through_onednn(encoder)
    assert any(isinstance(module, OneDnnLinear) for module in copied.modules()) == there
    assert not any(isinstance(module, OneDnnLinear) for module in encoder.modules())
