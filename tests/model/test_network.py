"""The whole network: sizes, the cell it reads, and cells without genes."""

import pytest
import torch

from scbert_tools.model.config import ModelConfig
from scbert_tools.model.network import build_network

GENES, LEVELS = torch.tensor([[0, 4, 7], [1, 2, 0]]), torch.tensor([[3, 1, 9], [5, 5, 0]])
MASK = torch.tensor([[True, True, True], [True, True, False]])[:, None, None]


@pytest.mark.parametrize(
    ("n_latents", "n_layers", "n_classes"), [(1, 1, 2), (2, 2, 3), (5, 3, 7)], ids=["least", "tiny", "more"]
)
def test_outputs_have_the_configured_sizes(n_latents, n_layers, n_classes):
    config = ModelConfig(n_genes=12, gene_width=6, width=8, n_heads=2, n_latents=n_latents, n_layers=n_layers)
    network = build_network(config, n_classes)
    output = network(GENES, LEVELS, MASK)
    assert (output.logits.shape, output.embedding.shape) == ((2, n_classes), (2, 8))
    assert network.latents(GENES, LEVELS, MASK).shape == (2, n_latents, 8)


def test_cell_embedding_is_the_first_latent_and_logits_are_read_from_it(annotator):
    output = annotator.network(GENES, LEVELS, MASK)
    torch.testing.assert_close(output.embedding, annotator.network.latents(GENES, LEVELS, MASK)[:, 0])
    torch.testing.assert_close(
        output.logits, annotator.network.head(output.embedding, genes=GENES, levels=LEVELS, mask=MASK)
    )


@pytest.mark.parametrize("cells", [[0], [1], [1, 0], [0, 1, 1]], ids=str)
def test_answer_is_the_same_alone_padded_and_in_another_order(trained, cells):
    together = trained.network(GENES, LEVELS, MASK).logits[cells]
    chosen = [values[cells] for values in (GENES, LEVELS, MASK)]
    torch.testing.assert_close(trained.network(*chosen).logits, together, rtol=0, atol=1e-5)


def test_what_stands_in_padding_is_never_read(trained):
    genes, levels = GENES.clone(), LEVELS.clone()
    genes[1, 2], levels[1, 2] = 11, 31
    changed = trained.network(genes, levels, MASK).logits
    torch.testing.assert_close(changed, trained.network(GENES, LEVELS, MASK).logits, rtol=0, atol=1e-5)


def test_cell_without_genes_gives_numbers(trained):
    assert trained.network(GENES, LEVELS, MASK & False).logits.isfinite().all()


@pytest.mark.parametrize(("genes", "levels"), [([[12]], [[0]]), ([[0]], [[32]])], ids=["gene", "level"])
def test_gene_or_level_beyond_the_configured_ones_is_an_error(annotator, genes, levels):
    with pytest.raises(IndexError, match="out of range"):
        annotator.network(torch.tensor(genes), torch.tensor(levels), torch.ones(1, 1, 1, 1, dtype=torch.bool))
