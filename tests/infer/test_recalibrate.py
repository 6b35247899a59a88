"""Temperatures that make stated probabilities true, and how far a few cells move them."""

import numpy as np
import pytest

from scbert_tools.infer.recalibrate import (
    fitted_temperature,
    log_loss,
    names_of_labels,
    scores_from,
    updated_temperature,
)


def cells(rng, n_cells, *, boast):
    """Return logits that are ``boast`` times too sure, and which class is true."""
    honest = rng.normal(0, 2, (n_cells, 3))
    share = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    code = (share.cumsum(axis=1) > rng.random((n_cells, 1))).argmax(axis=1)
    return (boast * honest).astype(np.float32), np.eye(3, dtype=bool)[code]


@pytest.mark.parametrize("boast", [0.5, 1.0, 3.0])
def test_temperature_undoes_boasting(rng, boast):
    sets = [cells(rng, 4000, boast=boast), cells(rng, 400, boast=boast)]
    assert fitted_temperature(sets) == pytest.approx(boast, rel=0.1)


def test_more_labelled_cells_move_the_temperature_further(rng):
    few, some, many = (updated_temperature(1.0, *cells(rng, n, boast=3.0)) for n in (3, 40, 4000))
    assert 0.7 < few < some < many
    assert many == pytest.approx(3, rel=0.1)


def test_label_that_leaves_classes_open_costs_less():
    logits = np.array([[2.0, 1.0, 0.0]], np.float32)
    exact, open_label = (np.array([row]) for row in ([False, True, False], [True, True, False]))
    assert log_loss(1.0, logits, open_label) < log_loss(1.0, logits, exact)
    assert log_loss(1.0, logits, np.ones((1, 3), bool)) == pytest.approx(0)


def test_labels_are_brought_to_the_names_of_sets(labels):
    given = ["T cell", "monocyte", "lymphocyte", "T cell|monocyte"]
    assert names_of_labels(given, ("T cell", "B cell", "monocyte"), labels).tolist() == [0, 2, -1, -1]
    assert names_of_labels(["T cell", "B cell"], ("lymphocyte", "monocyte"), labels).tolist() == [0, 0]


def test_scores_leave_out_coarse_labels(labels):
    probabilities = np.array([[0.7, 0.2, 0.1]] * 3, np.float32)
    found = scores_from(probabilities, ["T cell", "lymphocyte", "B cell"], names=labels.leaves, tree=labels)
    assert found.n_cells.tolist() == [1, 1, 0]
    assert found.scores[0, 0] == pytest.approx(0.3)
