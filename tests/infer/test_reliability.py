"""Stated beside observed: perfect confidence has no error, and a label above the truth is no mistake."""

import numpy as np
import pytest

from scbert_tools.infer.reliability import agreeing, reliability


def test_honest_confidence_has_almost_no_error(rng):
    stated = rng.random(20_000)
    assert reliability(stated, rng.random(20_000) < stated).error < 0.02


@pytest.mark.parametrize("boast", [0.1, 0.3])
def test_error_is_the_mean_distance(rng, boast):
    stated = np.full(5000, 0.9)
    bins = reliability(stated, rng.random(5000) < 0.9 - boast)
    assert bins.error == pytest.approx(boast, abs=0.02)
    assert bins.n_cells.tolist() == [5000]


def test_certainty_falls_into_the_last_bin():
    bins = reliability(np.array([0.0, 1.0, 0.95]), np.array([False, True, True]))
    assert bins.n_cells.tolist() == [1, 2]
    assert bins.observed.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("said", "truth", "right"),
    [
        ("T cell", "T cell", True),
        ("lymphocyte", "T cell", True),
        ("T cell", "lymphocyte", True),
        ("T cell", "B cell", False),
        ("T cell", "B cell|T cell", True),
        ("monocyte", "B cell|T cell", False),
    ],
)
def test_labels_above_or_below_each_other_agree(labels, said, truth, right):
    assert agreeing([said], [truth], labels).tolist() == [right]
