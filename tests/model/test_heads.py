"""The head that predicts hidden genes answers every gene by itself, from the latents of its own cell."""

import pytest
import torch

from scbert_tools.model.heads import MaskedGeneHead


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


@pytest.mark.parametrize("n_asked", [1, 3])
def test_one_logit_per_gene_and_level(head, genes, latents, n_asked):
    assert head(genes[:, :n_asked], latents).shape == (2, n_asked, 5)


def test_answer_to_a_gene_does_not_depend_on_the_others(head, genes, latents):
    torch.testing.assert_close(head(genes, latents)[:, [1]], head(genes[:, [1]], latents))


@pytest.mark.parametrize("cell", [0, 1])
def test_answer_comes_from_the_latents_of_the_same_cell(head, genes, latents, cell):
    changed = latents.clone()
    changed[cell] += 1 + torch.arange(8.0)
    difference = (head(genes, changed) - head(genes, latents)).abs().amax(dim=(1, 2))
    assert (difference > 1e-4).tolist() == [cell == 0, cell == 1]


def test_order_of_latents_does_not_matter(head, genes, latents):
    torch.testing.assert_close(head(genes, latents.flip(1)), head(genes, latents))
