"""Novelty: a p-value that is one for known cells, small for others, and fair to depth and class."""

import numpy as np
import pytest

from scbert_tools.infer.novelty import BEFORE, SIGNS, WEIGHTS, equal_sample, novelty, p_value, usual_signs


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


def test_class_without_cells_is_judged_by_all(known):
    signs, best, n_genes = known
    usual = usual_signs(signs, best, n_genes, 3)
    np.testing.assert_allclose(usual[:, 2], usual_signs(signs, np.zeros(2000, int), n_genes, 1)[:, 0], rtol=1e-4)


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


def test_depth_is_forgiven_as_inside_data_sets_not_between_them(rng):
    dataset, n_genes = np.repeat([0, 1], 1000), np.r_[rng.integers(200, 900, 1000), rng.integers(1500, 4000, 1000)]
    signs = (4 * dataset - np.log1p(n_genes) + rng.normal(0, 0.1, 2000))[None].astype(np.float32)
    best = np.zeros(2000, int)
    usual = usual_signs(signs, best, n_genes, 1, alike=[0], dataset=dataset)
    assert usual[0, 0, 1] == pytest.approx(-1, abs=0.15)
    assert usual_signs(signs, best, n_genes, 1, alike=[0])[0, 0, 1] > 0


def test_models_stored_with_fewer_signs_are_judged_as_before(known):
    _, best, n_genes = known
    signs = np.stack([np.full(2000, i, np.float32) for i in range(len(SIGNS))])
    usual = np.tile(np.array([0, 0, 1], np.float32), (len(SIGNS), 2, 1))
    odd = novelty(signs, best, n_genes, usual=usual[:-1], depth_range=(200, 3000))
    np.testing.assert_allclose(odd, BEFORE @ np.arange(len(SIGNS) - 1))
    np.testing.assert_allclose(
        novelty(signs, best, n_genes, usual=usual, depth_range=(200, 3000)), WEIGHTS @ np.arange(len(SIGNS))
    )
