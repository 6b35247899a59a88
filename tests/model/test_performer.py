"""FAVOR+ attention comes close to exact attention, whatever the pieces it is computed in."""

import pytest
import torch
from torch.nn import functional

from scbert_tools.model import performer
from scbert_tools.model.performer import FLOOR, MAXIMA, FavorAttention, favor_attention, random_directions


@pytest.fixture
def heads():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(3, 2, 11, 4, generator=generator) for _ in range(3)]


def direct(query, key, value, directions, maximum):
    """The formula, with every feature of every token in memory at once."""
    query, key = query * 4**-0.25, key * 4**-0.25
    of_query, of_key = query @ directions.mT, key @ directions.mT
    largest = {"batch": of_key.amax(), "cell": of_key.amax(dim=(1, 2, 3), keepdim=True)}[maximum]
    of_key = (of_key - key.square().sum(-1, keepdim=True) / 2 - largest).exp() + FLOOR
    highest = of_query.amax(-1, keepdim=True)
    of_query = (of_query - query.square().sum(-1, keepdim=True) / 2 - highest).exp() + FLOOR
    weights = of_query @ of_key.mT
    return weights @ value / weights.sum(-1, keepdim=True)


@pytest.mark.parametrize("maximum", sorted(MAXIMA))
@pytest.mark.parametrize("at_once", [1, 4, 2048], ids=["one by one", "pieces", "whole"])
def test_pieces_give_what_the_formula_gives(heads, maximum, at_once, monkeypatch):
    monkeypatch.setattr(performer, "TOKENS_AT_ONCE", at_once)
    directions = random_directions(9, 4, torch.Generator().manual_seed(1))
    found = favor_attention(*heads, directions, maximum=MAXIMA[maximum])
    torch.testing.assert_close(found, direct(*heads, directions, maximum), rtol=1e-4, atol=1e-5)


def test_many_features_without_a_floor_come_close_to_exact_attention(heads, monkeypatch):
    monkeypatch.setattr(performer, "FLOOR", 0.0)
    directions = random_directions(20_000, 4, torch.Generator().manual_seed(1))
    query, key, value = heads[0] / 2, heads[1] / 2, heads[2]
    exact = functional.scaled_dot_product_attention(query, key, value)
    found = favor_attention(query, key, value, directions, maximum=MAXIMA["cell"])
    torch.testing.assert_close(found, exact, rtol=0, atol=0.05)


@pytest.mark.parametrize(("maximum", "alike"), [("cell", True), ("batch", False)])
def test_only_the_maximum_of_the_batch_ties_cells_together(heads, maximum, alike):
    query, key, value = heads
    key[1:] *= 5
    directions = random_directions(9, 4, torch.Generator().manual_seed(1))
    together = favor_attention(query, key, value, directions, maximum=MAXIMA[maximum])[:1]
    alone = favor_attention(query[:1], key[:1], value[:1], directions, maximum=MAXIMA[maximum])
    assert torch.allclose(together, alone, atol=1e-5) is alike


@pytest.mark.parametrize(("n_features", "width"), [(3, 4), (4, 4), (9, 4)], ids=["few", "one block", "blocks"])
def test_directions_of_a_block_are_orthogonal(n_features, width):
    directions = random_directions(n_features, width, torch.Generator().manual_seed(0))
    block = functional.normalize(directions[:width])
    assert directions.shape == (n_features, width)
    torch.testing.assert_close(block @ block.mT, torch.eye(len(block)), rtol=0, atol=1e-5)


def test_layer_can_be_trained():
    layer = FavorAttention(width=6, n_heads=2, head_width=4, n_features=5, maximum=MAXIMA["cell"])
    layer(torch.randn(2, 7, 6, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    assert all(weight.grad.isfinite().all() and weight.grad.any() for weight in layer.parameters())


def test_tokens_of_the_wrong_width_are_an_error():
    layer = FavorAttention(width=6, n_heads=2, head_width=4, n_features=5, maximum=MAXIMA["cell"])
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        layer(torch.zeros(1, 3, 5))
