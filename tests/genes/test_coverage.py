"""Too few genes are refused; few, or those of a mouse, are warned of."""

import numpy as np
import pytest

from scbert_tools.genes import GeneMatch, check_coverage


def match_of(n_found: int, n_model_genes: int, kind: str = "symbol") -> GeneMatch:
    return GeneMatch(target=np.arange(n_found), n_model_genes=n_model_genes, kind=kind)


@pytest.mark.parametrize(
    ("match", "message"),
    [
        (match_of(9, 14_000), "9 of 14,000 model genes found; at least 50 are needed"),
        (match_of(0, 3), "at least 1 are needed"),
        (match_of(0, 100, "row number"), "row numbers, not genes.*names were lost"),
    ],
    ids=["nine genes", "small model", "row numbers"],
)
def test_too_few_genes_are_refused(match, message):
    with pytest.raises(ValueError, match=message):
        check_coverage(match)


@pytest.mark.parametrize(
    ("match", "message"),
    [(match_of(60, 1000), "less than 20%"), (match_of(900, 1000, "mouse symbol"), "human relatives")],
    ids=["panel", "mouse"],
)
def test_doubtful_genes_are_warned_of(match, message):
    with pytest.warns(UserWarning, match=message):
        check_coverage(match)


@pytest.mark.filterwarnings("error")
def test_enough_genes_pass_in_silence():
    check_coverage(match_of(900, 1000))


@pytest.mark.filterwarnings("error")
def test_model_taught_on_a_panel_is_content_with_the_panel():
    check_coverage(match_of(60, 1000), n_taught=100)


def test_model_taught_on_a_panel_misses_most_of_it():
    with pytest.warns(UserWarning, match="less than 20%"):
        check_coverage(match_of(60, 1000), n_taught=400)
