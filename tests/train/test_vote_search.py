"""The search for votes never looks at the cells that judge, and weighs labels alike."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.tokens.levels import Levels, to_levels
from scbert_tools.train import vote_search
from scbert_tools.train.blend import surprise
from scbert_tools.train.folds import cell_folds
from scbert_tools.train.vote_search import KEPT, PENALTIES, POWERS, TRUSTS, USUAL, VoteRule, VoteSearch, evening


@pytest.fixture
def search(reference, rng):
    label = np.unique(reference.label, return_inverse=True)[1]
    fold = cell_folds(label, n_folds=5, rng=rng)
    return VoteSearch(to_levels(reference.counts, Levels()), 12, np.eye(3, dtype=bool)[label], label, fold)


@pytest.mark.parametrize("place", [0, 3])
def test_votes_do_not_depend_on_the_labels_of_the_fold_left_out(search, place):
    away, shuffled = search.fold == place, search.allowed.copy()
    shuffled[away] = np.roll(shuffled[away], 1, axis=1)
    one, other = (replace(search, allowed=allowed).without(place, VoteRule()) for allowed in (search.allowed, shuffled))
    np.testing.assert_array_equal(one.weight, other.weight)
    assert not np.array_equal(one.weight, search.solve(np.arange(30), VoteRule()).weight)


def test_labels_count_alike_whatever_their_size(search):
    label = np.repeat([0, 1, 2], [20, 8, 2])
    importance = replace(search, label=label).importance(np.arange(30))
    np.testing.assert_allclose(np.bincount(label, importance), 1)


def test_label_that_could_not_be_learned_is_not_judged(search):
    """All cells of a label are in one fold: votes of the others know nothing of it."""
    alone = np.where(search.label == 2, 0, 1)
    lonely = replace(search, fold=alone)
    assert len(lonely.losses([0], VoteRule())) == 0
    assert len(lonely.losses([0, 1], VoteRule())) == 0
    assert lonely.best([0, 1]).power == USUAL.power


def test_good_votes_surprise_less_than_feeble_ones(search):
    good, feeble = (search.losses([0], VoteRule(penalty=penalty)) for penalty in (1e-3, 1e3))
    assert len(good) == (search.fold == 0).sum()
    assert good.sum() < 0.5 * feeble.sum()


def test_choices_are_those_that_surprise_least(search, monkeypatch):
    monkeypatch.setattr(vote_search, "STANDARD_ERRORS", 0)
    rule = search.best([0, 1])

    def total(**other):
        return replace(search).losses([0, 1], replace(rule, **other)).sum()

    assert total() <= 1.01 * min(total(penalty=one) for one in PENALTIES)
    assert total() <= min(total(kept=one) for one in KEPT)
    assert rule.power == min(POWERS, key=lambda one: total(power=one, penalty=USUAL.penalty))


@pytest.mark.parametrize(("means", "asked"), [([3, 2, 1, 4, 5], 3), ([5, 4, 3, 2, 1], 3), ([1, 2, 3, 4, 5], 4)])
def test_search_goes_down_from_where_it_begins(search, monkeypatch, means, asked):
    found, seen = dict(zip(POWERS, means, strict=True)), set()
    monkeypatch.setattr(VoteSearch, "losses", lambda _, folds, rule: seen.add(rule) or np.full(9, found[rule.power]))
    assert search.best([0]).power == min(found, key=found.get)
    assert len({rule.power for rule in seen}) == asked


@pytest.mark.parametrize("gain", [1.0, 0.05])
def test_what_is_usual_stays_unless_cells_agree_that_another_is_better(search, monkeypatch, gain):
    """A hundred cells: a gain of 1.0 is ten of its errors, one of 0.05 is half an error."""
    luck = gain - np.resize([1.0, -1.0], 100)
    monkeypatch.setattr(VoteSearch, "losses", lambda _, folds, rule: 9 - luck * (rule.power == 2.5))
    assert search.best([0]) == replace(USUAL, trust=0, power=2.5 if gain == 1 else USUAL.power)


def test_genes_that_are_kept_have_half_of_the_say(search):
    everyone = np.arange(30)
    whole, both = (search.solve(everyone, VoteRule(kept=kept)) for kept in (None, 1))
    loudest = sorted(set(np.abs(whole.weight).argmax(axis=0)))
    others = np.setdiff1d(np.arange(12), loudest)
    np.testing.assert_allclose(both.weight[others], whole.weight[others] / 2, rtol=1e-5)
    assert (np.abs(both.weight[loudest]) > np.abs(whole.weight[loudest]) / 2).mean() > 0.9
    assert (both(search.loudness(1.0)).argmax(axis=1) == search.label).mean() > 0.9


def test_genes_are_kept_where_most_are_noise(reference, search, rng, monkeypatch):
    monkeypatch.setattr(vote_search, "KEPT", (None, 4))
    monkeypatch.setattr(vote_search, "USUAL", replace(USUAL, kept=None))
    noise = sparse.csr_matrix(rng.poisson(3.0, (30, 400)).astype(np.float32))
    tokens = to_levels(sparse.hstack([reference.counts, noise], format="csr"), Levels())
    assert replace(search, tokens=tokens, n_genes=412).best(range(5)).kept == 4


def test_evened_genes_are_more_alike_and_cells_differ_as_much(rng):
    loud = sparse.csr_matrix(rng.poisson([0.1, 1.0, 30.0], (200, 3)).astype(np.float32))
    before, after = (np.asarray(x.toarray()).std(axis=0) for x in (loud, loud @ sparse.diags(evening(loud)[:, 0])))
    assert after.max() / after.min() < 0.5 * before.max() / before.min()
    assert np.square(after).sum() == pytest.approx(np.square(before).sum(), rel=1e-4)
    assert np.isfinite(evening(sparse.csr_matrix((5, 3), dtype=np.float32))).all()


def test_noise_asks_for_the_strongest_penalty(search, rng):
    label = rng.permutation(search.label)
    random = replace(search, label=label, allowed=np.eye(3, dtype=bool)[label])
    assert random.best(range(5)).penalty == max(PENALTIES)


@pytest.fixture
def truth(search):
    """What genes should vote: each for the label of whose cells it is loudest."""
    means = np.stack([search.loudness(1.0)[search.label == one].toarray().mean(axis=0) for one in range(3)])
    return (means - means.mean(axis=0)).T.astype(np.float32)


def few_cells_and_the_rest(search, hints):
    """Return the surprise of all cells at votes learned from three of them."""
    search = replace(search, hints=hints)
    few = np.array([np.flatnonzero(search.label == one)[0] for one in range(3)])
    rule = VoteRule(trust=TRUSTS[-1], penalty=1e-2)
    return surprise(search.solve(few, rule)(search.loudness(1.0)), search.allowed, several=False).mean()


def test_right_hints_teach_from_fewer_cells(search, truth):
    assert few_cells_and_the_rest(search, truth) < 0.8 * few_cells_and_the_rest(search, None)


def test_misleading_hints_are_not_trusted(search, rng):
    noise = rng.normal(size=(12, 3)).astype(np.float32)
    noisy = replace(search, hints=noise).best(range(5))
    assert noisy.trust < TRUSTS[-1]
    assert search.best(range(5)).trust == 0


def test_search_leaves_the_tokens_as_they_are(search, truth, rng):
    """The Transformer reads them at the same time; SciPy sorts the genes of a matrix in place when it sees fit."""
    order = np.concatenate([rng.permutation(np.arange(a, b)) for a, b in pairwise(search.tokens.indptr)])
    tokens = replace(search.tokens, genes=search.tokens.genes[order], levels=search.tokens.levels[order])
    before = tokens.genes.copy()
    replace(search, tokens=tokens, hints=truth).best([0, 1])
    np.testing.assert_array_equal(tokens.genes, before)


def test_length_of_hints_does_not_matter(search, truth):
    rule = VoteRule(trust=1.0)
    one, other = (replace(search, hints=length * truth).trusted(rule) for length in (1, 50))
    np.testing.assert_allclose(one, other, rtol=1e-4)
    seen = search.loudness(1.0).toarray()
    np.testing.assert_allclose((seen @ one).var(axis=0).sum(), seen.var(axis=0).sum(), rtol=1e-3)


def test_several_labels_are_learned_each_by_itself(search):
    table = np.stack([search.label == 0, search.label != 1, np.ones(30, bool)], axis=1)
    code = np.unique(table, axis=0, return_inverse=True)[1].reshape(-1)
    votes = replace(search, allowed=table, label=code, several=True).without(0, VoteRule())
    said = votes(search.loudness(1.0)[search.fold == 0]) > 0
    assert (said == table[search.fold == 0]).mean() > 0.9
