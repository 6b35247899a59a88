"""Surplus of known markers: what no class explains is seen, chemistry is forgiven, company is listened to."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.genes.tables import marker_sources
from scbert_tools.infer import surplus as module
from scbert_tools.infer.refine import cluster_weights
from scbert_tools.infer.surplus import FEWEST_SOURCES, expected_on, marker_weights, surplus

WEIGHT = np.full(6, 5, np.float32)


@pytest.fixture
def profiles():
    """Two classes, each with two markers of its own; nobody taught the type of the last two."""
    return np.array([[3, 3, 0, 0, 0, 0], [0, 0, 3, 3, 0, 0]], np.float32)


@pytest.fixture
def cells(profiles, rng):
    """60 cells of either class, the last 20 with the markers of the unknown type on top."""
    leaf = np.tile([0, 1], 30)
    observed = profiles[leaf] * rng.uniform(0.7, 1.3, (60, 6))
    observed[40:, 4:] = 2
    return sparse.csr_matrix(observed, dtype=np.float32), np.eye(2, dtype=np.float32)[leaf]


def test_weights_are_databases_that_agree_less_one():
    agreed = {gene: n for gene, n in marker_sources()["CL:0000236"].items() if n >= FEWEST_SOURCES}
    found = dict(zip(agreed, marker_weights(list(agreed)), strict=True))
    assert all(found[gene] >= n - 1 for gene, n in agreed.items())
    assert {"MS4A1", "CD79A"} <= found.keys()


def test_genes_that_no_or_few_databases_know_count_nothing():
    most = {}
    for sources in marker_sources().values():
        for gene, n in sources.items():
            most[gene] = max(n, most.get(gene, 0))
    few = next(gene for gene, n in most.items() if n == FEWEST_SOURCES - 1)
    assert marker_weights(["no gene", few, "MS4A1"]).tolist()[:2] == [0, 0]


def test_markers_that_no_class_explains_are_told(cells, profiles):
    found = surplus(*cells, profiles, WEIGHT)
    assert found[40:].min() > found[:40].max()


def test_genes_that_count_nothing_are_not_seen(cells, profiles):
    found = surplus(*cells, profiles, WEIGHT * (np.arange(6) < 4))
    assert abs(found[40:].mean() - found[:40].mean()) < 0.3


@pytest.mark.parametrize(("times", "forgiven"), [(1.5, True), (2.0, True), (6.0, False)])
def test_chemistry_that_finds_more_is_forgiven_up_to_twofold(cells, profiles, times, forgiven):
    observed, likely = cells
    plain = surplus(observed[:40], likely[:40], profiles, WEIGHT)
    moved = surplus(observed[:40], likely[:40], profiles / times, WEIGHT)
    assert np.allclose(moved, plain, atol=0.25) == forgiven


def test_known_cells_among_foreign_ones_that_lack_their_markers_have_no_surplus(cells, profiles):
    observed, likely = cells
    foreign = sparse.vstack([observed[:40], sparse.csr_matrix((400, 6))], format="csr", dtype=np.float32)
    found = surplus(foreign, np.vstack([likely[:40], likely[np.arange(400) % 40]]), profiles, WEIGHT)
    np.testing.assert_allclose(found[:40], surplus(observed[:40], likely[:40], profiles, WEIGHT), atol=0.25)


def test_panel_is_expected_to_hold_more_of_its_genes():
    counts = np.array([[10, 30, 60], [50, 40, 10]]) * 100.0
    panel = expected_on(np.log1p(counts).astype(np.float32), np.array([True, True, False]))
    kept = counts * [1, 1, 0]
    np.testing.assert_allclose(np.expm1(panel), kept / kept.sum(axis=1, keepdims=True) * 1e4, rtol=1e-4)


def test_class_without_a_profile_is_expected_to_hold_nothing():
    assert not expected_on(np.zeros((1, 3), np.float32), np.array([True, False, True])).any()


def test_empty_cells_move_nothing(cells, profiles):
    observed, likely = cells
    more = sparse.vstack([observed, sparse.csr_matrix((60, 6))], format="csr", dtype=np.float32)
    found = surplus(more, np.vstack([likely, np.zeros((60, 2), np.float32)]), profiles, WEIGHT)
    np.testing.assert_allclose(found[:60], surplus(observed, likely, profiles, WEIGHT), atol=0.05)
    np.testing.assert_array_equal(found[60:], 0)


def test_company_tells_more_than_a_cell_and_operators_act_as_matrices(cells, profiles, rng):
    observed, likely = cells
    dropped = sparse.csr_matrix(observed.multiply(rng.random((60, 6)) < 0.5), dtype=np.float32)
    clusters = cluster_weights(np.repeat([0, 1, 2], 20))
    dense = sparse.csr_matrix(clusters @ np.eye(60))
    alone, together = (surplus(dropped, likely, profiles, WEIGHT, weights=w) for w in (None, clusters))
    assert together[40:].min() > together[:40].max()
    assert alone[40:].min() < alone[:40].max()
    np.testing.assert_allclose(together, surplus(dropped, likely, profiles, WEIGHT, weights=dense), rtol=1e-4)


def test_cells_that_listen_to_themselves_are_alone(cells, profiles):
    itself = sparse.identity(60, format="csr")
    alone, together = (surplus(*cells, profiles, WEIGHT, weights=w) for w in (None, itself))
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_blocks_change_nothing(cells, profiles, rng, monkeypatch):
    observed, likely = cells
    wide, classes = sparse.hstack([observed] * 5, format="csr"), np.tile(profiles, 5)
    weight, weights = rng.uniform(1, 9, 30).astype(np.float32), cluster_weights(np.arange(60) // 3)
    whole = [surplus(wide, likely, classes, weight, weights=w) for w in (None, weights)]
    expected = -np.sort(-weight * (np.sqrt(wide.toarray()) - np.sqrt(likely @ classes)), axis=1)[:, :10].mean(axis=1)
    monkeypatch.setattr(module, "CELLS_PER_BLOCK", 7)
    monkeypatch.setattr(module, "MARKERS_PER_BLOCK", 4)
    for before, w in zip(whole, (None, weights), strict=True):
        np.testing.assert_allclose(surplus(wide, likely, classes, weight, weights=w), before, rtol=1e-5)
    monkeypatch.setattr(module, "FORGIVEN", 1.0)
    np.testing.assert_allclose(surplus(wide, likely, classes, weight), expected, rtol=1e-4)


def test_model_without_markers_has_no_surplus(cells):
    nothing = sparse.csr_matrix((60, 0), dtype=np.float32)
    np.testing.assert_array_equal(surplus(nothing, cells[1], np.zeros((2, 0), np.float32), np.zeros(0)), np.zeros(60))
