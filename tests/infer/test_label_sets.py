"""Sets of labels: as often right as promised, per label, with none for the oddest cells of easy types."""

from dataclasses import replace

import numpy as np
import pytest

from scbert_tools.infer.conformal import HeldOut, held_out_scores
from scbert_tools.infer.label_sets import CELLS_BELIEVED, beyond_promise, label_sets, oddest, p_values

NAMES = ("T cell", "B cell", "monocyte")


@pytest.mark.parametrize("coverage", [0.8, 0.9])
@pytest.mark.parametrize("noise", [0.5, 2.0], ids=["clear", "noisy"])
def test_promise_is_kept_in_every_class_by_ones_own_cells(rng, coverage, noise, cells):
    held_out = replace(held_out_scores(*cells(rng, 8000, noise=noise), NAMES), own=np.ones(3, bool))
    likely, code = cells(rng, 20_000, noise=noise)
    inside = label_sets(likely, held_out, coverage=coverage)[np.arange(len(code)), code]
    assert [inside[code == place].mean() for place in range(3)] == pytest.approx([coverage] * 3, abs=0.04)


def test_label_that_is_beyond_doubt_elsewhere_is_not_left_out_where_it_is_likely(rng, cells):
    held_out = held_out_scores(*cells(rng, 8000, noise=0.1), NAMES)
    likely, code = cells(rng, 20_000, noise=1.5)
    inside = label_sets(likely, held_out, coverage=0.9)
    assert inside[likely >= 0.1].all()
    strict = label_sets(likely, replace(held_out, own=np.ones(3, bool)), coverage=0.9)
    own = np.arange(len(code)), code
    assert strict[own].mean() < inside[own].mean()
    assert not strict[likely >= 0.1].all()


def test_set_holds_the_reported_label_unless_ones_own_cells_say_otherwise():
    scores, likely = np.zeros((3, 40), np.float32), np.array([[0.09, 0.08, 0.07]], np.float32)
    assert label_sets(likely, HeldOut(NAMES, scores), coverage=0.9).tolist() == [[True, False, False]]
    assert not label_sets(likely, HeldOut(NAMES, scores, np.ones(3, bool)), coverage=0.9).any()


def test_asking_for_more_gives_larger_sets(rng, cells):
    held_out = held_out_scores(*cells(rng, 3000, noise=1.5), NAMES)
    likely, _ = cells(rng, 500, noise=1.5)
    small, large = (label_sets(likely, held_out, coverage=each) for each in (0.7, 0.95))
    assert (large | ~small).all()
    assert large.sum() > small.sum()


def test_label_with_too_few_cells_is_compared_with_all(rng):
    scores = np.full((3, 50), np.nan, np.float32)
    scores[0], scores[1, :2] = np.sort(rng.random(50)), [0.1, 0.2]
    held_out = HeldOut(NAMES, scores)
    likely = np.full((1, 3), 1 / 3, np.float32)
    values = p_values(likely, held_out, needed=9)[0]
    together = np.concatenate([scores[0], [0.1, 0.2]])
    assert values[1:] == pytest.approx([(1 + (together >= 2 / 3 - 1e-6).sum()) / 53] * 2)


def test_too_few_cells_say_how_many_are_needed(rng, cells):
    known = held_out_scores(*cells(rng, 5, noise=1.0), NAMES)
    for held_out, who in [(known, "The model remembers"), (replace(known, own=np.ones(3, bool)), "`calibrate` names")]:
        with pytest.raises(ValueError, match=f"{who} 5 cells .* coverage of 0.9 needs at least 9"):
            label_sets(np.ones((1, 3), np.float32) / 3, held_out, coverage=0.9)


def test_labels_that_are_out_of_the_question_are_in_no_set():
    scores, likely = np.full((3, 40), 0.9999, np.float32), np.array([[0.995, 0.004, 0.001]], np.float32)
    assert label_sets(likely, HeldOut(NAMES, scores), coverage=0.9).tolist() == [[True, False, False]]
    own = HeldOut(NAMES, scores, np.array([False, True, True]))
    assert label_sets(likely, own, coverage=0.9).tolist() == [[True, True, True]]
    assert own.promised(0.9).tolist() == [False, True, True]


