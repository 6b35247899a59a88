"""Whole counts, whatever the values were before."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.data.counts import PSEUDO_DEPTH, whole_counts


@pytest.fixture
def counts(rng):
    """Counts of 20 cells, every one of which has a gene seen once."""
    values = rng.poisson(3.0, (20, 15)).astype(np.float32)
    values[:, 0] = 1
    return sparse.csr_matrix(values)


def scaled(counts, factor):
    return sparse.csr_matrix(sparse.diags(np.broadcast_to(factor, counts.shape[0])) @ counts, dtype=np.float32)


def test_counts_stay_as_they_are(counts):
    assert (whole_counts(counts) != counts).nnz == 0


@pytest.mark.parametrize("factor", [0.37, 13.37, np.linspace(0.1, 9, 20)], ids=["less", "more", "another one per cell"])
def test_counts_come_back_from_units_of_the_smallest_value(counts, factor):
    assert (whole_counts(scaled(counts, factor)) != counts).nnz == 0


def test_arithmetic_of_a_file_is_forgiven(counts, rng):
    noisy = scaled(counts, 0.37)
    noisy.data *= 1 + rng.uniform(-0.004, 0.004, noisy.nnz).astype(np.float32)
    assert (whole_counts(noisy) != counts).nnz == 0


def test_values_that_were_never_counts_are_rounded_at_one_depth(rng):
    values = sparse.csr_matrix(rng.gamma(2.0, 1.0, (6, 500)).astype(np.float32))
    found = whole_counts(values)
    assert np.array_equal(found.data, np.rint(found.data))
    np.testing.assert_allclose(found.sum(axis=1), PSEUDO_DEPTH, rtol=2e-3)
    shares = values.toarray() / values.sum(axis=1)
    np.testing.assert_allclose(found.toarray() / PSEUDO_DEPTH, shares, atol=1 / PSEUDO_DEPTH)


def test_cells_without_counts_and_stored_zeros_are_no_obstacle(counts):
    holes = scaled(counts, 0.5)
    holes.data[: holes.indptr[2]] = 0
    found = whole_counts(holes)
    assert found[:2].nnz == 0
    assert (found[2:] != counts[2:]).nnz == 0
    assert holes.nnz > found.nnz  # the caller's matrix keeps its zeros


def test_nothing_is_nothing():
    assert whole_counts(sparse.csr_matrix((3, 4), dtype=np.float32)).nnz == 0
