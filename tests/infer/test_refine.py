"""Cells that listen to others: weights sum to one, and one cell never vetoes."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.infer.refine import (
    average_evidence,
    changes,
    cluster_weights,
    gated_evidence,
    neighbour_weights,
    reasons_to_listen,
)

GRAPH = sparse.csr_matrix([[0, 1.0, 0.5, 0], [1.0, 0, 0, 0], [0.5, 0, 0, 0], [0, 0, 0, 0]])
SURE = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.1, 0.9]], np.float32)


@pytest.mark.parametrize("own", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array], ids=["csr", "csc", "array"])
def test_weights_of_neighbours_sum_to_one(own, kind):
    weights = neighbour_weights(kind(GRAPH), own=own)
    np.testing.assert_allclose(np.asarray(weights.sum(axis=1)).ravel(), 1)
    np.testing.assert_allclose(weights.diagonal(), [own, own, own, 1])


@pytest.mark.parametrize(
    "weights", [neighbour_weights(GRAPH), cluster_weights(np.array([0, 0, 0, -1]))], ids=["graph", "cluster"]
)
def test_cell_on_its_own_keeps_its_evidence(weights):
    np.testing.assert_allclose(average_evidence(SURE, weights)[3], SURE[3], rtol=1e-6)


def test_cells_of_a_cluster_share_one_opinion():
    shared = average_evidence(SURE, cluster_weights(np.array([0, 1, 0, 1])))
    np.testing.assert_allclose(shared[0], shared[2])
    geometric = np.sqrt(SURE[1] * SURE[3])
    np.testing.assert_allclose(shared[1], geometric / geometric.sum(), rtol=1e-5)


@pytest.mark.parametrize("codes", [[0, 1, 2, 3], [-1, -1, -1, -1], [5, -1, 7, 2]], ids=["own", "none", "gaps"])
def test_clusters_of_one_cell_change_nothing(codes):
    np.testing.assert_allclose(average_evidence(SURE, cluster_weights(np.array(codes))), SURE, rtol=1e-6)


def test_weights_of_clusters_sum_to_one():
    weights = cluster_weights(np.array([0, 2, 2, 2, -1, -1]))
    np.testing.assert_allclose(np.asarray(weights @ np.ones((6, 1))).ravel(), 1)


def test_rows_stay_probabilities(rng):
    probabilities = rng.dirichlet([0.1] * 5, 4).astype(np.float32)
    refined = average_evidence(probabilities, neighbour_weights(GRAPH))
    assert refined.dtype == np.float32
    np.testing.assert_allclose(refined.sum(axis=1), 1, rtol=1e-6)


def test_one_certain_cell_never_vetoes_a_class():
    certain = np.array([[1.0, 0.0], *[[0.001, 0.999]] * 9], np.float32)
    assert average_evidence(certain, cluster_weights(np.zeros(10, int)))[0, 1] > 0.9


def test_large_clusters_need_memory_for_their_cells_only():
    codes = np.zeros(200_000, int)
    refined = average_evidence(np.tile(SURE[:1], (200_000, 1)), cluster_weights(codes))
    np.testing.assert_allclose(refined[[0, -1]], SURE[[0, 0]], rtol=1e-4)


def test_graph_of_other_cells_is_an_error():
    with pytest.raises(ValueError, match="mismatch"):
        average_evidence(SURE[:3], neighbour_weights(GRAPH))


def test_gate_that_never_listens_changes_nothing():
    closed = gated_evidence(SURE, neighbour_weights(GRAPH), gate=(-50, 0, 0, 0, 0))
    np.testing.assert_allclose(closed, SURE, rtol=1e-5)


def test_gate_that_always_listens_is_the_average():
    weights = neighbour_weights(GRAPH)
    np.testing.assert_allclose(
        gated_evidence(SURE, weights, gate=(50, 0, 0, 0, 0)), average_evidence(SURE, weights), rtol=1e-5
    )


def test_rare_type_in_company_is_not_outvoted():
    """Three cells of a rare type sit in a crowd of 97, each with its two likes among twelve neighbours."""
    alone = np.tile(np.array([[0.97, 0.03]], np.float32), (100, 1))
    alone[:3] = [0.25, 0.75]
    graph = np.zeros((100, 100))
    graph[:3, :12] = 1
    np.fill_diagonal(graph, 0)
    weights = neighbour_weights(sparse.csr_matrix(graph))
    assert (average_evidence(alone, weights)[:3].argmax(axis=1) == 0).all()
    assert (gated_evidence(alone, weights, gate=(1, -2, 0.2, -4, -1)).argmax(axis=1)[:3] == 1).all()


def test_reasons_tell_clear_cells_from_doubtful_and_common_labels_from_rare():
    weights = cluster_weights(np.zeros(4, int))
    reasons = reasons_to_listen(SURE, average_evidence(SURE, weights), weights)
    assert reasons.shape == (4, 5)
    np.testing.assert_allclose(reasons[:, 3], [0.75, 0.75, 0.75, 0.25])
    assert reasons[3, 1] == pytest.approx(np.log(9), rel=1e-4)
    assert reasons[3, 4] == pytest.approx(np.log10(4 / 2))


@pytest.mark.parametrize(
    ("after", "expected"),
    [([0, 0, 1], {}), ([1, 0, 1], {"a": {"lost": 1, "won": 0}, "b": {"lost": 0, "won": 1}})],
    ids=["nothing", "one cell"],
)
def test_changes_are_counted_by_label(after, expected):
    assert changes(np.array([0, 0, 1]), np.array(after), ["a", "b", "c"]) == expected
