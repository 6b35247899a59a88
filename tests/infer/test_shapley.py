"""SHAP and gradient-SHAP add up, are right where they can be told by hand, and draw from their own generator."""

import numpy as np
import pytest
import torch

from scbert_tools.data.batches import pad
from scbert_tools.infer.direction import directions
from scbert_tools.infer.evidence import Inputs, evidence_of, frozen_network, inputs_of, votes_toward
from scbert_tools.infer.gradient_shap import GradientShap, background_of
from scbert_tools.infer.shapley import Shapley, gene_tree
from scbert_tools.tokens.levels import to_levels

CELLS = np.array([0, 12, 25])


@pytest.fixture
def network(trained):
    return frozen_network(trained)


@pytest.fixture
def direction(trained, adata):
    return torch.from_numpy(directions(trained, adata.obs["cell_type"].tolist()))


@pytest.fixture
def batch(adata, trained):
    return pad(to_levels(adata.X[CELLS], trained.levels))


def test_shap_values_sum_to_the_change_of_evidence(network, batch, direction):
    pytest.importorskip("shap")
    scores, change = Shapley(network, direction, 100)(batch, CELLS)
    torch.testing.assert_close(scores.sum(1), change, atol=1e-4, rtol=1e-4)


def test_shap_values_of_votes_are_the_votes(network, batch, direction):
    pytest.importorskip("shap")
    torch.nn.init.zeros_(network.head.correction.weight)
    scores, _ = Shapley(network, direction, 10)(batch, CELLS)
    votes = inputs_of(network, batch).loudness * votes_toward(network, batch.genes, direction[CELLS])
    torch.testing.assert_close(scores, votes, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_two_genes_get_their_shapley_values(network, trained, adata, direction):
    pytest.importorskip("shap")
    values = adata.X[:1].toarray() * (np.arange(12) < 2)
    batch = pad(to_levels(type(adata.X)(values), trained.levels))
    own = inputs_of(network, batch)
    left = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    seen = [
        evidence_of(
            network,
            type(batch)(batch.genes, batch.levels, case.bool()[None, None, None]),
            Inputs(own.tokens, own.loudness * case),
            direction=direction[:1],
        ).item()
        for case in left
    ]
    nothing = evidence_of(network, batch, Inputs(0 * own.tokens, 0 * own.loudness), direction=direction[:1]).item()
    first = ((seen[1] - nothing) + (seen[0] - seen[2])) / 2
    scores, _ = Shapley(network, direction, 50)(batch, np.array([0]))
    assert scores[0].tolist() == pytest.approx([first, seen[0] - nothing - first], abs=1e-4)


def test_cell_of_one_gene(network, trained, adata, direction):
    pytest.importorskip("shap")
    values = type(adata.X)(adata.X[:1].toarray() * (np.arange(12) < 1))
    scores, change = Shapley(network, direction, 50)(pad(to_levels(values, trained.levels)), np.array([0]))
    torch.testing.assert_close(scores[:, 0], change, atol=1e-5, rtol=1e-5)


def test_genes_alike_share_a_branch():
    tree = gene_tree(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1]], np.float32))
    assert sorted(tree[0, :2]) == [0, 2]
    assert tree[:, 2].max() == 1


def explained(network, trained, adata, direction, batch, seed, n_samples=20):
    pytest.importorskip("captum")
    background = background_of(trained, adata.X[::3])
    kernel = GradientShap(network, direction, background, n_samples, np.random.default_rng(seed))
    return kernel(batch, CELLS)


def test_gradient_shap_comes_near_the_change_of_evidence(network, trained, adata, direction, batch):
    scores, change = explained(network, trained, adata, direction, batch, 0, n_samples=2000)
    torch.testing.assert_close(scores.sum(1), change, atol=0.3, rtol=0.1)


def test_gradient_shap_is_the_same_for_the_same_seed_only(network, trained, adata, direction, batch):
    one, same, other = (explained(network, trained, adata, direction, batch, seed)[0] for seed in (1, 1, 2))
    torch.testing.assert_close(one, same)
    assert not torch.allclose(one, other)


def test_gradient_shap_leaves_the_global_generator_alone(network, trained, adata, direction, batch):
    before = np.random.get_state()[1].tolist()
    explained(network, trained, adata, direction, batch, 1)
    assert np.random.get_state()[1].tolist() == before


def test_background_tells_absent_from_low(trained, adata):
    background = background_of(trained, adata.X)
    assert ((background > 0) == (adata.X.toarray() > 0)).all()
