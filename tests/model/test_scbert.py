"""The published architecture: all genes are read, in their places, whatever a cell expresses."""

import numpy as np
import pytest
import torch

import scbert_tools as sbt
from scbert_tools.model.config import ModelConfig
from scbert_tools.model.labels import LabelTree
from scbert_tools.model.network import build_network
from scbert_tools.model.scbert import MaskedScbertNetwork, fill_levels
from scbert_tools.tokens.scbert_levels import ScbertLevels

GENES, LEVELS = torch.tensor([[0, 4, 7], [1, 2, 0]]), torch.tensor([[3, 1, 5], [5, 5, 0]])
MASK = torch.tensor([[True, True, True], [True, True, False]])[:, None, None]
TINY = {"gene_width": 8, "width": 8, "n_heads": 2, "n_layers": 2, "head_width": 4, "n_features": 6, "feed_forward": 16}


@pytest.fixture(params=[3, 0], ids=["fine-tuned", "pretrained"])
def model(request, annotator):
    config = ModelConfig.of("scbert", n_genes=12, **TINY)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(config, request.param).eval()
    labels = annotator.labels if request.param else LabelTree.flat(())
    levels = ScbertLevels()
    return sbt.Annotator(
        network=network, config=config, vocabulary=annotator.vocabulary, labels=labels, levels=levels, name="own"
    )


def test_every_gene_has_its_place_and_the_last_place_is_zero():
    filled = fill_levels(GENES, LEVELS, MASK, sequence=9)
    assert filled.tolist() == [[3, 0, 0, 0, 1, 0, 0, 5, 0], [0, 5, 5, 0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("cells", [[0], [1], [1, 0]], ids=str)
def test_answer_is_the_same_alone_padded_and_in_another_order(model, cells):
    together = model.network(GENES, LEVELS, MASK)
    alone = model.network(GENES[cells], LEVELS[cells], MASK[cells])
    torch.testing.assert_close(alone.logits, together.logits[cells], rtol=0, atol=1e-5)
    torch.testing.assert_close(alone.embedding, together.embedding[cells], rtol=0, atol=1e-5)


def test_hidden_genes_and_padding_are_read_as_not_expressed(model):
    hidden = MASK.clone()
    hidden[0, ..., 1] = False
    without = torch.where(hidden[:, 0, 0], LEVELS, 0)
    expected = model.network(GENES, without, MASK).embedding
    torch.testing.assert_close(model.network(GENES, LEVELS, hidden).embedding, expected)


def test_batches_are_sized_by_all_genes(model):
    assert model.network.tokens_read(np.array([1, 5])).tolist() == [13, 13]


def test_saved_folder_embeds_the_same(model, adata, tmp_path):
    model.save(tmp_path / "model")
    again = sbt.tl.embed(adata, model=tmp_path / "model", copy=True)
    sbt.tl.embed(adata, model=model)
    np.testing.assert_array_equal(adata.obsm["X_scbert"], again.obsm["X_scbert"])
    assert adata.obsm["X_scbert"].shape == (30, 8)


def test_annotate_names_cells_or_says_that_the_model_cannot(model, adata):
    if model.classes:
        sbt.tl.annotate(adata, model=model)
        assert adata.obsm["scbert_probabilities"].shape == (30, 3)
        return
    with pytest.raises(ValueError, match="`model` 'own' is pretrained .* knows no cell types; fine-tune it"):
        sbt.tl.annotate(adata, model=model)


def test_pretrained_network_tells_levels_of_all_genes():
    network = build_network(ModelConfig.of("scbert", n_genes=12, **TINY), 0)
    assert isinstance(network, MaskedScbertNetwork)
    assert network.level_logits(GENES, LEVELS, MASK).shape == (2, 13, 7)


def test_one_step_of_training_changes_all_but_the_scales():
    network = build_network(ModelConfig.of("scbert", n_genes=12, **TINY), 3)
    network(GENES, LEVELS, MASK).logits.logsumexp(dim=1).sum().backward()
    idle = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert idle == ["embedding.scale.weight"]


def test_published_sizes():
    config = ModelConfig.of("scbert", n_genes=16_906)
    sizes = (config.width, config.n_layers, config.n_heads, config.head_width, config.n_features, config.n_levels)
    assert sizes == (200, 6, 10, 64, 266, 7)


@pytest.mark.parametrize("gene", [-1, 13], ids=["below", "beyond"])
def test_gene_outside_the_vocabulary_is_an_error(gene):
    network = build_network(ModelConfig.of("scbert", n_genes=12, **TINY), 3)
    with pytest.raises(RuntimeError, match="out of bounds"):
        network(torch.tensor([[gene]]), torch.tensor([[1]]), torch.ones(1, 1, 1, 1, dtype=torch.bool))
