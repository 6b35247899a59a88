"""Colours differ as long as they can, and plots name what they miss before they draw."""

import numpy as np
import pandas as pd
import pytest

from scbert_tools.pl._style import OKABE_ITO, check_kind, chosen_labels, find_basis, label_colours, table_of

TABLE = pd.DataFrame({"B cell": [1.0], "T cell": [2.0]}, index=["CD3E"])


@pytest.mark.parametrize("n_labels", [1, 8, 20, 24])
def test_labels_get_colours_of_their_own(n_labels):
    colours = label_colours([f"type {place}" for place in range(n_labels)])
    assert len(set(colours.values())) == n_labels
    assert list(colours.values())[:8] == [one.lower() for one in OKABE_ITO[:n_labels]]


@pytest.mark.parametrize(("labels", "drawn"), [(None, ["B cell", "T cell"]), (["T cell"], ["T cell"])])
def test_all_labels_are_drawn_unless_some_are_chosen(labels, drawn):
    assert chosen_labels(TABLE, labels) == drawn


@pytest.mark.parametrize(
    ("labels", "error", "said"),
    [
        ([], ValueError, "`labels` is empty"),
        (["NK cell", "T cell"], KeyError, r"explained for \['NK cell'\]"),
        ("T cell", TypeError, "must be a list, got the one name"),
    ],
    ids=["none", "not explained", "one name"],
)
def test_labels_that_cannot_be_drawn_are_named(labels, error, said):
    with pytest.raises(error, match=said):
        chosen_labels(TABLE, labels)


@pytest.mark.parametrize("asked", ["umap", "X_umap"])
def test_a_map_is_found_under_both_names(adata, asked):
    adata.obsm["X_umap"] = np.zeros((adata.n_obs, 2))
    assert find_basis(adata, asked) == "X_umap"


def test_a_missing_map_is_named_with_what_makes_it(adata):
    with pytest.raises(KeyError, match="`basis` is 'tsne', but adata.obsm has only .*sc.tl.umap"):
        find_basis(adata, "tsne")


def test_a_missing_table_is_named_with_what_writes_it(adata):
    with pytest.raises(KeyError, match=r"scbert_attention.* is missing. Run `sbt.tl.attention\(adata\)`"):
        table_of(adata, "scbert_attention", "attention")


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"one of \['heatmap', 'network'\], got 'tree'"):
        check_kind("tree", ["heatmap", "network"])