@pytest.fixture
def easy(rng, cells):
    """Return what held-out cells of four data sets leave behind whose types are beyond doubt."""
    return held_out_scores(*cells(rng, 8000, noise=0.4), NAMES, dataset=np.arange(8000) % 4)


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_sets_of_easy_types_are_as_often_right_as_asked(easy, rng, coverage, cells):
    likely, code = cells(rng, 20_000, noise=0.4)
    truth = np.arange(len(code)), code
    inside = label_sets(likely, easy, coverage=coverage, p_known=rng.random(len(code), np.float32))[truth]
    alone = label_sets(likely, easy, coverage=coverage)[truth]
    for kind in (code == 0, code == 1):  # cells of the third type may be several
        assert alone[kind].mean() > coverage + 0.03
        assert inside[kind].mean() == pytest.approx(coverage, abs=0.02)


def test_only_the_oddest_of_cells_that_are_sure_of_one_label_get_none(easy, rng, cells):
    likely, _ = cells(rng, 5000, noise=0.8)
    p_known = rng.random(5000, np.float32)
    whole, inside = label_sets(likely, easy, coverage=0.9), label_sets(likely, easy, coverage=0.9, p_known=p_known)
    none = ~inside.any(axis=1)
    assert 0 < none.mean() < 0.1
    np.testing.assert_array_equal(inside[~none], whole[~none])
    assert (whole[none].sum(axis=1) == 1).all()
    for place in range(3):
        sure = (whole.sum(axis=1) == 1) & (likely.argmax(axis=1) == place)
        assert p_known[sure & none].max(initial=0) < p_known[sure & ~none].min(initial=1)


@pytest.mark.parametrize("change", [{"pooled": None}, {"own": np.ones(3, bool)}], ids=["former model", "own cells"])
def test_no_odd_cell_is_left_out_where_nothing_is_beyond_promise(easy, change):
    assert beyond_promise(easy, coverage=0.9).max() > 0.05
    assert not beyond_promise(replace(easy, **change), coverage=0.9).any()


def test_labels_without_a_promise_have_nothing_to_spare():
    few, blind, fine = np.full((3, 40), np.nan, np.float32), np.repeat([0.1, 0.9999], 20), np.full(40, 0.1)
    few[0, :5], few[1], few[2] = 0.1, blind, fine
    assert beyond_promise(HeldOut(NAMES, few, pooled=few), coverage=0.9).tolist() == [
        0,
        0,
        pytest.approx(40 / 41 - 0.9),
    ]


def test_in_few_cells_odd_is_what_is_odd_elsewhere():
    p_known = np.array([0.001, 0.6, 0.7, 0.9], np.float32)
    assert oddest(p_known, np.arange(4), share=0.1, n_cells=4).tolist() == [0]
    # Of many cells a tenth goes, however usual all of them are elsewhere.
    usual = np.linspace(0.5, 1, 100 * CELLS_BELIEVED, dtype=np.float32)
    assert len(oddest(usual, np.arange(len(usual)), share=0.1, n_cells=len(usual))) / len(usual) == pytest.approx(
        0.1, abs=0.01
    )


def test_cells_that_may_be_several_types_stay_however_odd(easy):
    likely = np.tile(np.array([[0.5, 0.45, 0.05]], np.float32), (50, 1))
    inside = label_sets(likely, easy, coverage=0.9, p_known=np.zeros(50, np.float32))
    assert inside[:, :2].all()


@pytest.mark.parametrize(
    ("likely", "marked", "inside"), [(0.005, False, False), (0.005, True, True), (0.0005, True, False)]
)
def test_label_that_the_model_hardly_thinks_of_is_in_a_set_if_a_marker_speaks_for_it(likely, marked, inside):
    held_out = HeldOut(NAMES, np.full((3, 40), 0.9999, np.float32))
    probability = np.array([[1 - likely, likely, 0]], np.float32)
    borne_out = np.array([[False, marked, False]])
    assert label_sets(probability, held_out, coverage=0.9, borne_out=borne_out).tolist() == [[True, inside, False]]


def test_markers_alone_put_no_label_into_a_set(easy):
    likely = np.array([[0.98, 0.01, 0.01]], np.float32)
    assert label_sets(likely, easy, coverage=0.9, borne_out=np.ones((1, 3), bool)).tolist() == [[True, False, False]]
