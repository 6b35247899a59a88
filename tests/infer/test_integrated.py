"""Integrated gradients are complete, are captum's, and take the votes exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scbert_tools.data.batches import pad
from scbert_tools.infer.direction import directions
from scbert_tools.infer.evidence import (
    Inputs,
    average_baseline,
    empty_baseline,
    evidence_of,
    frozen_network,
    inputs_of,
    votes_toward,
)
from scbert_tools.infer.integrated import IntegratedGradients, _encode_any, _encode_openly
from scbert_tools.model.config import ModelConfig
from scbert_tools.model.network import build_network
from scbert_tools.tokens.levels import to_levels

CELLS = np.arange(30)


@pytest.fixture
def network(trained):
    return frozen_network(trained)


@pytest.fixture
def batch(adata, trained):
    return pad(to_levels(adata.X, trained.levels))


@pytest.fixture
def direction(trained, adata):
    return torch.from_numpy(directions(trained, adata.obs["cell_type"].tolist()))


@pytest.mark.parametrize("baseline", ["empty", "average"])
def test_scores_sum_to_the_change_of_evidence(trained, network, batch, direction, adata, baseline):
    start = empty_baseline(network) if baseline == "empty" else average_baseline(trained, network, adata.X)
    scores, change = IntegratedGradients(network, direction, start, 64)(batch, CELLS)
    torch.testing.assert_close(scores.sum(1), change, atol=2e-2, rtol=1e-2)
    assert (scores[~batch.mask[:, 0, 0]] == 0).all()


def test_scores_are_those_of_captum(network, batch, direction):
    attr = pytest.importorskip("captum.attr")
    own = inputs_of(network, batch)

    def evidence(tokens, loudness):
        return evidence_of(network, batch, Inputs(tokens, loudness), direction=direction)

    parts = attr.IntegratedGradients(evidence).attribute((own.tokens, own.loudness), n_steps=20, internal_batch_size=30)
    scores, _ = IntegratedGradients(network, direction, empty_baseline(network), 20)(batch, CELLS)
    torch.testing.assert_close(scores, (parts[0].sum(-1) + parts[1]).float().detach(), atol=1e-4, rtol=1e-4)


def test_quick_way_is_the_general_way(network, batch):
    tokens = network.embedding(batch.genes, batch.levels)
    gain = torch.rand(batch.genes.shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    ways = [
        _encode_openly(network.encoder, tokens, batch.mask, gain),
        _encode_any(network, tokens, torch.zeros_like(tokens), batch.mask, gain),
    ]
    torch.testing.assert_close(*[torch.autograd.grad(way.sum(), gain)[0] for way in ways], atol=1e-5, rtol=1e-4)


def test_votes_alone_are_exact_with_one_step(network, batch, direction):
    torch.nn.init.zeros_(network.head.correction.weight)
    scores, _ = IntegratedGradients(network, direction, empty_baseline(network), 1)(batch, CELLS)
    expected = inputs_of(network, batch).loudness * votes_toward(network, batch.genes, direction)
    torch.testing.assert_close(scores, expected)


def test_exact_attention_is_explained_too(trained, batch, direction):
    torch.manual_seed(0)
    config = ModelConfig.of("base", n_genes=12, width=8, n_heads=2, n_layers=1, feed_forward=8)
    network = frozen_network(replace(trained, config=config, network=build_network(config, 3)))
    # layer norms make the way steep where token vectors are short, so that it needs more places
    scores, change = IntegratedGradients(network, direction, empty_baseline(network), 300)(batch, CELLS)
    torch.testing.assert_close(scores.sum(1), change, atol=2e-2, rtol=1e-2)
