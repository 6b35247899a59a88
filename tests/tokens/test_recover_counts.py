"""Counts come back whole from their logarithm, or not at all."""

import math

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.tokens.recover_counts import recover_counts
from scbert_tools.tokens.scale import ExpressionScale


def log_scale(base: float) -> ExpressionScale:
    return ExpressionScale(kind="log", base=base, total=1e4)


@pytest.fixture
def counts(rng):
    return (rng.poisson(rng.gamma(0.5, 2.0, 200), (50, 200)) + np.eye(50, 200)).astype(float)


@pytest.mark.parametrize("base", [math.e, 2.0, 10.0], ids=["natural", "log2", "log10"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("with_totals", [True, False], ids=["with totals", "by the smallest value"])
def test_counts_come_back_exactly(counts, base, dtype, with_totals):
    totals = counts.sum(axis=1)
    logged = (np.log1p(counts / totals[:, None] * 1e4) / math.log(base)).astype(dtype)
    found = recover_counts(sparse.csr_matrix(logged), log_scale(base), totals=totals if with_totals else None)
    np.testing.assert_array_equal(found.toarray(), counts)


@pytest.mark.parametrize(
    ("change", "totals"),
    [
        (lambda c: c * 2, None),
        (lambda c: np.sqrt(c), None),
        (lambda c: c + (c > 0) * 4, "wrong"),
    ],
    ids=["pairs look single", "not made of counts", "wrong totals, no single counts"],
)
def test_doubtful_values_are_left_alone(counts, change, totals):
    changed = change(counts)
    logged = sparse.csr_matrix(np.log1p(changed / changed.sum(axis=1, keepdims=True) * 1e4))
    given = None if totals is None else changed.sum(axis=1) * 0.7310585
    found = recover_counts(logged, log_scale(math.e), totals=given)
    assert found is None or np.array_equal(found.toarray() * 2, changed)


def test_other_scales_have_no_counts(counts):
    assert recover_counts(sparse.csr_matrix(counts), ExpressionScale(kind="linear")) is None
