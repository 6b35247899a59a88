"""Trees of cell types: which leaves a label allows, and trees that cannot be."""

import json

import pytest

from scbert_tools.model.labels import LabelTree


def test_leaves_are_the_names_without_any_below(labels):
    assert labels.leaves == ("T cell", "B cell", "monocyte")
    assert labels.names == ("lymphocyte", "T cell", "B cell", "monocyte")
    assert labels.depth.tolist() == [1, 2, 2, 1]


def test_lineage_runs_to_the_top(labels):
    assert labels.lineage("T cell") == ("T cell", "lymphocyte")


@pytest.mark.parametrize(
    ("label", "allowed"),
    [
        ("T cell", [1, 0, 0]),
        ("lymphocyte", [1, 1, 0]),
        ("T cell|monocyte", [1, 0, 1]),
        ("lymphocyte|monocyte", [1, 1, 1]),
    ],
)
def test_label_allows_the_leaves_below_it(labels, label, allowed):
    assert labels.membership([label]).astype(int).tolist() == [allowed]


def test_flat_tree_has_leaves_only():
    assert LabelTree.flat(["a", "b"]).leaves == ("a", "b")


def test_tree_survives_json(labels):
    assert LabelTree.from_json(json.loads(json.dumps(labels.to_json()))) == labels


@pytest.mark.parametrize(
    ("parents", "message"),
    [
        ({"a": "b", "b": "a", "c": None, "d": None}, "runs in a circle: a → b → a"),
        ({"a": "a", "b": None, "c": None}, "runs in a circle: a → a"),
        ({"a": "nobody", "b": None}, r"names \['nobody'\], which cannot be a cell type"),
        ({"a": None, "b": "a"}, r"at least two leaves to tell apart, got \('b',\)"),
        ({"unassigned": None, "b": None}, r"names \['unassigned'\], which cannot be a cell type"),
        ({"a|b": None, "c": None}, r"names \['a\|b'\], which cannot be a cell type"),
    ],
    ids=["circle", "own parent", "unknown parent", "one leaf", "reserved name", "two names in one"],
)
def test_impossible_trees_are_refused(parents, message):
    with pytest.raises(ValueError, match=message):
        LabelTree(parents)


@pytest.mark.parametrize("label", ["neuron", "T cell|neuron", ""], ids=["alone", "beside a known one", "empty"])
def test_label_that_is_not_in_the_tree_is_refused(labels, label):
    with pytest.raises(ValueError, match=r"`labels` holds \['(neuron)?'\], but the tree knows only"):
        labels.membership([label])
