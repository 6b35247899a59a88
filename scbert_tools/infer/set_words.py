"""Sets of labels in few words."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..model.labels import LabelTree

ANY, NONE = "any", "none"
"""Names of the set of all labels and of the empty one."""

BETWEEN = " | "


def sets_in_words(
    sets: NDArray[np.bool_], names: Sequence[str], tree: LabelTree
) -> tuple[NDArray[np.int64], list[str]]:
    """Return every cell's set as a place in a list of texts, and that list.

    Labels that are all there is below a node of the tree are written as that node: "T cell" for "CD4 T | CD8 T".

    Parameters
    ----------
    sets
        (cells, names) which labels are in the set.
    names
        The labels.
    tree
        The tree they are from.
    """
    patterns, place = np.unique(sets, axis=0, return_inverse=True)
    texts = [_in_words(set(compress(names, row)), names, tree) for row in patterns]
    return place.reshape(-1), texts


def _in_words(chosen: set[str], names: Sequence[str], tree: LabelTree) -> str:
    """Return one set in as few names as possible."""
    if not chosen or len(chosen) == len(names):
        return ANY if chosen else NONE
    words, left = [], set(chosen)
    for node in sorted(tree.names, key=lambda name: len(tree.lineage(name))):
        below = {name for name in names if node in tree.lineage(name)}
        if below and below <= left:
            words.append(node)
            left -= below
    return BETWEEN.join(sorted(words))
