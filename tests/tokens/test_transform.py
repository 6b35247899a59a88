"""log(CPM + 1) of matrices of any kind."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.tokens import transform
from scbert_tools.tokens.transform import log_cpm

COUNTS = np.array([[1, 3, 0], [0, 0, 0], [5, 0, 5]])
EXPECTED = np.log1p([[250_000, 750_000, 0], [0, 0, 0], [500_000, 0, 500_000]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize(
    "kind",
    [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array],
    ids=["dense", "csr", "csc", "coo", "csr array"],
)
def test_values_are_log_cpm_and_the_kind_of_matrix_stays(kind, dtype):
    x = kind(COUNTS.astype(dtype))
    done = log_cpm(x)
    assert done.dtype == np.float32
    assert getattr(done, "format", None) == getattr(x, "format", None)
    np.testing.assert_allclose(done if isinstance(done, np.ndarray) else done.toarray(), EXPECTED, rtol=1e-6)
    np.testing.assert_array_equal(x if isinstance(x, np.ndarray) else x.toarray(), COUNTS)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix], ids=["csr", "csc"])
def test_places_stored_twice_are_added_before_the_logarithm(kind):
    x = kind((np.array([1.0, 1.0, 2.0]), np.array([0, 0, 0]), np.array([0, 3])), (1, 1))
    np.testing.assert_allclose(log_cpm(x).toarray(), [[np.log1p(1e6)]], rtol=1e-6)
    assert x.nnz == 3


def test_blocks_of_dense_rows_are_joined_without_a_seam(rng, monkeypatch):
    counts = rng.poisson(2.0, (10, 5)) + 1
    whole = log_cpm(counts)
    monkeypatch.setattr(transform, "CELLS_AT_ONCE", 3)
    np.testing.assert_array_equal(log_cpm(counts), whole)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_impossible_values_are_refused(kind, value):
    with pytest.raises(ValueError, match="negative, NaN or infinite values.*Give the counts"):
        log_cpm(kind(np.array([[1.0, value]])))
