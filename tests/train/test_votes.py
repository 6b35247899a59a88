"""Votes solved to convergence agree with scikit-learn and with the head that says them."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from scbert_tools.data.batches import pad
from scbert_tools.model.heads import GeneVotes
from scbert_tools.tokens.levels import Levels, to_levels
from scbert_tools.train.votes import Votes, loudness_of, solve_votes


@pytest.fixture
def tokens(reference):
    return to_levels(reference.counts, Levels())


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_loudness_is_that_of_the_head(tokens, power, rng):
    votes = Votes(rng.normal(size=(12, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32))
    head = GeneVotes(12, 3, power)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(votes.weight))
        head.bias.copy_(torch.from_numpy(votes.bias))
    batch = pad(tokens)
    said = head(batch.genes, batch.levels, batch.mask).detach().numpy()
    np.testing.assert_allclose(votes(loudness_of(tokens, 12, power)), said, rtol=1e-4, atol=1e-4)


def test_cell_without_genes_is_silent(reference):
    empty = reference.counts.copy()
    empty.data[: empty.indptr[2]] = 0
    assert loudness_of(to_levels(empty, Levels()), 12, 2.0)[:2].nnz == 0


def penalised_loss(logits, weight, label, *, penalty):
    """Return what votes are solved for: mean cross-entropy and half the squared votes."""
    return -log_softmax(logits, axis=1)[np.arange(len(label)), label].mean() + penalty / 2 * np.square(weight).sum()


def test_solution_is_as_good_as_that_of_scikit_learn(tokens, reference):
    x = loudness_of(tokens, 12, 1.0)
    names, label = np.unique(reference.label, return_inverse=True)
    votes = solve_votes(x, np.eye(len(names), dtype=bool)[label], np.ones(30, np.float32), penalty=1e-2)
    known = LogisticRegression(C=1 / (30 * 1e-2), max_iter=5000, tol=1e-8).fit(x, label)
    ours = penalised_loss(votes(x), votes.weight, label, penalty=1e-2)
    best = penalised_loss(known.decision_function(x), known.coef_, label, penalty=1e-2)
    assert best * 0.99 <= ours <= best * 1.01
    np.testing.assert_allclose(votes.weight, known.coef_.T, atol=0.03)


def test_stronger_penalty_makes_smaller_votes(tokens, reference):
    x, allowed = loudness_of(tokens, 12, 2.0), np.eye(4, dtype=bool)[reference.label]
    sizes = [np.abs(solve_votes(x, allowed, np.ones(30, np.float32), penalty=p).weight).sum() for p in (1e-3, 1e-1, 10)]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("several", [False, True], ids=["exclusive", "several"])
def test_guess_does_not_change_the_solution(tokens, reference, several, rng):
    x, allowed = loudness_of(tokens, 12, 2.0), np.eye(4, dtype=bool)[reference.label]
    guess = Votes(rng.normal(size=(12, 4)).astype(np.float32), np.zeros(4, np.float32))
    one, other = (
        solve_votes(x, allowed, np.ones(30, np.float32), penalty=1e-2, several=several, start=start)
        for start in (None, guess)
    )
    np.testing.assert_allclose(one.weight, other.weight, atol=2e-2)


def test_cell_that_may_be_either_teaches_neither(tokens, reference):
    x = loudness_of(tokens, 12, 2.0)
    votes = solve_votes(x, np.ones((30, 2), bool), np.ones(30, np.float32), penalty=1e-3)
    np.testing.assert_allclose(votes.weight, 0, atol=1e-6)


@pytest.mark.parametrize("several", [False, True], ids=["exclusive", "several"])
@pytest.mark.parametrize("hinted", [False, True], ids=["no hints", "hints"])
def test_few_cells_get_the_votes_that_many_would(tokens, reference, several, hinted, rng, monkeypatch):
    """Few cells are solved in axes of their own, which is to change nothing but the time."""
    x, allowed = loudness_of(tokens, 12, 2.0), np.eye(4, dtype=bool)[reference.label]
    hints = rng.normal(size=(12, 2)).astype(np.float32) if hinted else None
    how = {"penalty": 1e-2, "several": several, "hints": hints}
    few = solve_votes(x, allowed, np.ones(30, np.float32), **how)
    monkeypatch.setattr("scbert_tools.train.votes.FEW_CELLS", 0)
    many = solve_votes(x, allowed, np.ones(30, np.float32), **how)
    np.testing.assert_allclose(few(x), many(x), rtol=0.02, atol=0.05)


def test_shares_of_hints_are_penalised_instead_of_votes_for_genes(tokens, reference):
    """One long hint that is right: the votes become a multiple of it."""
    x, allowed = loudness_of(tokens, 12, 1.0), np.eye(4, dtype=bool)[reference.label]
    known = solve_votes(x, allowed, np.ones(30, np.float32), penalty=1e-2).weight
    votes = solve_votes(x, allowed, np.ones(30, np.float32), penalty=10.0, hints=1e3 * known).weight
    shares = np.linalg.lstsq(known, votes, rcond=None)[0]
    np.testing.assert_allclose(known @ shares, votes, atol=1e-2 * np.abs(votes).max())
    assert np.abs(votes).max() > 0.1 * np.abs(known).max()


def test_loudest_genes_are_those_of_any_class(rng):
    votes = Votes(rng.normal(size=(20, 3)).astype(np.float32), np.zeros(3, np.float32))
    assert votes.loudest(1).tolist() == sorted(set(np.abs(votes.weight).argmax(axis=0)))
    assert 2 <= len(votes.loudest(2)) <= 6
    np.testing.assert_array_equal(votes.loudest(99), np.arange(20))
