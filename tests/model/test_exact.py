"""The full size reads CLS and the expressed genes exactly; here it is tiny."""

import numpy as np
import pytest
import torch

import scbert_tools as sbt
from scbert_tools.model.config import ModelConfig
from scbert_tools.model.latent import SelfAttention
from scbert_tools.model.network import build_network

GENES, LEVELS = torch.tensor([[0, 4, 7], [1, 2, 0]]), torch.tensor([[3, 1, 9], [5, 5, 0]])
MASK = torch.tensor([[True, True, True], [True, True, False]])[:, None, None]
TINY = {"gene_width": 8, "width": 8, "n_heads": 2, "n_layers": 2, "feed_forward": 16}


@pytest.fixture
def exact(annotator):
    config = ModelConfig.of("base", n_genes=12, **TINY)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(config, len(annotator.classes)).eval()
    return sbt.Annotator(network=network, config=config, vocabulary=annotator.vocabulary, labels=annotator.labels)


def test_base_has_the_full_size():
    config = ModelConfig.of("base", n_genes=20_000)
    assert (config.width, config.n_layers, config.n_heads) == (768, 12, 12)


@pytest.mark.parametrize("cells", [[0], [1], [1, 0]], ids=str)
def test_answer_is_the_same_alone_padded_and_in_another_order(exact, cells):
    together = exact.network(GENES, LEVELS, MASK)
    alone = exact.network(GENES[cells], LEVELS[cells], MASK[cells])
    torch.testing.assert_close(alone.logits, together.logits[cells], rtol=0, atol=1e-5)
    torch.testing.assert_close(alone.embedding, together.embedding[cells], rtol=0, atol=1e-5)


def test_padding_and_order_of_genes_are_never_read(exact):
    genes, levels = GENES.clone(), LEVELS.clone()
    genes[1, 2], levels[1, 2] = 11, 31
    genes[0], levels[0] = genes[0].flip(0), levels[0].flip(0)
    changed = exact.network(genes, levels, MASK).logits
    torch.testing.assert_close(changed, exact.network(GENES, LEVELS, MASK).logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("n_kept", "n_returned"), [(None, 1), (1, 1), (4, 4)])
def test_encoder_returns_the_first_tokens(exact, n_kept, n_returned):
    tokens = exact.network.embedding(GENES, LEVELS)
    assert exact.network.encoder(tokens, MASK, n_kept=n_kept).shape == (2, n_returned, 8)


def test_one_head_gives_what_the_formula_gives():
    layer = SelfAttention(width=4, n_heads=1)
    tokens = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0))
    query, key, value = layer.project(tokens).chunk(3, dim=-1)
    expected = layer.out((query @ key.mT / 2).softmax(-1) @ value)
    torch.testing.assert_close(layer(tokens, torch.ones(1, 1, 1, 5, dtype=torch.bool)), expected)


def test_annotate_and_a_saved_folder_give_the_same(exact, adata, tmp_path):
    exact.save(tmp_path / "model")
    again = sbt.tl.annotate(adata, model=tmp_path / "model", copy=True)
    sbt.tl.annotate(adata, model=exact)
    np.testing.assert_array_equal(adata.obsm["X_scbert"], again.obsm["X_scbert"])
    assert adata.obsm["X_scbert"].shape == (30, 8)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [({"preset": "huge"}, "`preset` must be one of .*got 'huge'"), ({"maximum": "row"}, "`maximum` must be one of")],
    ids=["preset", "maximum"],
)
def test_unknown_choices_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**({"n_genes": 12} | sizes))


def test_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="`preset` must be one of"):
        ModelConfig.of("huge", n_genes=12)
