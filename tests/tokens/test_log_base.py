"""The base of a log is found from equal totals or whole multiples, and doubted where neither shows."""

import math
import warnings

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.tokens.log_base import Reading, fit_log

BASES = {"natural": math.e, "log2": 2.0, "log10": 10.0}


@pytest.fixture
def counts(rng):
    return rng.poisson(rng.lognormal(0.5, 0.7, (80, 1)) * rng.gamma(0.5, 2, 200)) + np.eye(80, 200)


def shares(counts, total):
    return counts / counts.sum(axis=1, keepdims=True) * total


def log_of(values, base):
    return np.log1p(values) / math.log(base)


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
@pytest.mark.parametrize("total", [1e4, 1e6, 2345.0], ids=["CP10k", "CPM", "odd"])
def test_equal_totals_give_the_base(counts, base, total):
    fit = fit_log(sparse.csr_matrix(log_of(shares(counts, total), base)))
    assert (fit.base, fit.certain) == (base, True)
    assert fit.total == pytest.approx(total)
    assert fit.evidence.startswith("read as log base")
    assert "every cell sums to" in fit.evidence


@pytest.mark.parametrize(("total", "rounded"), [(10_050.0, 1e4), (10_150.0, 10_150.0)], ids=["near", "far"])
def test_total_near_a_round_one_is_that(counts, total, rounded):
    assert fit_log(sparse.csr_matrix(shares(counts, total))).total == pytest.approx(rounded)


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_whole_multiples_give_the_base_where_genes_were_dropped(counts, base):
    fit = fit_log(sparse.csr_matrix(log_of(shares(counts, 1e4), base)[:, ::2]))
    assert (fit.base, fit.total, fit.certain) == (base, None, True)
    assert "whole multiples of the cell's smallest" in fit.evidence


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_log_of_plain_counts_is_told_and_doubted(counts, base):
    fit = fit_log(sparse.csr_matrix(log_of(counts, base)))
    assert (fit.base, fit.certain) == (base, False)
    assert "the values are whole numbers" in fit.evidence


@pytest.mark.parametrize("try_log", [True, False], ids=["small values", "large values"])
def test_shares_are_no_log(counts, try_log):
    fit = fit_log(sparse.csr_matrix(shares(counts, 1e6)), try_log=try_log)
    assert (fit.base, fit.total, fit.certain) == (None, 1e6, True)


def test_large_values_without_any_order_are_linear(rng):
    fit = fit_log(sparse.csr_matrix(rng.uniform(1, 500, (40, 30)) * rng.uniform(1, 9, (40, 1))), try_log=False)
    assert (fit.base, fit.evidence) == (None, "not whole, none negative, and too large for a log")


def test_values_without_any_order_are_doubted(rng):
    fit = fit_log(sparse.csr_matrix(rng.uniform(0.1, 5, (40, 30)) * rng.uniform(0.2, 1, (40, 1))))
    assert not fit.certain
    assert fit.evidence.startswith("neither equal totals nor whole multiples")


@pytest.mark.parametrize(
    ("change", "n_empty"), [(lambda x: x, 0), (lambda x: np.vstack([x, 0 * x]), 80)], ids=["none", "half"]
)
def test_empty_cells_do_not_count(counts, change, n_empty):
    values = change(log_of(shares(counts, 1e4), math.e))
    assert int((values.sum(axis=1) == 0).sum()) == n_empty
    assert fit_log(sparse.csr_matrix(values)).total == 1e4


@pytest.mark.parametrize("shape", [(0, 5), (5, 5), (5, 0)], ids=["no cells", "empty cells", "no genes"])
def test_nothing_to_look_at_is_said_without_a_warning(shape):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fit_log(sparse.csr_matrix(shape))
    assert (fit.base, fit.certain) == (None, False)
    assert fit.evidence == "no cell that was looked at holds a value"


@pytest.mark.parametrize(
    ("base", "name"),
    [(None, "linear values"), (math.e, "log base e"), (2.0, "log base 2"), (10.0, "log base 10")],
    ids=["linear", *BASES],
)
def test_readings_have_names(base, name):
    assert Reading(base=base, total=1, spread=0, multiples=1, unit_is_one=False).name == name
