"""Latent networks read fast give the answer of the plain modules."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse

import scbert_tools as sbt
from scbert_tools.infer.latent_reader import LatentReader, mix_first
from scbert_tools.infer.plain_reader import PlainReader
from scbert_tools.model.latent import SelfAttention
from scbert_tools.model.network import build_network
from scbert_tools.tokens.levels import to_levels


def plain_of(network):
    n_classes, width = network.head.alone.weight.shape
    return PlainReader(network.eval(), n_classes=n_classes, width=width)


def fresh(annotator, **sizes):
    torch.manual_seed(1)
    network = build_network(replace(annotator.config, **sizes), len(annotator.classes))
    torch.nn.init.normal_(network.head.votes.weight)
    return network


@pytest.fixture
def tokens(annotator, rng):
    """60 cells of one to twelve genes and one of none."""
    counts = rng.poisson(rng.gamma(1.0, 3.0, (60, 1)) * rng.gamma(0.5, 1.0, (60, 12)))
    counts[:, 3] += 1
    counts[7] = 0
    return to_levels(sparse.csr_matrix(counts, dtype=np.float32), annotator.levels)


def both(network, tokens):
    plain = plain_of(network)
    fast = LatentReader(plain)
    return fast.read(fast.place(tokens)), plain.read(tokens)


def assert_same(fast, plain):
    for one, other in zip(fast, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "sizes",
    [{}, {"n_layers": 1}, {"n_layers": 3}, {"n_latents": 1}, {"n_heads": 1}, {"vote_power": 0.5}],
    ids=str,
)
def test_answer_is_that_of_the_modules(annotator, tokens, sizes):
    assert_same(*both(fresh(annotator, **sizes), tokens))


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_size_of_batches_does_not_matter(annotator, tokens, batch_size):
    sbt.settings.batch_size = batch_size
    assert_same(*both(fresh(annotator), tokens))


def test_table_serves_cells_that_come_later(annotator, tokens):
    plain = plain_of(fresh(annotator))
    fast = LatentReader(plain)
    few = to_levels(sparse.csr_matrix(np.eye(12, dtype=np.float32)), annotator.levels)
    first, later = fast.place(few), fast.place(tokens)
    assert_same(fast.read(later), plain.read(tokens))
    assert_same(fast.read(first), plain.read(few))


@pytest.mark.parametrize(("sharpness", "n_asked"), [(1.0, 1), (1000.0, 60)], ids=["usual", "extreme"])
def test_modules_are_asked_where_the_weights_of_the_table_are_too_small(annotator, tokens, sharpness, n_asked):
    network = fresh(annotator)
    with torch.no_grad():
        network.encoder.layers[0].cross.query.weight.mul_(sharpness)
    plain = plain_of(network)
    expected, read, asked = plain.read(tokens), plain.read, []
    plain.read = lambda tokens, some: asked.append(some) or read(tokens, some)
    fast = LatentReader(plain)
    found = fast.read(fast.place(tokens))
    assert_same(found, expected)
    assert len(asked[0]) == n_asked


@pytest.mark.parametrize("n_heads", [1, 4])
def test_what_cls_reads_of_the_latents_is_that_of_the_module(n_heads):
    mix, latents = SelfAttention(width=8, n_heads=n_heads), torch.randn(5, 3, 8)
    torch.testing.assert_close(mix_first(mix, latents), mix(latents, n_asking=1))


def test_other_networks_are_not_taken(annotator):
    exact = replace(annotator.config, preset="base")
    assert LatentReader.suits(annotator.network)
    assert not LatentReader.suits(build_network(exact, 3))
    headless = deepcopy(annotator.network)
    headless.head = torch.nn.Linear(8, 3)
    assert not LatentReader.suits(headless)
