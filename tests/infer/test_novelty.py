"""Novelty: a p-value that is one for known cells, small for others, and fair to depth and class."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from scbert_tools.infer.novelty import (
    BEFORE,
    SIGNS,
    WEIGHTS,
    bulk,
    equal_sample,
    novelty,
    novelty_of,
    p_known,
    p_value,
    signs_of_novelty,
    surplus_beside_bulk,
)
from scbert_tools.infer.profiles import Likeness
from scbert_tools.infer.usual_signs import usual_signs


@pytest.fixture
def known(rng):
    """Signs of 2,000 cells of two classes; the sign falls with depth, and class 1 is odder as such."""
    best, n_genes = np.repeat([0, 1], 1000), rng.integers(200, 3000, 2000)
    signs = (3 * best - np.log1p(n_genes) + rng.normal(0, 0.5, 2000))[None].astype(np.float32)
    return signs, best, n_genes


def scores(known, usual, weights=(1.0,)):
    return novelty(*known, usual=usual, depth_range=(200, 3000), weights=np.array(weights, np.float32))


def test_known_cells_are_usual_at_every_depth_and_in_every_class(known):
    signs, best, n_genes = known
    odd = scores(known, usual_signs(signs, best, n_genes, 2))
    for part in (best == 0, best == 1, n_genes < 600, n_genes > 2500):
        assert odd[part].mean() == pytest.approx(0, abs=0.2)
        assert odd[part].std() == pytest.approx(1, abs=0.2)


def test_odd_cells_of_a_tight_class_are_found(known, rng):
    signs, best, n_genes = known
    usual = usual_signs(signs, best, n_genes, 2)
    odd = scores((signs + 2, best, n_genes), usual)
    assert np.median(p_value(odd, np.sort(scores(known, usual)))) < 0.01


def test_no_line_is_drawn_beyond_known_depths(known):
    signs, best, n_genes = known
    usual = usual_signs(signs, best, n_genes, 2)
    low, lower = (scores((signs[:, :1], best[:1], np.array([n])), usual) for n in (200, 3))
    np.testing.assert_array_equal(low, lower)


@pytest.mark.parametrize(("score", "share"), [(-1.0, 1.0), (49.5, 51 / 101), (99.0, 2 / 101), (1e9, 1 / 101)])
def test_p_value_is_the_share_of_odder_cells_and_never_zero(score, share):
    assert p_value(np.array([score]), np.arange(100.0))[0] == pytest.approx(share)


def test_p_values_of_held_out_cells_are_uniform(rng):
    values = p_value(rng.normal(size=5000), np.sort(rng.normal(size=2000)))
    assert [(values < level).mean() for level in (0.05, 0.5)] == pytest.approx([0.05, 0.5], abs=0.03)


def test_every_data_set_gives_about_as_many_scores(rng):
    sample = equal_sample([np.zeros(10_000), np.ones(300), np.full(20, 2.0)], rng=rng, most=100)
    assert np.unique(sample, return_counts=True)[1].tolist() == [100, 100, 20]


def test_signs_judged_alike_forgive_no_class(known):
    signs, best, n_genes = known
    usual = usual_signs(signs, best, n_genes, 2, alike=[0])
    np.testing.assert_array_equal(usual[0, 0], usual[0, 1])
    odd = scores(known, usual)
    assert odd[best == 1].mean() > odd[best == 0].mean() + 1


@pytest.mark.parametrize(
    ("middle", "expected"),
    [(-15.0, -15.0), (3.0, 3.0), (40.0, 5.0)],
    ids=["less odd than any", "odd as a whole", "odder than known sets can be"],
)
def test_bulk_of_a_data_set_is_that_of_its_known_cells_up_to_the_oddest_known_set(middle, expected, rng):
    odd = rng.normal(middle, 1, 1000)
    odd[:200] = 99
    assert bulk(odd, 5.0) == pytest.approx(expected, abs=0.4)


def test_few_cells_move_the_usual_bulk_little():
    assert bulk(np.array([4.0]), 5.0, believed=19) == pytest.approx(0.2)
    assert bulk(np.zeros(0), 5.0) == 0


@pytest.fixture
def likeness(rng):
    """Likeness of 300 cells to two classes, of which the last ten are like neither."""
    products = rng.normal(8, 0.3, (300, 2)).astype(np.float32)
    products[-10:] -= 4
    told = rng.normal(3, 0.1, (2, 300)).astype(np.float32)
    return Likeness(products, np.full(300, 4, np.float32), np.diag([9, 9]).astype(np.float32), *told)


def remembered(likeness, logits, n_genes, *, bulks):
    """Return what a model would know that had seen all these cells but the last ten."""
    signs, best = signs_of_novelty(logits, likeness)[:, :-10], logits.argmax(axis=1)[:-10]
    usual = usual_signs(signs, best, n_genes[:-10], 2, alike=range(len(signs)))
    odd = novelty(signs, best, n_genes[:-10], usual=usual, depth_range=(200, 3000))
    return SimpleNamespace(usual=usual, depths=np.array([200, 3000]), bulks=bulks, novelty=np.sort(odd - bulk(odd, 99)))


@pytest.mark.parametrize(("bulks", "forgiven"), [(np.array([0.0, 99.0]), True), (np.array([0.0]), False)])
def test_what_moves_all_cells_is_forgiven_as_far_as_known_sets_went(likeness, bulks, forgiven, rng):
    logits, n_genes = rng.normal(0, 1, (300, 2)).astype(np.float32), rng.integers(200, 3000, 300)
    known = remembered(likeness, logits, n_genes, bulks=bulks)
    moved = replace(likeness, strangeness=likeness.strangeness + 1)
    signs = signs_of_novelty(logits, moved)
    p = p_value(novelty_of(signs, logits.argmax(axis=1), n_genes=n_genes, known=known), known.novelty)
    assert (p[-10:] < 0.02).all()
    assert ((p[:-10] < 0.05).mean() < 0.1) == forgiven


@pytest.fixture
def company(rng):
    """60 cells alone, their groups by all signs and by markers, and what is usual of each; one cell is odd."""
    odd, together, surplus = rng.normal(size=(3, 60)).astype(np.float32)
    odd[0] = 9
    usual = np.sort(rng.normal(size=(3, 1000)), axis=1)
    known = SimpleNamespace(novelty=usual[0], novelty_together=usual[1], surplus_together=usual[2])
    return odd, {"together": together, "surplus": surplus}, known


@pytest.mark.parametrize("way", ["together", "surplus"])
def test_group_of_cells_is_found_by_either_way_in_company(company, way):
    odd, groups, known = company
    groups[way][40:] = 6
    assert (p_known(odd, known, **groups)[40:] < 0.01).all()
    assert (p_known(odd, known)[40:] > 0.01).any()


def test_single_odd_cell_does_not_hide_in_company(company):
    odd, groups, known = company
    assert p_known(odd, known, **groups)[0] < 0.01


def test_p_values_in_company_are_no_smaller_than_the_level_says(company, rng):
    odd, together, surplus = rng.normal(size=(3, 8000)).astype(np.float32)
    p = p_known(odd, company[2], together=together, surplus=surplus)
    assert [(p < level).mean() for level in (0.05, 0.2)] == pytest.approx([0.05, 0.2], rel=0.25)
    assert p.max() <= 1


def test_model_that_remembers_no_company_judges_cells_alone(company):
    odd, groups, known = company
    known.novelty_together = known.surplus_together = None
    np.testing.assert_array_equal(p_known(odd, known, **groups), p_known(odd, known))


@pytest.mark.parametrize(
    ("middle", "expected"),
    [(1.0, -1.0), (3.0, 0.0), (9.0, 4.0)],
    ids=["less than in any", "as elsewhere", "more than in any"],
)
def test_surplus_of_a_whole_data_set_is_forgiven_as_far_as_known_sets_went(middle, expected):
    found = surplus_beside_bulk(np.full(5000, middle), n_genes=np.ones(5000), bulks=np.array([2, 5]))
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_few_cells_are_believed_to_be_as_usual():
    found = surplus_beside_bulk(np.array([4.5, 99]), n_genes=np.array([500, 0]), bulks=np.array([2, 5]))
    np.testing.assert_allclose(found, [1 - 1 / 6, 0])


def usual_of(n_signs):
    """Return signs that are 0 with a spread of 1 in two classes."""
    return np.tile(np.array([0, 0, 1], np.float32), (n_signs, 2, 1))


@pytest.mark.parametrize(
    ("n_signs", "bulks", "weights"),
    [(5, None, BEFORE[5]), (6, None, BEFORE[6]), (6, np.zeros(1), [0, 1, 0, 1, 0, 1])],
    ids=["five signs", "six signs", "six signs beside the bulk"],
)
def test_models_stored_with_fewer_signs_are_judged_as_before(likeness, n_signs, bulks, weights, rng):
    logits, n_genes = rng.normal(0, 1, (300, 2)).astype(np.float32), np.full(300, 500)
    signs, best = signs_of_novelty(logits, likeness), logits.argmax(axis=1)
    known = SimpleNamespace(usual=usual_of(n_signs), depths=np.array([200, 3000]), bulks=bulks)
    odd, expected = novelty_of(signs, best, n_genes=n_genes, known=known), np.asarray(weights) @ signs[:n_signs]
    shift = 0 if bulks is None else bulk(expected, 0, believed=5)
    np.testing.assert_allclose(odd, expected - shift, rtol=1e-4)


def test_lack_of_markers_makes_no_cell_known(likeness, rng):
    logits, surplus = rng.normal(0, 1, (300, 2)).astype(np.float32), np.linspace(-9, 9, 300, dtype=np.float32)
    signs, best = signs_of_novelty(logits, likeness, surplus), logits.argmax(axis=1)
    odd = novelty(signs, best, np.full(300, 500), usual=usual_of(len(SIGNS)), depth_range=(200, 3000))
    without = novelty(signs[:-1], best, np.full(300, 500), usual=usual_of(len(SIGNS) - 1), depth_range=(200, 3000))
    np.testing.assert_allclose(odd - without, np.maximum(surplus, 0), atol=1e-4)
    assert len(WEIGHTS) == len(SIGNS)
