"""The search for votes never looks at the cells that judge, and weighs labels alike."""

from dataclasses import replace

import numpy as np
import pytest

from scbert_tools.tokens.levels import Levels, to_levels
from scbert_tools.train.folds import cell_folds
from scbert_tools.train.vote_search import PENALTIES, POWERS, VoteSearch


@pytest.fixture
def search(reference, rng):
    label = np.unique(reference.label, return_inverse=True)[1]
    fold = cell_folds(label, n_folds=5, rng=rng)
    return VoteSearch(to_levels(reference.counts, Levels()), 12, np.eye(3, dtype=bool)[label], label, fold)


@pytest.mark.parametrize("place", [0, 3])
def test_votes_do_not_depend_on_the_labels_of_the_fold_left_out(search, place):
    away, shuffled = search.fold == place, search.allowed.copy()
    shuffled[away] = np.roll(shuffled[away], 1, axis=1)
    one, other = (replace(search, allowed=allowed).without(place, 1.0, 1e-3) for allowed in (search.allowed, shuffled))
    np.testing.assert_array_equal(one.weight, other.weight)
    assert not np.array_equal(one.weight, search.solve(np.arange(30), 1.0, 1e-3).weight)


def test_labels_count_alike_whatever_their_size(search):
    label = np.repeat([0, 1, 2], [20, 8, 2])
    importance = replace(search, label=label).importance(np.arange(30))
    np.testing.assert_allclose(np.bincount(label, importance), 1)


def test_label_that_could_not_be_learned_is_not_judged(search):
    """All cells of a label are in one fold: votes of the others know nothing of it."""
    alone = np.where(search.label == 2, 0, 1)
    lonely = replace(search, fold=alone)
    assert lonely.loss(lonely.without(0, 1.0, 1e-3), 0, 1.0) == 0


def test_good_votes_surprise_less_than_none(search):
    votes = search.without(0, 1.0, 1e-3)
    silent = replace(votes, weight=0 * votes.weight, bias=0 * votes.bias)
    assert search.loss(votes, 0, 1.0) < 0.5 * search.loss(silent, 0, 1.0)


def test_choices_are_those_that_surprise_least(search):
    folds = [0, 1]
    power = search.best_power(folds)
    penalty = search.best_penalty(folds, power)

    def total(power, penalty):
        return sum(search.loss(search.without(place, power, penalty), place, power) for place in folds)

    assert power == min(POWERS, key=lambda one: total(one, 1e-3))
    assert total(power, penalty) <= 1.01 * min(total(power, one) for one in PENALTIES)


def test_noise_asks_for_the_strongest_penalty(search, rng):
    label = rng.permutation(search.label)
    random = replace(search, label=label, allowed=np.eye(3, dtype=bool)[label])
    assert random.best_penalty(range(5), 1.0) == max(PENALTIES)


def test_several_labels_are_learned_each_by_itself(search):
    table = np.stack([search.label == 0, search.label != 1, np.ones(30, bool)], axis=1)
    code = np.unique(table, axis=0, return_inverse=True)[1].reshape(-1)
    votes = replace(search, allowed=table, label=code, several=True).without(0, 1.0, 1e-3)
    said = votes(search.loudness(1.0)[search.fold == 0]) > 0
    assert (said == table[search.fold == 0]).mean() > 0.9
