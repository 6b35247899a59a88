"""Two cells in one droplet: expression that is more like two classes together than like any single one."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from .profiles import LEAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..model.labels import LabelTree
    from .profiles import Likeness

MOST_ALIKE = 0.9
"""Classes whose profiles have a larger cosine are too alike for their doublets to be seen."""


def incompatible(tree: LabelTree, gram: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return pairs of classes that no single cell is both of: apart below the top of the tree, and unlike.

    Parameters
    ----------
    tree
        The labels.
    gram
        (classes, classes) scalar products among the profiles.
    """
    lengths = np.sqrt(np.maximum(np.diag(gram), LEAST))
    alike = gram / np.outer(lengths, lengths)
    branch = [tree.lineage(leaf)[-2:] for leaf in tree.leaves]
    seen = np.diag(gram) > LEAST
    return [
        (a, b)
        for a, b in combinations(range(len(branch)), 2)
        if branch[a] != branch[b] and alike[a, b] < MOST_ALIKE and seen[a] and seen[b]
    ]


def doublet_scores(likeness: Likeness, pairs: list[tuple[int, int]]) -> NDArray[np.float32]:
    """Return by how much the best pair of classes is more like the cell than the best class alone: (cells,).

    Parameters
    ----------
    likeness
        Products of cells and profiles.
    pairs
        Classes that may meet in a doublet, from :func:`incompatible`.
    """
    alone = likeness.cosines.max(axis=1)
    best = np.zeros_like(alone)
    norms = np.maximum(likeness.norms, LEAST)
    for a, b in pairs:
        # |a + b| from products of profiles: no profile of a pair is ever formed.
        length = np.sqrt(likeness.gram[a, a] + likeness.gram[b, b] + 2 * likeness.gram[a, b])
        best = np.maximum(best, (likeness.products[:, a] + likeness.products[:, b]) / (norms * length))
    return np.asarray(best - alone, np.float32)
