"""Clusters of unknown cells: groups that are alike, numbered by size, whatever their number."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.infer import proposals
from scbert_tools.infer.proposals import propose_clusters


@pytest.fixture
def groups(rng):
    """60 cells of one unknown type, 25 of another, 2 of a third, in 50 genes."""
    kind = np.repeat([0, 1, 2], [60, 25, 2])
    rates = np.full((3, 50), 0.3)
    for place in range(3):
        rates[place, 15 * place : 15 * place + 12] = 12
    return sparse.csr_matrix(rng.poisson(rates[kind]).astype(np.float32)), kind


def agreement(codes, kind):
    from sklearn.metrics import adjusted_rand_score

    return adjusted_rand_score(kind, codes)


def test_types_are_gathered_the_largest_first(groups, rng):
    x, kind = groups
    codes = propose_clusters(lambda cells: x[cells], np.arange(85), rng=rng)
    assert agreement(codes, kind[:85]) > 0.8
    assert np.bincount(codes[codes >= 0]).argmax() == 0


def test_many_cells_join_the_clusters_that_some_decided(groups, rng, monkeypatch):
    monkeypatch.setattr(proposals, "MOST_CELLS", 60)
    x, kind = groups
    codes = propose_clusters(lambda cells: x[cells], np.arange(85), rng=rng)
    assert agreement(codes, kind[:85]) > 0.8


def test_directions_of_few_cells_are_those_of_many(groups, rng, monkeypatch):
    few = proposals._directions(groups[0], rng)
    monkeypatch.setattr(proposals, "FEW_CELLS", 0)
    many = proposals._directions(groups[0], rng)
    # Each direction may point either way, and which of two comes first is of no account.
    np.testing.assert_allclose(few @ few.T, many @ many.T, atol=1e-4)


def test_cells_that_are_all_the_same_are_one_cluster(rng):
    same = sparse.csr_matrix(np.tile(rng.poisson(2.0, 50), (20, 1)).astype(np.float32))
    assert proposals._directions(same, rng).shape[1] == 1
    assert propose_clusters(lambda cells: same[cells], np.arange(20), rng=rng).tolist() == [0] * 20


@pytest.mark.parametrize("n_cells", [0, 1, 9])
def test_few_cells_are_left_single(groups, rng, n_cells):
    codes = propose_clusters(lambda cells: groups[0][cells], np.arange(n_cells), rng=rng)
    assert codes.tolist() == [-1] * n_cells


def test_same_seed_gives_the_same_clusters(groups):
    x, _ = groups
    one, two = (propose_clusters(lambda c: x[c], np.arange(85), rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
