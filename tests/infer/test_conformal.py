"""What sets of labels rest on: enough held-out cells, fair to data sets, no promise where the model is blind."""

import numpy as np
import pytest

from scbert_tools.infer.conformal import (
    MOST_OF_A_SET,
    HeldOut,
    cells_needed,
    completed,
    evenly,
    heard_out,
    held_out_scores,
)

NAMES = ("T cell", "B cell", "monocyte")


@pytest.mark.parametrize(("coverage", "needed"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.9999, 9999)])
def test_cells_needed_grow_with_the_promise(coverage, needed):
    assert cells_needed(coverage) == needed


@pytest.mark.parametrize("coverage", [0, 1, -0.1, 1.5, 90, True, float("nan"), "0.9", None])
def test_coverage_that_is_no_share_is_refused(coverage):
    with pytest.raises(ValueError, match="`coverage` must be above 0 and below 1"):
        cells_needed(coverage)


def test_data_set_in_which_a_label_is_hard_to_find_is_heard_out(rng):
    easy, hard, few = rng.random(400) / 10, rng.random(60), np.ones(4)
    pooled = np.sort(np.concatenate([easy, hard])).astype(np.float32)
    raised = heard_out(pooled, [easy, hard, few])
    assert (raised >= pooled).all()
    assert (np.diff(raised) >= 0).all()
    # At 90 % the hard set alone may miss 15 %: its cells decide, the pool and the four cells do not.
    limit = np.quantile(raised, 0.9)
    assert (hard > limit).mean() == pytest.approx(0.15, abs=0.02)
    assert np.quantile(pooled, 0.9) < limit < 1


@pytest.mark.parametrize("sets", [[], [np.ones(4)]], ids=["none", "few cells"])
def test_without_a_data_set_to_hear_pooled_scores_stay(sets):
    pooled = np.array([0.1, 0.2], np.float32)
    assert heard_out(pooled, sets).tolist() == pooled.tolist()


def test_large_data_set_does_not_drown_a_small_one(rng):
    likely, code = np.full((3000, 3), 0.9, np.float32), np.zeros(3000, np.int64)
    likely[-100:, 0] = 0.2
    dataset = np.repeat([0, 1], [2900, 100])
    kept = held_out_scores(likely, code, NAMES, dataset=dataset)
    assert kept.n_cells.tolist() == [2 * MOST_OF_A_SET, 0, 0]
    assert (kept.scores[0] > 0.5).sum() >= MOST_OF_A_SET
    together = held_out_scores(likely, code, NAMES)
    assert (together.scores[0] > 0.5).mean() < 0.05


def test_cells_that_are_kept_stand_for_all():
    values = np.linspace(0, 1, 10_001, dtype=np.float32)[::-1]
    assert np.quantile(evenly(values, 50), [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.02)
    assert evenly(values[:7], 50).tolist() == sorted(values[:7].tolist())


def test_cells_with_an_open_label_are_passed_over(rng, cells):
    likely, code = cells(rng, 100, noise=1.0)
    code[:40] = -1
    assert held_out_scores(likely, code, NAMES).n_cells.sum() == 60


def test_labels_with_few_cells_of_ones_own_are_completed_by_others():
    own = HeldOut(NAMES, np.array([[0.1, 0.2, 0.3], [0.5, np.nan, np.nan], [np.nan] * 3], np.float32))
    others = HeldOut(NAMES, np.array([[0.9, 0.9], [0.8, 0.8], [np.nan] * 2], np.float32))
    both = completed(own, others, needed=2)
    assert both.n_cells.tolist() == [3, 2, 0]
    assert both.scores[1, 0] == np.float32(0.8)


def test_no_promise_where_cells_are_few_or_the_model_is_blind():
    scores = np.full((3, 40), np.nan, np.float32)
    scores[0], scores[1, :5], scores[2] = 0.3, 0.3, np.repeat([0.3, 0.9999], 20)
    assert HeldOut(NAMES, scores).promised(0.9).tolist() == [True, False, False]
