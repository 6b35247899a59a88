"""Sets of labels are written in few words."""

import numpy as np
import pytest

from scbert_tools.infer.set_words import sets_in_words
from scbert_tools.model.labels import LabelTree

NAMES = ("T cell", "B cell", "monocyte")


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"T cell"}, "T cell"),
        ({"T cell", "B cell"}, "lymphocyte"),
        ({"T cell", "monocyte"}, "T cell | monocyte"),
        (set(NAMES), "any"),
        (set(), "none"),
    ],
    ids=["one", "all below a node", "across the tree", "all", "none"],
)
def test_sets_are_written_in_few_words(labels, chosen, words):
    place, texts = sets_in_words(np.array([[name in chosen for name in NAMES]]), NAMES, labels)
    assert texts[place[0]] == words


def test_names_of_inner_nodes_can_make_sets():
    tree = LabelTree({"L": None, "T": "L", "CD4": "T", "CD8": "T", "NK": "L", "M": None})
    place, texts = sets_in_words(np.array([[True, True, False], [True, False, True]]), ("T", "NK", "M"), tree)
    assert [texts[i] for i in place] == ["L", "M | T"]
