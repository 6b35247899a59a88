"""A checkpoint holds all a training needs to go on, and is never half written."""

from copy import deepcopy

import pytest

from scbert_tools.model.config import ModelConfig
from scbert_tools.model.network import build_network
from scbert_tools.train import checkpoint
from scbert_tools.train.checkpoint import check_folder, read_checkpoint, write_checkpoint
from scbert_tools.train.config import TrainConfig
from scbert_tools.train.loop import Trainer

CONFIG = TrainConfig(n_steps=10, lr=1e-2, warmup_steps=2)


@pytest.mark.parametrize("stop", [1, 4, 9])
def test_stopped_training_goes_on_to_the_same_weights(network, batches, loss_of, same_weights, tmp_path, stop):
    whole = Trainer(deepcopy(network), CONFIG)
    losses = [step.loss for step in whole.fit(batches, loss_of)]
    stopped = Trainer(deepcopy(network), CONFIG)
    steps = stopped.fit(batches, loss_of)
    for _ in range(stop):
        next(steps)
    steps.close()
    write_checkpoint(stopped, tmp_path / "last.safetensors")

    resumed = Trainer(deepcopy(network), CONFIG)
    read_checkpoint(resumed, tmp_path / "last.safetensors")
    assert [step.loss for step in resumed.fit(batches, loss_of)] == losses[stop:]
    assert same_weights(resumed.network, whole.network)
    assert same_weights(resumed.average, whole.average)


@pytest.mark.parametrize("facts", [{}, {"best": 0.25, "history": {"steps": [1, 2]}}], ids=["none", "some"])
def test_facts_come_back(network, tmp_path, facts):
    write_checkpoint(Trainer(network, CONFIG), tmp_path / "new" / "last.safetensors", **facts)
    assert read_checkpoint(Trainer(network, CONFIG), tmp_path / "new" / "last.safetensors") == facts


def test_interrupted_writing_leaves_the_old_checkpoint(network, tmp_path, monkeypatch):
    path = tmp_path / "last.safetensors"
    write_checkpoint(Trainer(network, CONFIG), path, look=1)

    def save_file(tensors, unfinished, metadata):
        unfinished.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_file", save_file)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(Trainer(network, CONFIG), path, look=2)
    assert read_checkpoint(Trainer(network, CONFIG), path) == {"look": 1}


def test_checkpoint_of_another_network_is_refused(network, tmp_path):
    write_checkpoint(Trainer(network, CONFIG), tmp_path / "last.safetensors")
    other = build_network(ModelConfig(n_genes=12, width=16, n_heads=2), 3)
    with pytest.raises(ValueError, match=r"belongs to another training: size mismatch for embedding.gene.weight"):
        read_checkpoint(Trainer(other, CONFIG), tmp_path / "last.safetensors")


def test_damaged_checkpoint_is_an_error(network, tmp_path):
    (tmp_path / "last.safetensors").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"last.safetensors' is damaged .*header.* Remove '.*' to begin anew"):
        read_checkpoint(Trainer(network, CONFIG), tmp_path / "last.safetensors")


def test_folder_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match=r"`folder` .* cannot be written to .* choose another"):
        check_folder(tmp_path / "file" / "run")


def test_folder_that_is_missing_is_made(tmp_path):
    check_folder(tmp_path / "new" / "run")
    assert not list((tmp_path / "new" / "run").iterdir())
