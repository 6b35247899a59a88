"""Types that nobody taught, told by votes of genes alone: a training of seconds for every sibling and set.

    python siblings.py

The votes are the convex part of the head, solved on labelled cells as they are: no Transformer, no augmentation, no
known markers, no teacher. What is usual is learned from votes of the same kind for every left-out set, with no type
left out. ``unknown.py`` asks the same of a whole model. Logits go to the work folder, where ``unknown_table.py`` finds
them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from held_out import TREE_OF_ALL
from ours import WORK, cells_of
from pbmc import labelled_reference
from scoring import folds
from unknown import SIBLINGS, STORED, VOTES, groups_of, on_all_leaves, store, without_type

from scbert_tools.model.heads import VOTE_POWER
from scbert_tools.tokens.levels import Levels, to_levels
from scbert_tools.train.objective import VOTE_PENALTY
from scbert_tools.train.votes import Votes, loudness_of, solve_votes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Labelled
    from scipy import sparse

FEWEST = 25
"""Sets with fewer cells of the type say little about it."""

BESIDE_FOREIGN = ("symphony", "pbmc3k")
"""Sets that are shown together with foreign cells: a panel and all genes."""


def loud(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return how loud each gene votes."""
    return loudness_of(to_levels(counts, Levels()), counts.shape[1], VOTE_POWER)


def votes_without(train: Sequence[Labelled], gone: str) -> tuple[Votes, np.ndarray]:
    """Return votes for all classes but those of a type, ``""`` for none, and the places of the classes in the tree."""
    leaves = np.flatnonzero(~TREE_OF_ALL.membership([gone])[0]) if gone else np.arange(len(TREE_OF_ALL.leaves))
    reference, names = labelled_reference([cells_of(one) for one in (without_type(train, gone) if gone else train)])
    allowed = TREE_OF_ALL.membership(names)[reference.label][:, leaves]
    weight = reference.kin.size[reference.group] ** -0.5
    return solve_votes(loud(reference.counts), allowed, weight, penalty=VOTE_PENALTY), leaves


def keep_groups(
    test: Labelled, train: Sequence[Labelled], voted: tuple[Votes, np.ndarray], gone: str, *, foreign: bool = False
) -> None:
    """Leave the logits of a set by votes for all but one type, or of the set beside foreign cells."""
    votes, leaves = voted
    groups = groups_of(test, foreign=foreign).items()
    seen = {group: {"logits": on_all_leaves(votes(loud(counts)), leaves)} for group, (counts, _) in groups}
    store(STORED / VOTES, test, train, seen, seed="0", without=gone)


def keep_logits(test: Labelled, votes: Votes) -> None:
    """Leave what votes that know every type say of a left-out set."""
    folder = WORK / VOTES
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{test.name}_0.npz", logits=votes(loud(cells_of(test).counts)))


def main() -> None:
    """Leave every type out for every set that holds enough of it, and show two sets beside foreign cells."""
    for test, train in folds():
        every_type = votes_without(train, "")
        keep_logits(test, every_type[0])
        if test.name in BESIDE_FOREIGN:
            keep_groups(test, train, every_type, "", foreign=True)
        for gone in SIBLINGS:
            if (test.coarse == gone).sum() >= FEWEST:
                keep_groups(test, train, votes_without(train, gone), gone)
                sys.stderr.write(f"{gone} left out, known cells of {test.name}\n")


if __name__ == "__main__":
    main()
