"""What is usual of known cells: a line for every sign and class, drawn inside data sets."""

import numpy as np
import pytest

from scbert_tools.infer.usual_signs import usual_signs


def test_class_without_cells_is_judged_by_all(rng):
    best, n_genes = np.repeat([0, 1], 1000), rng.integers(200, 3000, 2000)
    signs = (3 * best + rng.normal(0, 0.5, 2000))[None].astype(np.float32)
    usual = usual_signs(signs, best, n_genes, 3)
    np.testing.assert_allclose(usual[:, 2], usual_signs(signs, np.zeros(2000, int), n_genes, 1)[:, 0], rtol=1e-4)


def test_depth_is_forgiven_as_inside_data_sets_not_between_them(rng):
    dataset, n_genes = np.repeat([0, 1], 1000), np.r_[rng.integers(200, 900, 1000), rng.integers(1500, 4000, 1000)]
    signs = (4 * dataset - np.log1p(n_genes) + rng.normal(0, 0.1, 2000))[None].astype(np.float32)
    best = np.zeros(2000, int)
    usual = usual_signs(signs, best, n_genes, 1, alike=[0], dataset=dataset)
    assert usual[0, 0, 1] == pytest.approx(-1, abs=0.15)
    assert usual_signs(signs, best, n_genes, 1, alike=[0])[0, 0, 1] > 0


def test_spread_is_that_inside_data_sets(rng):
    dataset, n_genes = np.repeat([0, 1], 1000), rng.integers(200, 3000, 2000)
    signs = (20 * dataset + rng.normal(0, 0.5, 2000))[None].astype(np.float32)
    usual = usual_signs(signs, np.zeros(2000, int), n_genes, 1, alike=[0], dataset=dataset)
    assert usual[0, 0, 2] == pytest.approx(0.5, rel=0.1)
