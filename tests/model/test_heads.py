"""Gene votes and their correction; the head that predicts hidden genes from the latents of its own cell."""

import pytest
import torch

from scbert_tools.model.heads import VOTE_LENGTH, VOTE_POWER, GeneVotes, HiddenGeneHead, MaskedGeneHead, build_cell_head

GENES, LEVELS = torch.tensor([[0, 2, 1], [3, 0, 0]]), torch.tensor([[3, 4, 0], [5, 7, 7]])
MASK = torch.tensor([[True, True, True], [True, False, False]])[:, None, None]


@pytest.fixture
def votes():
    votes = GeneVotes(4, 2)
    torch.nn.init.normal_(votes.weight, generator=torch.Generator().manual_seed(3))
    return votes


def test_votes_are_weights_times_levels_of_one_length(votes):
    loud = torch.tensor([3.0, 4.0]) ** VOTE_POWER
    loud /= loud.norm()
    expected = VOTE_LENGTH * torch.stack([loud[0] * votes.weight[0] + loud[1] * votes.weight[2], votes.weight[3]])
    torch.testing.assert_close(votes(GENES, LEVELS, MASK), expected)


@pytest.mark.parametrize("factor", [2, 3])
def test_votes_do_not_grow_with_all_levels_together(votes, factor):
    torch.testing.assert_close(votes(GENES, factor * LEVELS, MASK), votes(GENES, LEVELS, MASK))


def test_expected_votes_are_a_start_that_costs_nothing():
    votes, expected = GeneVotes(4, 2), torch.arange(8.0).view(4, 2)
    votes.expect(expected)
    assert torch.equal(votes.weight, expected)
    assert votes.surprise() == 0
    assert set(votes.state_dict()) == {"weight", "bias"}


def test_surprise_is_the_squared_distance_from_what_was_expected():
    votes = GeneVotes(4, 2)
    votes.expect(torch.ones(4, 2))
    torch.nn.init.constant_(votes.weight, 3.0)
    assert votes.surprise() == 8 * 4


def test_cell_without_genes_has_no_votes(votes):
    assert votes(GENES, LEVELS, torch.zeros_like(MASK)).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(("opinion", "moves_votes"), [(0, False), (1, True), (2, False)], ids=["sum", "votes", "alone"])
def test_only_their_own_opinion_trains_the_votes(opinion, moves_votes):
    head = build_cell_head(n_genes=4, width=8, n_classes=2)
    head.opinions(torch.randn(2, 8), genes=GENES, levels=LEVELS, mask=MASK)[opinion].square().sum().backward()
    assert (head.votes.bias.grad is not None) == moves_votes


@pytest.fixture
def head():
    torch.manual_seed(0)
    return MaskedGeneHead(width=8, gene_width=6, n_levels=5)


@pytest.fixture
def genes():
    return torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def latents():
    return torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(2))


LOWEST = torch.tensor([1, 3])


@pytest.mark.parametrize("n_asked", [1, 3])
def test_one_logit_per_gene_and_level(head, genes, latents, n_asked):
    assert head(genes[:, :n_asked], latents, LOWEST).shape == (2, n_asked, 5)


def test_answer_to_a_gene_does_not_depend_on_the_others(head, genes, latents):
    torch.testing.assert_close(head(genes, latents, LOWEST)[:, [1]], head(genes[:, [1]], latents, LOWEST))


def test_answer_depends_on_the_depth_of_the_cell(head, genes, latents):
    difference = (head(genes, latents, torch.tensor([1, 4])) - head(genes, latents, LOWEST)).abs().amax(dim=(1, 2))
    assert (difference > 1e-4).tolist() == [False, True]


def test_cell_names_the_genes_whose_vectors_point_its_way_and_common_ones():
    head = HiddenGeneHead(width=3, gene_width=2, n_genes=3)
    with torch.no_grad():
        head.say.weight.copy_(torch.eye(3)[:2])
        head.say.bias.zero_()
        head.commonness.copy_(torch.tensor([0.0, 0.0, 5.0]))
    said = head(torch.tensor([[1.0, 0.0, 9.0]]), torch.tensor([[2.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]))
    assert said.tolist() == [[2, 0, 4]]


@pytest.mark.parametrize("cell", [0, 1])
def test_answer_comes_from_the_latents_of_the_same_cell(head, genes, latents, cell):
    changed = latents.clone()
    changed[cell] += 1 + torch.arange(8.0)
    difference = (head(genes, changed, LOWEST) - head(genes, latents, LOWEST)).abs().amax(dim=(1, 2))
    assert (difference > 1e-4).tolist() == [cell == 0, cell == 1]


def test_order_of_latents_does_not_matter(head, genes, latents):
    torch.testing.assert_close(head(genes, latents.flip(1), LOWEST), head(genes, latents, LOWEST))
