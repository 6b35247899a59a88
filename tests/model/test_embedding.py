"""A gene token is who the gene is, modulated by how strongly it is expressed."""

import pytest
import torch

from scbert_tools.model.embedding import GeneEmbedding

GENES, LEVELS = torch.tensor([[0, 3], [2, 0]], dtype=torch.int32), torch.tensor([[1, 4], [0, 1]], dtype=torch.int32)


@pytest.fixture
def embedding():
    torch.manual_seed(0)
    return GeneEmbedding(n_genes=4, n_levels=5, width=6)


def test_token_is_gene_times_scale_plus_shift(embedding):
    token = embedding(GENES, LEVELS)[0, 1]
    expected = embedding.gene.weight[3] * embedding.scale.weight[4] + embedding.shift.weight[4]
    torch.testing.assert_close(token, expected)


def test_sum_of_gene_and_level_is_the_case_of_scale_one(embedding):
    torch.nn.init.ones_(embedding.scale.weight)
    torch.testing.assert_close(embedding(GENES, LEVELS), embedding.gene(GENES) + embedding.shift(LEVELS))


@pytest.mark.parametrize(("gene", "level"), [(1, 1), (0, 2)], ids=["another gene", "another level"])
def test_gene_and_level_both_matter(embedding, gene, level):
    one, other = embedding(torch.tensor([[0, gene]]), torch.tensor([[1, level]]))[0]
    assert (one - other).abs().max() > 1e-3


def test_every_table_learns(embedding):
    embedding(GENES, LEVELS).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in embedding.parameters())
