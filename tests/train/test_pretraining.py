"""Masked gene prediction learns what a gene's level depends on, and knows how good guessing would be."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from scbert_tools.data.batches import Batch
from scbert_tools.data.reference import TrainBatch
from scbert_tools.train.config import TrainConfig
from scbert_tools.train.pretraining import level_baselines, pretrain_network

CONFIG = TrainConfig(n_steps=60, lr=2e-2, warmup_steps=5, check_every=20, ema_decay=0.9)
SHORT = TrainConfig(n_steps=4, lr=1e-2, warmup_steps=1, check_every=2)


def test_loss_on_held_out_cells_falls_and_is_reported(network, batches):
    done = pretrain_network(network, batches, CONFIG, held_out_share=0.2, progress=False)
    assert done.history.held_out[-1] < 0.95 * done.history.held_out[0]
    assert done.report["masked_gene_loss"] == min(done.history.held_out)


def test_classification_head_is_not_touched(network, batches):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    after = pretrain_network(network, batches, SHORT, progress=False).network.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"embedding", "encoder"}


def test_labels_play_no_part(network, batches, same_weights):
    renamed = replace(batches, reference=replace(batches.reference, label=9 - batches.reference.label))
    done = [pretrain_network(deepcopy(network), maker, SHORT, progress=False) for maker in (batches, renamed)]
    assert same_weights(done[0].network, done[1].network)


def token_batch(genes, levels):
    shape = (len(genes), 1, 1, len(genes[0]))
    cells = Batch(torch.tensor(genes), torch.tensor(levels), torch.ones(shape, dtype=torch.bool))
    return TrainBatch(cells, torch.zeros(len(genes), dtype=torch.long))


def test_baselines_are_the_entropies_of_guessing():
    seen = token_batch([[0, 1]] * 200, [[2, 6]] * 200)  # each gene has a level of its own
    report = level_baselines(lambda step: seen, [seen])
    assert report["overall_level_loss"] == pytest.approx(np.log(2), abs=0.01)
    assert report["gene_level_loss"] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(("genes", "levels"), [([[5]], [[1]]), ([[0]], [[9]])], ids=["gene", "level"])
def test_baselines_are_finite_for_what_was_never_seen(genes, levels):
    seen = token_batch([[0, 1]] * 4, [[1, 2]] * 4)
    assert all(np.isfinite(v) for v in level_baselines(lambda step: seen, [token_batch(genes, levels)]).values())


@pytest.mark.parametrize("n_cells", [0, 1])
def test_too_few_cells_to_hold_one_out_are_an_error(network, batches, n_cells):
    few = replace(batches, reference=batches.reference.take(np.arange(n_cells)))
    with pytest.raises(ValueError, match="at least 2 cells"):
        pretrain_network(network, few, SHORT, progress=False)
