"""Expression levels are the same whatever scale the values were read from."""

import math

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.tokens.levels import Levels, to_levels
from scbert_tools.tokens.scale import detect_scale, to_linear


@pytest.fixture
def counts(rng):
    return rng.poisson(rng.lognormal(0, 0.6, (120, 1)) * rng.gamma(0.3, 2.0, 300)) + np.eye(120, 300, dtype=int)


def tokens_of(values, levels=None):
    x = sparse.csr_matrix(values)
    return to_levels(to_linear(x, detect_scale(x)), levels or Levels())


def log_of(counts, base, total):
    return np.log1p(counts / counts.sum(axis=1, keepdims=True) * total) / math.log(base)


@pytest.mark.parametrize(
    "values",
    [
        lambda counts: counts.astype(np.float32),
        lambda counts: log_of(counts, math.e, 1e4).astype(np.float32),
        lambda counts: log_of(counts, 2, 1e4),
        lambda counts: log_of(counts, 10, 1e6),
        lambda counts: counts / counts.sum(axis=1, keepdims=True) * 1e6,
    ],
    ids=["float counts", "log CP10k", "log2 CP10k", "log10 CPM", "CPM"],
)
def test_levels_agree_whatever_scale_the_same_cells_come_on(counts, values):
    expected, tokens = tokens_of(counts), tokens_of(values(counts))
    np.testing.assert_array_equal(tokens.indptr, expected.indptr)
    np.testing.assert_array_equal(tokens.genes, expected.genes)
    differing = tokens.levels != expected.levels
    assert differing.mean() < 1e-3  # a value on the border of two levels may fall to either side
    assert np.abs(tokens.levels.astype(int) - expected.levels).max() <= 1


def test_level_is_log_cp10k_in_steps():
    tokens = to_levels(sparse.csr_matrix([[1.0, 0.0, 3.0]]), Levels(step=0.25, n_levels=64))
    assert tokens.genes.tolist() == [0, 2]
    assert tokens.levels.tolist() == [round(math.log1p(share * 1e4) / 0.25) for share in (0.25, 0.75)]


def test_highest_level_takes_everything_above():
    assert to_levels(sparse.csr_matrix([[1.0, 9999.0]]), Levels(n_levels=5)).levels.tolist() == [3, 4]


def test_depth_does_not_shift_levels(counts):
    np.testing.assert_array_equal(tokens_of(7 * counts).levels, tokens_of(counts).levels)


def test_explicit_zeros_and_empty_cells_give_no_tokens_and_the_input_stays():
    x = sparse.csr_matrix((np.array([0.0, 2.0]), np.array([0, 1]), np.array([0, 2, 2])), (2, 3))
    tokens = to_levels(x, Levels())
    assert (tokens.lengths.tolist(), tokens.genes.tolist()) == ([1, 0], [1])
    assert x.nnz == 2


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_levels": 1}, "`n_levels` must lie between 2 and 256, got 1"),
        ({"n_levels": 257}, "`n_levels` must lie between 2 and 256, got 257"),
        ({"step": 0.0}, "`step` must be above 0, got 0.0"),
        ({"step": math.nan}, "`step` must be above 0, got nan"),
    ],
    ids=["one level", "more than a byte", "no width", "NaN width"],
)
def test_impossible_levels_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        Levels(**sizes)
