"""Losses: marginal over a tree, and of genes that the encoder cannot see."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scbert_tools.data.batches import Batch
from scbert_tools.data.reference import BatchMaker, TrainBatch
from scbert_tools.model.heads import MaskedGeneHead
from scbert_tools.train import objective
from scbert_tools.train.objective import cell_type_objective, hide, marginal_loss, masked_gene_loss, vote_penalty

LOGITS = torch.tensor([[2.0, 0.5, -1.0]])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch(reference):
    return BatchMaker(reference=reference, strength=None, token_dropout=0.0, batch_size=16)(0)


@pytest.fixture
def head():
    torch.manual_seed(0)
    return MaskedGeneHead(width=8, gene_width=8, n_levels=32)


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


@pytest.mark.parametrize("share", [0.0, 0.15, 1.0])
def test_share_of_the_real_tokens_is_hidden(share):
    mask = torch.arange(40).expand(2000, 1, 1, 40) < 30
    hidden = hide(mask, share=share, generator=generator())
    assert not (hidden & ~mask).any()
    assert hidden.sum() / mask.sum() == pytest.approx(share, abs=0.01)


class Spy:
    """Stands for the network and records what the encoder is given."""

    def __init__(self, network):
        self.network, self.embedding = network, network.embedding

    def latents(self, genes, levels, mask):
        self.mask = mask
        self.seen = self.network.latents(genes, levels, mask)
        return self.seen


def test_hidden_genes_are_not_visible_to_the_encoder(annotator, head, batch):
    spy, cells = Spy(annotator.network), batch.cells
    masked_gene_loss(spy, head, batch, share=0.3, generator=generator())
    before, hidden = spy.seen, cells.mask & ~spy.mask
    assert 0 < hidden.sum() < cells.mask.sum()
    changed = torch.where(hidden[:, 0, 0], 31 - cells.levels, cells.levels)
    other = TrainBatch(Batch(cells.genes, changed, cells.mask), batch.label)
    masked_gene_loss(spy, head, other, share=0.3, generator=generator())
    torch.testing.assert_close(spy.seen, before, rtol=0, atol=0)


@pytest.mark.parametrize("seed", range(4))
def test_hidden_genes_are_asked_for_with_their_levels_and_absent_ones_are_absent(batch, seed):
    cells = batch.cells
    hidden = hide(cells.mask, share=0.3, generator=generator(seed))[:, 0, 0]
    questions = objective._questions(cells, hidden, generator(seed))
    asked, truth = questions.genes, questions.levels
    real = cells.mask[:, 0, 0]
    for row in range(len(cells)):
        levels = dict(zip(cells.genes[row][real[row]].tolist(), cells.levels[row][real[row]].tolist(), strict=True))
        known = [(g, t) for g, t in zip(asked[row].tolist(), truth[row].tolist(), strict=True) if t >= 0]
        present = [gene for gene, _ in known if gene in levels]
        assert sorted(present) == sorted(cells.genes[row][hidden[row]].tolist())
        assert all(level == levels.get(gene, 0) for gene, level in known)


def test_some_absent_genes_are_asked_for(batch):
    hidden = hide(batch.cells.mask, share=0.3, generator=generator())[:, 0, 0]
    asked = objective._questions(batch.cells, hidden, generator())
    assert ((asked.levels == 0) & ~asked.expressed).any()
    assert asked.expressed.sum() == hidden.sum()


def test_lowest_level_is_that_of_what_is_shown():
    cells = Batch(
        torch.arange(4).repeat(3, 1),
        torch.tensor([[2, 5, 7, 0], [2, 5, 7, 9], [3, 4, 0, 0]]),
        torch.tensor([[True, True, True, False], [True] * 4, [True, True, False, False]])[:, None, None],
    )
    hidden = torch.tensor([[False] * 4, [True, False, False, False], [True, True, False, False]])
    assert objective._questions(cells, hidden, generator()).lowest.tolist() == [2, 5, 0]


def test_nothing_hidden_is_no_loss_and_no_error(network, head, batch):
    loss = masked_gene_loss(network, head, batch, share=0.0, generator=generator())
    loss.backward()
    assert loss.item() == 0


@pytest.mark.parametrize(("seed", "equal"), [(0, True), (1, False)], ids=["same", "another"])
def test_generator_alone_decides_what_is_hidden(annotator, head, batch, seed, equal):
    losses = [
        masked_gene_loss(annotator.network, head, batch, share=0.3, generator=generator(s)).item() for s in (0, seed)
    ]
    assert (losses[0] == losses[1]) is equal


def test_cell_whose_genes_are_all_hidden_gives_a_loss_and_gradients(annotator, head, batch):
    loss = masked_gene_loss(annotator.network, head, batch, share=1.0, generator=generator())
    gradients = torch.autograd.grad(loss, list(annotator.network.encoder.parameters()))
    assert all(gradient.isfinite().all() for gradient in (loss, *gradients))


def test_label_outside_the_table_is_an_error(annotator, labels, batch):
    loss_of = cell_type_objective(torch.from_numpy(labels.membership(labels.names)))
    wrong = SimpleNamespace(cells=batch.cells, label=batch.label + 10)
    with pytest.raises(IndexError, match="out of bounds"):
        loss_of(annotator.network, wrong)
