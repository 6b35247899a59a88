"""What models said of the data sets that were left out of their training, and how like the classes the cells are."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np
from datasets import COARSE, TRANSFER
from ours import WORK, cells_of
from scipy.special import softmax
from scoring import AMBIGUOUS, folds, load_once, settle, trainable_classes
from sources import ONTOLOGY, TREE

from scbert_tools.infer.profiles import LabelledCells, class_profiles, log_expression
from scbert_tools.infer.recalibrate import names_of_labels
from scbert_tools.model.labels import LabelTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Labelled
    from sources import Cells

TREE_OF_ALL = LabelTree(TREE, ONTOLOGY)
SET_NAMES = tuple(dict.fromkeys(COARSE.get(leaf, leaf) for leaf in TREE_OF_ALL.leaves))
"""Labels that sets are made of: those that all data sets can be asked for."""

MEMBERS = TREE_OF_ALL.membership(SET_NAMES).T.astype(np.float32)  # (leaves, names)
SEEDS = range(3)

CALLED_T = ("CD4 T", "CD8 T", AMBIGUOUS)
T_CELL_GENES = ("CD2", "CD3D", "CD3E", "CD3G", "CD7", "TRAC", "TRBC1", "TRBC2")
MYELOID_GENES = ("AIF1", "CD14", "CST3", "FCN1", "LST1", "LYZ")
FEWEST_MYELOID = 3
"""A cell called T that holds none of the first and so many of the second is none: monocytes carry CD4 protein."""


@cache
def material(name: str) -> LabelledCells:
    """Return a labelled set as log-expression with the classes its labels leave open."""
    return material_of(cells_of(load_once(name)))


def material_of(cells: Cells) -> LabelledCells:
    """Return labelled cells as material for profiles."""
    names, code = np.unique(cells.label, return_inverse=True)
    return LabelledCells(log_expression(cells.counts), TREE_OF_ALL.membership(names)[code], cells.match.measured)


@cache
def profiles_without(group: str, gone: str = "") -> np.ndarray:
    """Return the profiles of the classes from all sets of other groups, without the cells of a type left out."""
    from datasets import SOURCES

    sets = [material(name) for name in SOURCES if SOURCES[name].group != group]
    out = TREE_OF_ALL.membership([gone])[0] if gone else np.zeros(len(TREE_OF_ALL.leaves), bool)
    kept = [(one, np.flatnonzero(~(one.allowed & out).any(axis=1))) for one in sets]
    return class_profiles([LabelledCells(one.logs[rows], one.allowed[rows], one.measured) for one, rows in kept])


@dataclass(frozen=True, eq=False)
class HeldOutSet:
    """One left-out set as one model saw it; arrays hold the cells whose class could be learned."""

    name: str
    seed: int
    logits: np.ndarray  # (cells, classes)
    truth: np.ndarray  # (cells,) coarse names, AMBIGUOUS among them
    rows: np.ndarray  # (cells,) places in the whole set
    n_genes: np.ndarray

    @cached_property
    def code(self) -> np.ndarray:
        """Place of the truth in ``SET_NAMES``, -1 where it leaves two open."""
        known = np.where(self.truth == AMBIGUOUS, "T cell", self.truth)
        return names_of_labels(known.tolist(), SET_NAMES, TREE_OF_ALL)

    def probabilities(self, temperature: float) -> np.ndarray:
        """Return the probability of every class, (cells, classes)."""
        return softmax(self.logits / temperature, axis=1)

    def likely(self, temperature: float) -> np.ndarray:
        """Return the probability of every name of ``SET_NAMES``, (cells, names)."""
        return self.probabilities(temperature) @ MEMBERS

    def outcome(self, likely: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return whether each cell's likeliest name is right, and its probability."""
        truth, predicted = settle(self.truth, np.array(SET_NAMES)[likely.argmax(axis=1)])
        return truth == predicted, likely.max(axis=1)


def not_t_after_all(test: Labelled) -> np.ndarray:
    """Return which cells called T hold no transcript of a T cell and several of a myeloid one."""
    t, myeloid = (
        np.asarray((test.counts[:, np.flatnonzero(np.isin(test.genes, names))] > 0).sum(axis=1)).ravel()
        for names in (T_CELL_GENES, MYELOID_GENES)
    )
    return np.isin(test.coarse, CALLED_T) & (t == 0) & (myeloid >= FEWEST_MYELOID)


def read_set(
    test: Labelled, train: Sequence[Labelled], seed: int, *, published: bool = False, source: str = "logits"
) -> HeldOutSet | None:
    """Return what the model of a fold said, if it has been run; ``published`` keeps cells with doubtful labels."""
    path = WORK / source / f"{test.name}_{seed}.npz"
    if not path.is_file():
        return None
    classes = trainable_classes(np.concatenate([one.coarse for one in train]))
    asked = np.isin(settle(test.coarse, test.coarse)[0], classes)
    rows = np.flatnonzero(asked if published else asked & ~test.doubtful & ~not_t_after_all(test))
    n_genes = np.diff(material(test.name).logs.indptr)[rows]
    return HeldOutSet(test.name, seed, np.load(path)["logits"][rows], test.coarse[rows], rows, n_genes)


def held_out_sets(seeds: Sequence[int] = SEEDS, *, published: bool = False, source: str = "logits") -> list[HeldOutSet]:
    """Return every left-out set of every seed that ``transfer.py --method ours`` has run; ``source`` names the folder.

    Cells whose own transcripts contradict the name of their cluster or gate can neither teach nor test what confidence
    is worth; they are left out unless ``published`` labels are to be taken as they are.
    """
    how = {"published": published, "source": source}
    found = [read_set(test, train, seed, **how) for test, train in folds(TRANSFER) for seed in seeds]
    sets = [one for one in found if one is not None]
    sys.stderr.write(f"held-out sets: {', '.join(f'{one.name}_{one.seed}' for one in sets)}\n")
    return sets


def others(sets: Sequence[HeldOutSet], left_out: str) -> list[HeldOutSet]:
    """Return the sets that share no donors with the left-out one."""
    group = load_once(left_out).group
    return [one for one in sets if load_once(one.name).group != group]
