"""Losses of supervised training: marginal over a tree, every opinion to be right, votes to be small."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scbert_tools.data.reference import BatchMaker
from scbert_tools.train.objective import cell_type_objective, marginal_loss, vote_penalty

LOGITS = torch.tensor([[2.0, 0.5, -1.0]])


@pytest.fixture
def batch(reference):
    return BatchMaker(reference=reference, strength=None, token_dropout=0.0, batch_size=16)(0)


@pytest.mark.parametrize("label", ["T cell", "lymphocyte", "T cell|monocyte", "lymphocyte|monocyte"])
def test_loss_is_minus_log_of_the_summed_probability(labels, label):
    allowed = torch.from_numpy(labels.membership([label]))
    expected = -LOGITS.softmax(dim=1)[allowed].sum().log()
    torch.testing.assert_close(marginal_loss(LOGITS, allowed), expected)


def test_loss_of_huge_logits_is_finite_and_averaged():
    logits = torch.tensor([[1e4, -1e4], [0.0, 0.0]])
    allowed = torch.tensor([[False, True], [True, False]])
    assert marginal_loss(logits, allowed).item() == pytest.approx((2e4 + np.log(2)) / 2)


def test_label_of_an_inner_node_leaves_the_choice_below_it_free(labels):
    logits = LOGITS.clone().requires_grad_()
    marginal_loss(logits, torch.from_numpy(labels.membership(["lymphocyte"]))).backward()
    within = LOGITS[0, :2].softmax(dim=0)
    torch.testing.assert_close(logits.grad[0, :2] / logits.grad[0, :2].sum(), within)


def test_every_opinion_is_to_be_right_and_votes_are_to_be_small(trained, labels, batch):
    membership = torch.from_numpy(labels.membership(labels.names))
    opinions = trained.network.opinions(batch.cells.genes, batch.cells.levels, batch.cells.mask)
    wrong = sum(marginal_loss(logits, membership[batch.label]) for logits in opinions)
    expected = wrong + vote_penalty(trained.network)
    torch.testing.assert_close(cell_type_objective(membership)(trained.network, batch), expected)


def test_penalty_grows_with_the_square_of_the_votes(network):
    torch.nn.init.constant_(network.head.votes.weight, 1.0)
    once = vote_penalty(network)
    torch.nn.init.constant_(network.head.votes.weight, 3.0)
    torch.testing.assert_close(vote_penalty(network), 9 * once)
    assert once > 0


@pytest.mark.parametrize(("opinion", "part"), [(0, "correction"), (1, "votes"), (2, "alone")])
def test_each_opinion_trains_its_own_part_of_the_head(network, batch, opinion, part):
    head = network.head
    cells = batch.cells
    loss = network.opinions(cells.genes, cells.levels, cells.mask)[opinion].square().sum()
    loss.backward()
    trained = {name.split(".")[0] for name, p in head.named_parameters() if p.grad is not None}
    assert trained == {part}


def test_label_outside_the_table_is_an_error(annotator, labels, batch):
    loss_of = cell_type_objective(torch.from_numpy(labels.membership(labels.names)))
    wrong = SimpleNamespace(cells=batch.cells, label=batch.label + 10)
    with pytest.raises(IndexError, match="out of bounds"):
        loss_of(annotator.network, wrong)
