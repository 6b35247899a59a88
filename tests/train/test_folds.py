"""Folds deal labels out evenly, keep batches whole, and leave what can be left to train on."""

import numpy as np
import pytest

from scbert_tools.train.folds import batch_folds, cell_folds


@pytest.mark.parametrize("n_folds", [2, 5, 8])
def test_labels_are_dealt_out_evenly(rng, n_folds):
    label = rng.permutation(np.repeat([0, 1, 2], [7, 23, 80]))
    fold = cell_folds(label, n_folds=n_folds, rng=rng)
    for one in np.unique(label):
        n_cells = np.bincount(fold[label == one], minlength=n_folds)
        assert n_cells.max() - n_cells.min() <= 1


def test_seed_decides_the_folds():
    label = np.arange(40) % 3
    one, again, other = (cell_folds(label, n_folds=4, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("n_folds", "n_made"), [(2, 2), (3, 3), (8, 5)], ids=["few", "some", "more than batches"])
def test_no_batch_is_split_and_folds_are_of_like_size(rng, n_folds, n_made):
    batch = rng.permutation(np.repeat(np.arange(5), [40, 30, 20, 20, 10]))
    fold = batch_folds(np.arange(120) % 2, batch, n_folds=n_folds, rng=rng)
    assert all(len(np.unique(fold[batch == one])) == 1 for one in range(5))
    assert sorted(np.unique(fold)) == list(range(n_made))
    assert np.bincount(fold).max() <= 60


@pytest.mark.parametrize("special", [0, 1, 2])
def test_first_fold_leaves_every_label_to_train_on(rng, special):
    """One batch alone has a label: it must not be the one that judges."""
    batch, label = np.repeat([0, 1, 2], 10), np.arange(30) % 2
    label[batch == special] = 2
    fold = batch_folds(label, batch, n_folds=3, rng=rng)
    assert np.isin(label[fold == 0], label[fold != 0]).all()


def test_codes_without_cells_make_no_empty_fold(rng):
    fold = batch_folds(np.zeros(8, int), np.repeat([1, 4], 4), n_folds=8, rng=rng)
    assert sorted(np.unique(fold)) == [0, 1]


def test_single_batch_is_said_and_cells_are_dealt_out(rng):
    with pytest.warns(UserWarning, match="`batch_key` names a single batch, so that none can be held out"):
        fold = batch_folds(np.zeros(20, int), np.zeros(20, int), n_folds=4, rng=rng)
    assert np.bincount(fold).tolist() == [5, 5, 5, 5]
