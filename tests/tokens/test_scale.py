"""Scales are told apart and undone."""

import math

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.tokens.scale import ExpressionScale, detect_scale, to_linear

N_CELLS, N_GENES = 120, 300


@pytest.fixture
def counts(rng: np.random.Generator) -> np.ndarray:
    """Cells of uneven depth × genes of uneven mean."""
    depth = rng.lognormal(0, 0.6, (N_CELLS, 1))
    counts = rng.poisson(depth * rng.gamma(0.3, 2.0, N_GENES)).astype(np.float64)
    counts[:, 0] += 1
    return counts


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def normalised(counts: np.ndarray, total: float) -> np.ndarray:
    return counts / counts.sum(axis=1, keepdims=True) * total


def logged(counts: np.ndarray, base: float, total: float) -> np.ndarray:
    return np.log1p(normalised(counts, total)) / math.log(base)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix], ids=["dense", "csr", "csc"])
def test_whole_numbers_of_any_type_are_counts(counts, dtype, kind):
    scale = detect_scale(kind(np.minimum(counts, 120).astype(dtype)))
    assert (scale.kind, scale.certain, scale.whole_share) == ("counts", True, 1.0)


@pytest.mark.parametrize("base", [math.e, 2.0, 10.0], ids=["natural", "log2", "log10"])
@pytest.mark.parametrize("total", [1e4, 1e6, 1234.0], ids=["CP10k", "CPM", "median total"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logs_are_read_with_base_and_total(counts, base, total, dtype):
    scale = detect_scale(sparse.csr_matrix(logged(counts, base, total).astype(dtype)))
    assert (scale.kind, scale.base, scale.certain) == ("log", base, True)
    assert scale.total == pytest.approx(total, rel=1e-3)


@pytest.mark.parametrize("base", [math.e, 2.0, 10.0], ids=["natural", "log2", "log10"])
def test_the_base_is_found_when_genes_were_dropped_after_normalisation(counts, base):
    scale = detect_scale(logged(counts, base, 1e4)[:, ::3])
    assert (scale.kind, scale.base, scale.total, scale.certain) == ("log", base, None, True)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (lambda c: normalised(c, 1e6), "linear"),
        (lambda c: normalised(c, 1e6)[:, ::3], "linear"),
        (lambda c: (c - c.mean(0)) / (c.std(0) + 1e-9), "scaled"),
        (lambda c: np.minimum((c - c.mean(0)) / (c.std(0) + 1e-9), 10)[::2], "scaled"),
        (lambda c: (c - c.mean()) / 7, "residuals"),
        (np.zeros_like, "empty"),
        (lambda c: np.where(c == c.max(), np.nan, c), "unknown"),
        (lambda c: np.vstack([c[:60], logged(c[60:], 2, 1e4)]), "unknown"),
    ],
    ids=["CPM", "TPM of some genes", "scaled", "scaled, cells dropped", "residuals", "empty", "NaN", "two scales"],
)
def test_other_scales_are_named(counts, values, kind):
    assert detect_scale(values(counts)).kind == kind


def test_sct_corrected_counts_are_not_taken_for_counts_without_doubt(counts, rng):
    even = rng.multinomial(rng.integers(1800, 2200, N_CELLS), counts.sum(axis=0) / counts.sum())
    assert not detect_scale(even).certain
    assert not detect_scale(np.log1p(even)).certain


def test_names_of_antibodies_make_proteins(counts):
    names = [f"CD{number}_TotalSeqB" for number in range(N_GENES)]
    assert detect_scale(counts, names=names).kind == "proteins"


def test_values_that_are_not_numbers_are_refused():
    with pytest.raises(TypeError, match="`x` holds object.*Convert"):
        detect_scale(np.array([["1", "2"]], dtype=object))


@pytest.mark.parametrize("base", [math.e, 2.0, 10.0], ids=["natural", "log2", "log10"])
def test_to_linear_undoes_the_log(counts, base):
    x = sparse.csr_matrix(logged(counts, base, 1e4))
    linear = to_linear(x, detect_scale(x))
    assert linear.dtype == np.float32
    np.testing.assert_allclose(linear.toarray(), normalised(counts, 1e4), rtol=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1.0, np.nan]], "1 NaN or infinite values"),
        ([[1.0, np.inf]], "1 NaN or infinite values"),
        ([[1.0, -2.0]], "negative values .smallest -2.*go back to the counts"),
    ],
    ids=["nan", "inf", "negative"],
)
def test_to_linear_refuses_impossible_values(values, message):
    with pytest.raises(ValueError, match=message):
        to_linear(np.array(values), ExpressionScale(kind="counts"))


@pytest.mark.parametrize("kind", ["scaled", "residuals", "proteins", "unknown"])
def test_to_linear_refuses_scales_without_a_way_back(kind):
    with pytest.raises(ValueError, match=f"`x` is {kind}"):
        to_linear(np.ones((2, 2)), ExpressionScale(kind=kind))
