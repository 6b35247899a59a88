"""The contrastive loss: what it equals, and what it pushes apart."""

import numpy as np
import pytest
import torch

from scbert_tools.train.contrast import Contrast, contrastive_objective, info_nce, sibling_emphasis

UNIT = torch.eye(4)


def test_loss_of_two_pairs_far_apart_is_that_of_a_sure_guess():
    vectors = UNIT[[0, 0, 1, 1]]
    expected = -np.log(np.exp(10) / (np.exp(10) + 2))
    loss = info_nce(vectors, torch.tensor([0, 0, 1, 1]), temperature=0.1)
    assert loss.item() == pytest.approx(expected, rel=1e-2, abs=1e-6)


def test_loss_of_equal_vectors_is_that_of_guessing():
    loss = info_nce(torch.ones(5, 3), torch.tensor([0, 0, 1, 1, 1]), temperature=0.5)
    assert loss.item() == pytest.approx(np.log(4))


@pytest.mark.parametrize("n_cells", [1, 4], ids=["one cell", "one of each label"])
def test_cells_without_company_cost_nothing_and_pull_nowhere(n_cells):
    vectors = UNIT[:n_cells].clone().requires_grad_()
    loss = info_nce(vectors, torch.arange(n_cells), temperature=0.1, emphasis=torch.full((4, 4), 2.0))
    loss.backward()
    assert (loss.item(), vectors.grad.abs().max().item()) == (0, 0)


def test_length_of_vectors_plays_no_part():
    vectors = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    label = torch.tensor([0, 0, 1, 1, 2, 2])
    torch.testing.assert_close(info_nce(vectors, label, temperature=0.1), info_nce(7 * vectors, label, temperature=0.1))


def test_siblings_weigh_more_and_strangers_once(labels):
    membership = labels.membership(["T cell", "B cell", "monocyte"])
    expected = torch.tensor([[1.0, 3.0, 1.0], [3.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    torch.testing.assert_close(sibling_emphasis(membership, labels, 3.0), expected)


def test_sibling_close_by_costs_more_than_a_stranger_close_by():
    vectors, emphasis = UNIT[[0, 0, 0, 1, 2]], torch.ones(4, 4)
    emphasis[0, 1] = emphasis[1, 0] = 3.0
    sibling = info_nce(vectors, torch.tensor([0, 0, 1, 2, 3]), temperature=0.5, emphasis=emphasis)
    stranger = info_nce(vectors, torch.tensor([0, 0, 2, 1, 3]), temperature=0.5, emphasis=emphasis)
    assert sibling > stranger


def test_objective_adds_the_contrast_by_its_weight(network, batches, labels):
    membership, batch = torch.from_numpy(labels.membership(labels.names)), batches(0)
    network.eval()
    losses = [
        contrastive_objective(membership, Contrast(weight=w, hardness=1.0), torch.ones(4, 4))(network, batch).item()
        for w in (0.0, 0.5, 1.0)
    ]
    assert losses[2] - losses[1] == pytest.approx(losses[1] - losses[0], rel=1e-4)
    assert losses[0] < losses[1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weight": -0.1}, "`contrastive` must be a number of at least 0, got -0.1"),
        ({"weight": float("nan")}, "`contrastive` must be a number"),
        ({"hardness": 0.5}, "`hardness` must be a number of at least 1"),
        ({"temperature": 0.0}, "`temperature` must be a number above 0, got 0.0"),
    ],
)
def test_impossible_contrasts_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Contrast(**values)
