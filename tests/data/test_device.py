"""Devices: named, checked, and with room for what fits in parts."""

import logging

import pytest
import torch

import scbert_tools as sbt
from scbert_tools.data.device import Room, current_device, is_out_of_memory, placed


@pytest.mark.parametrize("name", ["cpu", "cpu:0"])
def test_device_of_the_settings_is_used(name):
    sbt.settings.device = name
    assert current_device() == torch.device(name)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_prefers_cuda_then_mps(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert sbt.settings.torch_device() == expected


@pytest.mark.parametrize("name", ["cuda:7", "nonsense"])
def test_device_that_cannot_be_used_is_an_error(name):
    sbt.settings.device = name
    with pytest.raises(ValueError, match=rf"`settings.device` is '{name}', which cannot be used here: .*\"cpu\""):
        current_device()


def test_network_is_put_back_even_after_an_error(annotator, monkeypatch):
    moved = []
    monkeypatch.setattr(annotator.network, "to", lambda device: moved.append(str(device)) or annotator.network)
    with pytest.raises(KeyError), placed(annotator.network, torch.device("meta")):
        raise KeyError
    assert moved == ["meta", "cpu"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
    ],
)
def test_full_memory_is_told_from_other_errors(error, expected):
    assert is_out_of_memory(error) is expected


@pytest.fixture
def crowded():
    """Work that fits in parts of three cells at most."""
    tried = []

    def work(parts):
        tried.append(parts)
        if -(-10 // parts) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return parts

    work.tried = tried
    return work


def test_full_memory_halves_the_batch_and_says_so(crowded, caplog):
    room = Room()
    with caplog.at_level(logging.WARNING, "scbert_tools"):
        assert room.fit(crowded, 10) == 4
    assert [record.message for record in caplog.records] == [
        "Out of memory with 10 cells at once; going on with 5.",
        "Out of memory with 5 cells at once; going on with 3.",
    ]
    assert room.fit(crowded, 10) == 4
    assert crowded.tried == [1, 2, 4, 4]  # what was learned is remembered


def test_single_cell_that_does_not_fit_is_an_error():
    def work(parts):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError):
        Room().fit(work, 4)


def test_other_errors_are_not_tried_again():
    tried = []

    def work(parts):
        tried.append(parts)
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        Room().fit(work, 4)
    assert tried == [1]
