"""Masked genes: hidden from the encoder, asked for by name and level, and learned from by name alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scbert_tools.data.batches import Batch
from scbert_tools.data.reference import BatchMaker, TrainBatch
from scbert_tools.train import masked_genes
from scbert_tools.train.coexpression import gene_facts
from scbert_tools.train.masked_genes import (
    MaskedGeneModel,
    ask_levels,
    hide,
    lowest_level,
    name_log_likelihood,
    present,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch(reference):
    return BatchMaker(reference=reference, strength=None, token_dropout=0.0, batch_size=16)(0)


@pytest.fixture
def facts(reference):
    return gene_facts(reference, 8, seed=0)


@pytest.fixture
def model(network, facts):
    torch.manual_seed(0)
    return MaskedGeneModel(network.eval(), facts)


@pytest.fixture
def hiding(monkeypatch):
    """Set the share of genes that is hidden."""
    return lambda share: monkeypatch.setattr(masked_genes, "HIDDEN_SHARE", share)


@pytest.mark.parametrize("share", [0.0, 0.15, 1.0])
def test_share_of_the_real_tokens_is_hidden(share):
    mask = torch.arange(40).expand(2000, 1, 1, 40) < 30
    hidden = hide(mask, share=share, generator=generator())
    assert not (hidden & ~mask).any()
    assert hidden.sum() / mask.sum() == pytest.approx(share, abs=0.01)


def test_levels_of_hidden_genes_change_nothing_that_is_said(model, batch, hiding):
    hiding(0.3)
    cells, before = batch.cells, model.answer(batch, generator())
    assert 0 < before.hidden.sum() < cells.mask.sum()
    changed = torch.where(before.hidden, 31 - cells.levels, cells.levels)
    after = model.answer(replace(batch, cells=Batch(cells.genes, changed, cells.mask)), generator())
    torch.testing.assert_close(after.names, before.names, rtol=0, atol=0)
    torch.testing.assert_close(after.levels, before.levels, rtol=0, atol=0)


def test_names_to_choose_from_are_those_measured_and_not_shown(network, batch, facts, hiding):
    hiding(0.3)
    measured = np.ones_like(facts.measured)
    measured[0, 5] = False
    model = MaskedGeneModel(network, replace(facts, measured=measured))
    said = model.answer(batch, generator())
    shown = present(batch.cells, batch.cells.mask & ~said.hidden[:, None, None], 12)
    possible = ~shown
    possible[batch.dataset == 0, 5] = False
    assert torch.equal(said.names.isfinite(), possible)


def test_padding_is_no_gene():
    cells = Batch(
        torch.tensor([[0, 2], [1, 0]]), torch.ones(2, 2), torch.tensor([[True, True], [True, False]])[:, None, None]
    )
    assert present(cells, cells.mask, 3).tolist() == [[True, False, True], [False, True, False]]


def test_likelihood_is_that_of_the_hidden_genes_cell_by_cell():
    cells = Batch(torch.tensor([[0, 2], [1, 0]]), torch.ones(2, 2), torch.ones(2, 1, 1, 2, dtype=torch.bool))
    names = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.6, 0.3]]))
    found = name_log_likelihood(names, cells, torch.tensor([[False, True], [True, True]]))
    torch.testing.assert_close(found.exp(), torch.tensor([0.25, 0.6, 0.1]))


def test_names_train_the_network_and_levels_their_own_head_alone(model, batch):
    said = model.answer(batch, generator())
    said.levels.sum().backward()
    moved = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert moved == {"levels"}
    model(batch, generator()).backward()
    assert all(p.grad is not None for p in model.network.encoder.parameters())


def test_vectors_and_commonness_begin_as_the_facts_have_them(model, facts):
    np.testing.assert_array_equal(model.network.embedding.gene.weight.detach(), facts.vectors)
    np.testing.assert_array_equal(model.names.commonness.detach(), facts.commonness)


@pytest.mark.parametrize("seed", range(4))
def test_hidden_genes_are_asked_for_with_their_levels_and_absent_ones_are_absent(batch, seed):
    cells = batch.cells
    hidden = hide(cells.mask, share=0.3, generator=generator(seed))[:, 0, 0]
    questions = ask_levels(cells, hidden, generator(seed))
    asked, truth = questions.genes, questions.levels
    real = cells.mask[:, 0, 0]
    for row in range(len(cells)):
        levels = dict(zip(cells.genes[row][real[row]].tolist(), cells.levels[row][real[row]].tolist(), strict=True))
        known = [(g, t) for g, t in zip(asked[row].tolist(), truth[row].tolist(), strict=True) if t >= 0]
        present_genes = [gene for gene, _ in known if gene in levels]
        assert sorted(present_genes) == sorted(cells.genes[row][hidden[row]].tolist())
        assert all(level == levels.get(gene, 0) for gene, level in known)


def test_some_absent_genes_are_asked_for(batch):
    hidden = hide(batch.cells.mask, share=0.3, generator=generator())[:, 0, 0]
    asked = ask_levels(batch.cells, hidden, generator())
    assert ((asked.levels == 0) & ~asked.expressed).any()
    assert asked.expressed.sum() == hidden.sum()


def test_lowest_level_is_that_of_what_is_shown():
    levels = torch.tensor([[2, 5, 7, 0], [2, 5, 7, 9], [3, 4, 0, 0]])
    shown = torch.tensor([[True, True, True, False], [False, True, True, True], [False] * 4])
    assert lowest_level(levels, shown).tolist() == [2, 5, 0]


def test_nothing_hidden_is_no_loss_and_no_error(model, batch, hiding):
    hiding(0.0)
    loss = model(batch, generator())
    loss.backward()
    assert loss.item() == 0


@pytest.mark.parametrize(("seed", "equal"), [(0, True), (1, False)], ids=["same", "another"])
def test_generator_alone_decides_what_is_hidden(model, batch, seed, equal):
    losses = [model(batch, generator(s)).item() for s in (0, seed)]
    assert (losses[0] == losses[1]) is equal


def test_cell_whose_genes_are_all_hidden_gives_a_loss_and_gradients(model, batch, hiding):
    hiding(1.0)
    loss = model(batch, generator())
    gradients = torch.autograd.grad(loss, list(model.network.encoder.parameters()))
    assert all(gradient.isfinite().all() for gradient in (loss, *gradients))


def test_parts_of_a_batch_keep_the_data_sets_of_their_cells(batch):
    parts = batch.pieces(2)
    assert all(isinstance(part, TrainBatch) for part in parts)
    assert torch.equal(torch.stack([part.dataset for part in parts], dim=1).flatten(), batch.dataset)
