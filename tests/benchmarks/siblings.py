"""One type left out of all training sets, told by votes of genes alone: a training of seconds for every type and set.

    python siblings.py

The votes are the convex part of the head, solved on labelled cells as they are: no Transformer, no augmentation, no
known markers, no teacher. What is usual is learned from votes of the same kind for every left-out set, with no type
left out. ``unknown.py --without`` asks the same of a whole model. Scores go to the work folder, where
``unknown_table.py`` finds them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from held_out import TREE_OF_ALL, material, profiles_without
from ours import WORK, cells_of
from pbmc import labelled_reference
from scipy.special import softmax
from scoring import folds, settle, trainable_classes
from unknown import SIBLINGS, STORED, VOTES, without_type

from scbert_tools.infer.novelty import SIGNS, signs_of_novelty
from scbert_tools.infer.profiles import likeness_of
from scbert_tools.model.heads import VOTE_POWER
from scbert_tools.tokens.levels import Levels, to_levels
from scbert_tools.train.votes import Votes, loudness_of, solve_votes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Labelled
    from scipy import sparse

PENALTY = 3e-4
FEWEST = 25
"""Sets with fewer cells of the type say little about it."""


def loud(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return how loud each gene votes."""
    return loudness_of(to_levels(counts, Levels()), counts.shape[1], VOTE_POWER)


def votes_without(train: Sequence[Labelled], gone: str) -> tuple[Votes, np.ndarray]:
    """Return votes for all classes but those of a type, ``""`` for none, and the places of the classes in the tree."""
    leaves = np.flatnonzero(~TREE_OF_ALL.membership([gone])[0]) if gone else np.arange(len(TREE_OF_ALL.leaves))
    reference, names = labelled_reference([cells_of(one) for one in (without_type(train, gone) if gone else train)])
    allowed = TREE_OF_ALL.membership(names)[reference.label][:, leaves]
    weight = reference.kin.size[reference.group] ** -0.5
    return solve_votes(loud(reference.counts), allowed, weight, penalty=PENALTY), leaves


def keep_scores(test: Labelled, train: Sequence[Labelled], gone: str) -> None:
    """Leave the scores of the cells of a set for one type left out."""
    votes, leaves = votes_without(train, gone)
    one, truth = material(test.name), test.coarse
    profiles = profiles_without(test.group, gone) * one.measured
    logits = votes(loud(cells_of(test).counts))
    signs = signs_of_novelty(logits, likeness_of(one.logs, profiles[leaves]))
    scores = dict(zip(SIGNS, signs, strict=True)) | {"max_softmax": -softmax(logits, axis=1).max(axis=1)}
    scores |= {"best": leaves[logits.argmax(axis=1)], "n_genes": np.diff(one.logs.indptr)}
    asked = np.isin(settle(truth, truth)[0], trainable_classes(np.concatenate([x.coarse for x in train])))
    flat = {f"known:{key}": x for key, x in scores.items()}
    folder = STORED / VOTES
    folder.mkdir(parents=True, exist_ok=True)
    file = "_".join([test.name, "0", *gone.split()])
    np.savez_compressed(folder / f"{file}.npz", truth=truth, asked=asked, without=gone, **flat)


def keep_logits(test: Labelled, train: Sequence[Labelled]) -> None:
    """Leave what votes that know every type say of a left-out set."""
    folder = WORK / VOTES
    folder.mkdir(parents=True, exist_ok=True)
    votes, _ = votes_without(train, "")
    np.savez_compressed(folder / f"{test.name}_0.npz", logits=votes(loud(cells_of(test).counts)))


def main() -> None:
    """Leave every type out for every set that holds enough of it."""
    for test, train in folds():
        keep_logits(test, train)
        for gone in SIBLINGS:
            if (test.coarse == gone).sum() >= FEWEST:
                keep_scores(test, train, gone)
                sys.stderr.write(f"{gone} left out, known cells of {test.name}\n")


if __name__ == "__main__":
    main()
