"""Supervised training separates the toy types, with part of the cells held out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scbert_tools.infer.forward import run_network
from scbert_tools.tokens.levels import to_levels
from scbert_tools.train.config import TrainConfig
from scbert_tools.train.supervised import held_out_loss, split_held_out, train_cell_types

SHORT = TrainConfig(n_steps=6, lr=1e-2, warmup_steps=2, check_every=3, patience=2)


@pytest.fixture
def membership(labels):
    return labels.membership(labels.names)


@pytest.fixture
def train(network, batches, membership):
    def run(config=SHORT, **options):
        return train_cell_types(network, batches, membership, config, progress=False, **options)

    return run


def test_training_separates_the_toy_types(trained, reference, labels):
    logits, _ = run_network(trained, to_levels(reference.counts, trained.levels))
    called = [trained.classes[leaf] for leaf in logits.argmax(axis=1)]
    truth = [labels.names[code] for code in reference.label]
    assert np.mean([one == other for one, other in zip(called, truth, strict=True)]) > 0.95


def test_coarse_labels_are_learned(network, batches, membership):
    lymphocyte = np.where(batches.reference.label == 3, 3, 0)
    coarse = replace(batches, reference=replace(batches.reference, label=lymphocyte))
    config = TrainConfig(n_steps=60, lr=2e-2, warmup_steps=5, check_every=60)
    done = train_cell_types(network, coarse, membership, config, progress=False)
    assert done.history.held_out[-1] < 0.3


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.1, 1), (0.25, 2), (0.5, 5)])
def test_share_of_every_group_is_held_out(rng, share, expected):
    group = np.repeat([0, 2, 5], 10)
    away = split_held_out(group, share=share, rng=rng)
    assert [away[group == code].sum() for code in (0, 2, 5)] == [expected] * 3


def test_group_too_small_to_spare_one_is_kept(rng):
    assert not split_held_out(np.array([0, 0, 0]), share=0.3, rng=rng).any()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5], ids=["none wanted", "groups too small", "half"])
def test_held_out_loss_is_that_of_real_cells(train, share):
    history = train(held_out_share=share).history
    assert len(history.held_out) == 2
    assert all(0.1 < loss < 3 for loss in history.held_out)


def test_held_out_loss_is_the_mean_over_cells(network, reference, membership, batches):
    allowed = torch.from_numpy(membership)
    look = held_out_loss(reference, allowed, batches.levels)
    alone = [held_out_loss(reference.take(np.array([cell])), allowed, batches.levels)(network) for cell in range(30)]
    assert look(network.eval()) == pytest.approx(np.mean(alone), rel=1e-4)


def test_delivered_network_is_ready_for_use(train):
    assert not train().network.training


def test_label_without_a_row_in_the_table_is_an_error(network, batches, membership):
    with pytest.raises(IndexError, match="out of bounds"):
        train_cell_types(network, batches, membership[:2], SHORT, progress=False)
