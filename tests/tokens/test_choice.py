"""Of all matrices the one that says most about the counts of the most genes is chosen, or the one asked for."""

import math
import re

import pytest

from scbert_tools.tokens.choice import ENOUGH_GENES, Candidate, choose_matrix
from scbert_tools.tokens.scale import ExpressionScale


def candidate(name, kind, *, n_genes=100, certain=True):
    base = math.e if kind == "log" else None
    return Candidate(name, ExpressionScale(kind=kind, base=base, n_genes=n_genes, certain=certain, evidence="seen"))


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([candidate("X", "counts"), candidate("raw", "counts")], "X"),
        ([candidate("X", "log"), candidate("counts", "counts")], "counts"),
        ([candidate("X", "linear"), candidate("raw", "log")], "X"),
        ([candidate("X", "scaled", n_genes=200), candidate("raw", "log")], "raw"),
        ([candidate("X", "counts", n_genes=20), candidate("raw", "log")], "raw"),
        ([candidate("X", "log"), candidate("raw", "counts", n_genes=int(100 * ENOUGH_GENES))], "raw"),
        ([candidate("X", "log"), candidate("raw", "counts", n_genes=int(100 * ENOUGH_GENES) - 1)], "X"),
        ([candidate("X", "counts", certain=False), candidate("raw", "log")], "raw"),
        ([candidate("X", "counts", certain=False), candidate("raw", "log", certain=False)], "X"),
    ],
    ids=[
        "first of equals", "counts before log", "log and linear alike", "scaled never", "more genes",
        "enough genes", "one gene too few", "doubtful last", "both doubtful",
    ],
)  # fmt: skip
def test_the_matrix_that_says_most_is_chosen(candidates, chosen):
    assert choose_matrix(candidates).name == chosen


@pytest.mark.parametrize(
    ("candidates", "layer", "reason"),
    [
        ([candidate("X", "counts")], None, "X holds counts"),
        (
            [candidate("X", "counts", n_genes=2000), candidate("raw", "counts", n_genes=30000)],
            None,
            "raw holds counts of 30,000 genes, more than the other matrices",
        ),
        ([candidate("X", "scaled", n_genes=9), candidate("raw", "counts")], None, "raw holds counts"),
        (
            [candidate("X", "counts"), candidate("data", "log")],
            "data",
            "data was asked for and holds natural log of 1 + linear values",
        ),
    ],
    ids=["alone", "wider", "others not usable", "asked for"],
)
def test_choice_is_explained(candidates, layer, reason):
    choice = choose_matrix(candidates, layer=layer)
    assert choice.reason == reason
    assert choice.scale in [each.scale for each in candidates]


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        ("cuonts", KeyError, "`layer` is 'cuonts', which is not in the data; present: X (scaled: seen); raw ("),
        ("X", ValueError, "`layer` is 'X', which holds scaled (seen); usable: 'raw'."),
    ],
    ids=["absent", "scaled"],
)
def test_a_named_layer_that_cannot_be_used_is_refused(layer, error, message):
    with pytest.raises(error, match=re.escape(message)):
        choose_matrix([candidate("X", "scaled"), candidate("raw", "log")], layer=layer)


@pytest.mark.parametrize(
    ("candidates", "found"),
    [
        ([], "no matrix at all"),
        ([candidate("X", "scaled")], "X (scaled: seen)"),
        ([candidate("X", "empty"), candidate("raw", "unknown")], "X (empty: seen); raw (unknown: seen)"),
    ],
    ids=["none", "scaled", "several"],
)
def test_data_without_a_usable_matrix_are_refused(candidates, found):
    with pytest.raises(ValueError, match=re.escape(f"No matrix holds expression that can be used: {found}. Give")):
        choose_matrix(candidates)


def test_layer_of_data_without_any_is_refused_with_what_is_usable():
    with pytest.raises(KeyError, match="present: no matrix at all; usable: none"):
        choose_matrix([], layer="counts")
