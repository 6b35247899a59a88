"""From probabilities of leaves to the label reported: as deep in the tree as the evidence goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..model.labels import UNASSIGNED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..model.labels import LabelTree


REASONS = ("", "nothing to read", "unlike known types", "uncertain")
"""Why a cell has no label; the first is for cells that have one."""


@dataclass(frozen=True)
class Decision:
    """The label of every cell and how sure it is.

    Parameters
    ----------
    code
        (cells,) place in ``names``.
    names
        All labels of the tree and, last, ``"unassigned"``.
    confidence
        (cells,) float32, probability of the label; for unassigned cells that of the likeliest node below the top.
    reason
        (cells,) place in ``REASONS``.
    """

    code: NDArray[np.int64]
    names: tuple[str, ...]
    confidence: NDArray[np.float32]
    reason: NDArray[np.int64]

    @property
    def labels(self) -> NDArray[np.str_]:
        """(cells,) names."""
        return np.array(self.names)[self.code]


def decide(
    probabilities: NDArray[np.float32],
    tree: LabelTree,
    *,
    threshold: float,
    readable: NDArray[np.bool_],
    novel: NDArray[np.bool_] | None = None,
) -> Decision:
    """Report the deepest node of the tree whose summed probability reaches the threshold.

    Parameters
    ----------
    probabilities
        (cells, leaves), rows summing to one.
    tree
        The labels; a node's probability is the sum over its leaves.
    threshold
        Probability a label must reach, above 0 and at most 1.
    readable
        (cells,) false for cells without anything to read: unassigned with confidence 0.
    novel
        (cells,) true for cells unlike all known types: unassigned, whatever their probabilities. ``None`` for none.
    """
    members = tree.membership(tree.names)
    nodes = probabilities @ members.T.astype(np.float32)
    # A node above all leaves is always certain and says nothing.
    open_to_choice = ~members.all(axis=1)
    depth = np.where(open_to_choice, tree.depth, 0)
    passing = (nodes >= threshold) & open_to_choice
    # Deeper nodes win; a probability adds at most a half, so it decides only between nodes of one depth.
    rank = np.where(passing, depth + np.minimum(nodes, 1) / 2, -1)
    code = np.where(passing.any(axis=1), rank.argmax(axis=1), len(tree.names))
    best = np.where(passing.any(axis=1), np.take_along_axis(nodes, rank.argmax(axis=1)[:, None], 1)[:, 0], 0)
    rejected = np.where(open_to_choice, nodes, 0).max(axis=1)
    confidence = np.where(code == len(tree.names), rejected, best)
    foreign = np.zeros(len(code), bool) if novel is None else novel
    reason = np.select([~readable, foreign, code == len(tree.names)], [1, 2, 3], 0)
    return Decision(
        np.where(reason == 0, code, len(tree.names)),
        (*tree.names, UNASSIGNED),
        np.where(readable, np.minimum(confidence, 1), 0).astype(np.float32),
        reason,
    )
