"""Masked gene prediction learns what a gene's level depends on, and knows how good guessing would be."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from scbert_tools.data.batches import Batch
from scbert_tools.data.reference import TrainBatch
from scbert_tools.train.coexpression import GeneFacts
from scbert_tools.train.config import TrainConfig
from scbert_tools.train.masked_genes import Answers, MaskedGeneModel, Questions
from scbert_tools.train.pretraining import masked_gene_report, name_report, pretrain_network

CONFIG = TrainConfig(n_steps=60, lr=2e-2, warmup_steps=5, check_every=20, ema_decay=0.9)
SHORT = TrainConfig(n_steps=4, lr=1e-2, warmup_steps=1, check_every=2)


def test_loss_on_held_out_cells_falls_and_is_reported(network, batches):
    done = pretrain_network(network, batches, CONFIG, held_out_share=0.2, progress=False)
    assert done.history.held_out[-1] < 0.95 * done.history.held_out[0]
    assert set(done.report) == {
        f"{who}_{what}"
        for who in ("masked_gene", "overall_level", "gene_level", "lowest_level")
        for what in ("loss", "accuracy")
    } | {"gene_name_loss", "gene_commonness_loss"}


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
    return TrainBatch(cells, *torch.zeros(2, len(genes), dtype=torch.long))


def test_model_and_guesses_are_asked_the_hidden_expressed_genes_only():
    seen = token_batch([[0, 1]] * 200, [[2, 6]] * 200)
    asked = Questions(
        torch.tensor([[0, 1, 0]]),
        torch.tensor([[2, 6, 0]]),
        torch.tensor([[True, True, False]]),  # the last one is absent, and would be told wrong
        torch.tensor([2]),
    )
    logits = 20 * torch.nn.functional.one_hot(torch.tensor([[2, 6, 7]]), 8).float()
    report = masked_gene_report([Answers(None, None, logits, asked)], lambda step: seen)
    assert (report["masked_gene_accuracy"], report["overall_level_accuracy"], report["gene_level_accuracy"]) == (
        1.0,
        0.5,
        1.0,
    )
    # Level 0, which no gene has here, keeps the chance of a level never seen in 100 batches of 400 tokens.
    assert report["masked_gene_loss"] == pytest.approx(-np.log1p(-1 / 40_008), abs=1e-6)
    # One cell has both levels and shows the lower one, so depth tells no more than nothing.
    for guess in ("overall_level", "lowest_level"):
        assert report[f"{guess}_loss"] == pytest.approx(np.log(2), abs=0.01)


def test_model_and_guess_name_the_same_hidden_genes_among_those_possible():
    names = torch.log(torch.tensor([[0.7, 0.1, 0.2, 0.0]]))  # the last gene was not measured
    commonness = np.log([0.4, 0.2, 0.2, 0.9]).astype(np.float32)
    facts = GeneFacts(np.ones((1, 4), bool), commonness, np.zeros((4, 2), np.float32))
    batch = token_batch([[0, 1, 2]], [[1, 1, 1]])
    hidden = torch.tensor([[True, False, True]])
    report = name_report([Answers(names, hidden, None, None)], [batch], facts)
    assert report["gene_name_loss"] == pytest.approx(-np.log([0.7, 0.2]).mean())
    assert report["gene_commonness_loss"] == pytest.approx(-np.log([0.5, 0.25]).mean())


def test_batches_are_as_asked_for(network, batches, monkeypatch):
    sizes, spare = [], MaskedGeneModel.answer
    monkeypatch.setattr(MaskedGeneModel, "answer", lambda self, b, g: sizes.append(len(b)) or spare(self, b, g))
    pretrain_network(network, replace(batches, batch_size=5), SHORT, progress=False)
    assert set(sizes) == {5}


@pytest.mark.parametrize("n_cells", [0, 1])
def test_too_few_cells_to_hold_one_out_are_an_error(network, batches, n_cells):
    few = replace(batches, reference=batches.reference.take(np.arange(n_cells)))
    with pytest.raises(ValueError, match="at least 2 cells"):
        pretrain_network(network, few, SHORT, progress=False)
