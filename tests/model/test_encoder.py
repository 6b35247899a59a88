"""A layer adds attention and thought to its input, each of normed tokens, whatever attention it is given."""

import pytest
import torch
from torch import nn

from scbert_tools.model.encoder import EncoderLayer

WIDTH = 6


class Recorded(nn.Module):
    """Attention that notes what it was called with and returns a multiple of its tokens."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor, self.calls = factor, []

    def forward(self, tokens, *context):
        self.calls.append((tokens, context))
        return self.factor * tokens


def layer(factor=1.0, *, dropout=0.0):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return EncoderLayer(attention=Recorded(factor), width=WIDTH, feed_forward=9, dropout=dropout).eval()


@pytest.fixture
def tokens():
    return 3 + 2 * torch.randn(2, 4, WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(1, 1), (2, 4), (3, 0), (0, 4)], ids=["one", "several", "no tokens", "no cells"])
def test_shape_stays(shape):
    assert layer()(torch.ones(*shape, WIDTH)).shape == (*shape, WIDTH)


def test_attention_sees_normed_tokens(tokens):
    made = layer()
    made(tokens)
    seen, _ = made.attention.calls[0]
    torch.testing.assert_close(seen.mean(-1), torch.zeros(2, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.std(-1, correction=0), torch.ones(2, 4), atol=1e-3, rtol=0)


@pytest.mark.parametrize("n_more", [0, 1, 2])
def test_whatever_else_is_given_reaches_the_attention_as_it_is(tokens, n_more):
    made, context = layer(), tuple(torch.full((2,), float(place)) for place in range(n_more))
    made(tokens, *context)
    given = made.attention.calls[0][1]
    assert len(given) == n_more
    assert all(one is other for one, other in zip(given, context, strict=True))


@pytest.mark.parametrize("factor", [0.0, 1.0, -2.0])
def test_steps_are_added_one_after_the_other(tokens, factor):
    made = layer(factor)
    attended = tokens + factor * made.attention_norm(tokens)
    expected = attended + made.think(made.think_norm(attended))
    torch.testing.assert_close(made(tokens), expected)


def test_layer_that_adds_nothing_returns_its_input(tokens):
    made = layer(0.0)
    nn.init.zeros_(made.think[-1].weight)
    nn.init.zeros_(made.think[-1].bias)
    torch.testing.assert_close(made(tokens), tokens, rtol=0, atol=0)


@pytest.mark.parametrize(("training", "differ"), [(True, True), (False, False)], ids=["training", "asked"])
def test_parts_are_dropped_in_training_only(tokens, training, differ):
    made = layer(dropout=0.5).train(training)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert bool((made(tokens) != made(tokens)).any()) is differ


def test_what_is_dropped_is_the_step_and_never_the_input(tokens):
    torch.testing.assert_close(layer(dropout=1.0).train()(tokens), tokens, rtol=0, atol=0)


def test_tokens_think_alone(tokens):
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(layer()(tokens[:, order]), layer()(tokens)[:, order])


@pytest.mark.parametrize("name", ["attention_norm.weight", "think_norm.bias", "think.0.weight", "think.2.bias"])
def test_every_part_learns(tokens, name):
    made = layer()
    made(tokens).square().sum().backward()
    assert made.get_parameter(name).grad.abs().sum() > 0
