"""Latents read a set of genes: padding and order do not matter, and absorbed projections change nothing."""

import pytest
import torch
from torch.nn import functional

from scbert_tools.model.latent import CrossAttention, LatentEncoder, LatentLayer

WIDTH, GENE_WIDTH, HEADS = 8, 6, 2


@pytest.fixture
def tokens():
    torch.manual_seed(0)
    return torch.randn(3, 5, GENE_WIDTH)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    sizes = {"width": WIDTH, "gene_width": GENE_WIDTH, "n_heads": HEADS, "feed_forward": 16, "dropout": 0.0}
    return LatentEncoder(n_latents=3, width=WIDTH, layers=[LatentLayer(**sizes) for _ in range(2)]).eval()


def all_real(tokens):
    return torch.ones(len(tokens), 1, 1, tokens.shape[1], dtype=torch.bool)


def test_absorbed_projections_equal_attention_with_keys_and_values(tokens):
    to_query, to_key, to_value = torch.randn(3, HEADS, GENE_WIDTH, GENE_WIDTH).unbind()
    to_width = torch.randn(HEADS, WIDTH, GENE_WIDTH)
    latents, mask = torch.randn(3, 4, GENE_WIDTH), all_real(tokens)
    mask[0, ..., 3:] = False
    heads = [latents @ q.T @ k / GENE_WIDTH**0.5 @ tokens.mT for q, k in zip(to_query, to_key, strict=True)]
    weights = [head.masked_fill(~mask[:, 0], -torch.inf).softmax(-1) for head in heads]
    expected = sum(w @ (tokens @ v.T) @ o.T for w, v, o in zip(weights, to_value, to_width, strict=True))

    absorbed = CrossAttention(width=GENE_WIDTH, gene_width=GENE_WIDTH, n_heads=HEADS)
    absorbed.query.weight.data = torch.cat([k.T @ q for q, k in zip(to_query, to_key, strict=True)])
    absorbed.query.bias.data.zero_()
    absorbed.out = torch.nn.Linear(HEADS * GENE_WIDTH, WIDTH, bias=False)
    absorbed.out.weight.data = torch.cat([o @ v for v, o in zip(to_value, to_width, strict=True)], dim=1)
    torch.testing.assert_close(absorbed(latents, tokens, mask), expected, rtol=1e-4, atol=1e-4)


def test_padding_never_changes_an_answer(encoder, tokens):
    padded = functional.pad(tokens, (0, 0, 0, 7), value=100.0)
    mask = functional.pad(all_real(tokens), (0, 7))
    expected = encoder(tokens, all_real(tokens))
    torch.testing.assert_close(encoder(padded, mask), expected, rtol=0, atol=1e-5)


def test_order_of_genes_never_changes_an_answer(encoder, tokens):
    order = torch.tensor([4, 2, 0, 3, 1])
    expected = encoder(tokens, all_real(tokens))
    torch.testing.assert_close(encoder(tokens[:, order], all_real(tokens)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("cell", [0, 1, 2])
def test_other_cells_of_the_batch_never_change_an_answer(encoder, tokens, cell):
    alone = encoder(tokens[[cell]], all_real(tokens[[cell]]))
    torch.testing.assert_close(alone[0], encoder(tokens, all_real(tokens))[cell], rtol=0, atol=1e-5)


@pytest.mark.parametrize("place", [0, 4])
def test_every_real_token_changes_the_answer(encoder, tokens, place):
    mask = all_real(tokens)
    mask[..., place] = False
    assert (encoder(tokens, mask) - encoder(tokens, all_real(tokens))).abs().max() > 1e-3


def test_cell_without_tokens_gives_numbers_and_gradients(encoder, tokens):
    mask = all_real(tokens)
    mask[1] = False
    encoder(tokens, mask).square().sum().backward()
    assert encoder(tokens, mask).isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_dropout_acts_in_training_only(tokens, training):
    torch.manual_seed(0)
    layer = LatentLayer(width=WIDTH, gene_width=GENE_WIDTH, n_heads=HEADS, feed_forward=16, dropout=0.5)
    encoder = LatentEncoder(n_latents=2, width=WIDTH, layers=[layer]).train(training)
    twice = [encoder(tokens, all_real(tokens)) for _ in range(2)]
    assert torch.equal(*twice) != training
