"""Training batches: which cells are drawn, how they are seen, and that a step alone decides."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scbert_tools.data.reference import BatchMaker, Reference
from scbert_tools.tokens.levels import to_levels


@pytest.fixture
def maker(reference):
    return BatchMaker(reference=reference, batch_size=16, seed=3)


def same(one, other):
    cells = [getattr(batch.cells, name) for name in ("genes", "levels", "mask") for batch in (one, other)]
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(cells[::2], cells[1::2], strict=True))


def test_step_and_seed_alone_decide_a_batch(maker):
    assert same(maker(5), maker(5))
    assert not same(maker(5), maker(6))
    assert not same(maker(5), replace(maker, seed=4)(5))


def test_plain_batch_holds_the_cells_as_they_are(maker, reference):
    batch = replace(maker, strength=None, token_dropout=0.0)(0)
    drawn = np.random.default_rng([3, 0]).choice(30, 16, p=reference.chance)
    expected = to_levels(reference.counts[drawn], maker.levels)
    assert batch.label.tolist() == reference.label[drawn].tolist()
    np.testing.assert_array_equal(batch.cells.levels[batch.cells.mask[:, 0, 0]], expected.levels)


@pytest.mark.parametrize(("limit", "dropout", "most"), [(3, 0.0, 3), (400, 0.5, 4.7)], ids=["limit", "dropout"])
def test_tokens_are_kept_in_the_expected_number(maker, limit, dropout, most):
    thinned = replace(maker, strength=None, token_limit=limit, token_dropout=dropout, batch_size=400)
    assert thinned(0).cells.mask.sum() / 400 == pytest.approx(most, rel=0.15)


@pytest.mark.parametrize("views", [2, 4])
def test_views_show_the_same_cells_in_different_ways(maker, views):
    batch = replace(maker, views=views)(0)
    labels = batch.label.reshape(views, -1)
    assert len(batch.label) == len(batch.cells) == 16
    assert all(torch.equal(labels[0], view) for view in labels)
    first, second = batch.cells.levels.reshape(views, 16 // views, -1)[:2]
    assert not torch.equal(first, second)


def test_chance_of_a_group_grows_with_the_root_of_its_size(reference):
    uneven = reference.take(np.r_[0:9, 10:11])  # nine T cells of two donors, one B cell
    by_group = [uneven.chance[uneven.group == group].sum() for group in range(3)]
    assert sorted(np.square(by_group) / min(np.square(by_group))) == pytest.approx([1, 4, 5])
    assert uneven.chance.sum() == pytest.approx(1)


def test_groups_are_labels_within_data_sets(reference):
    assert len(set(reference.group)) == 6
    pairs = set(zip(reference.label, reference.dataset, reference.group, strict=True))
    assert len(pairs) == 6


def test_same_maker_for_other_cells(maker, reference):
    few = maker.on(reference.take(np.array([0, 1])), seed=9)
    assert set(few(0).label.tolist()) == {1}
    assert (few.batch_size, few.seed, len(few.reference)) == (16, 9, 2)


@pytest.mark.parametrize(("n_labels", "n_datasets"), [(29, 30), (30, 31)], ids=["labels", "data sets"])
def test_columns_of_different_cells_are_refused(reference, n_labels, n_datasets):
    with pytest.raises(ValueError, match=r"must be of the same cells, got \[(29, 30|30, 31)\] of them"):
        Reference(reference.counts, np.zeros(n_labels, int), np.zeros(n_datasets, int))
