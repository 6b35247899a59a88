"""Attention of every architecture that has any; genes × genes for a choice of genes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scbert_tools.infer.attention import attention_of, gene_attention
from scbert_tools.infer.latent_attention import LatentAttention
from scbert_tools.infer.self_attention import ExactAttention
from scbert_tools.model.config import ModelConfig
from scbert_tools.model.network import build_network

EVERYONE = np.arange(30)


@pytest.fixture(params=["mini", "base"])
def model(request, trained):
    """The toy model, or exact attention with random weights for the same genes."""
    if request.param == "mini":
        return trained
    torch.manual_seed(0)
    config = ModelConfig.of("base", n_genes=12, width=16, n_heads=2, n_layers=2, feed_forward=8)
    return replace(trained, config=config, network=build_network(config, 3))


def test_each_architecture_has_its_own(model):
    kinds = {"mini": LatentAttention, "base": ExactAttention}
    assert type(attention_of(model)) is kinds[model.config.preset]


@pytest.mark.parametrize("of", ["last", 2, -1])
def test_layer_that_is_not_there_is_said(model, of):
    with pytest.raises(ValueError, match=r'`of` must be "rollout" or the number of a layer, \[0, 1\]'):
        attention_of(model, of)


def test_model_without_cls_is_refused(trained):
    config = ModelConfig.of("scbert", n_genes=12, width=16, n_heads=2, n_layers=1)
    published = replace(trained, config=config, network=build_network(config, 3))
    with pytest.raises(ValueError, match=r'architecture "scbert".*use a model of the architecture "mini" or "base"'):
        attention_of(published)


def test_gene_attention_over_all_genes_sums_to_one(model, adata):
    square = gene_attention(model, lambda cells: adata.X[cells], cells=EVERYONE, genes=np.arange(12))
    np.testing.assert_allclose(square.sum(axis=1), 1, rtol=1e-5)


def test_gene_attention_of_a_choice_is_part_of_the_whole(model, adata):
    asked = (model, lambda cells: adata.X[cells])
    chosen = np.array([7, 0, 4])
    whole = gene_attention(*asked, cells=EVERYONE, genes=np.arange(12))
    np.testing.assert_allclose(
        gene_attention(*asked, cells=EVERYONE, genes=chosen), whole[np.ix_(chosen, chosen)], rtol=1e-5
    )


def test_gene_that_no_cell_expresses_is_missing(model, adata):
    values = adata.X.copy()
    values.data[values.indices == 5] = 0
    square = gene_attention(model, lambda cells: values[cells], cells=EVERYONE, genes=np.array([5, 1]))
    assert np.isnan(square[0]).all()
    assert not np.isnan(square[1]).any()
