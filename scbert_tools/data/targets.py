"""Labels of cells as training needs them: a code per cell, and the classes that each code allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..model.labels import EITHER, LabelTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MANY_LABELS = 50
"""More labels than this are cell types only if most of them have several cells."""


@dataclass(frozen=True)
class Targets:
    """What each cell is to be called.

    Parameters
    ----------
    tree
        The classes and what stands above them.
    names
        Every label that occurs, or every combination of labels where a cell may have several.
    code
        (cells,) place of each cell's label in ``names``, -1 for cells without one.
    membership
        (names, classes), true where a label allows a class; where a cell may have several, true where it has it.
    several
        Whether a cell may have several labels at once.
    """

    tree: LabelTree
    names: tuple[str, ...]
    code: NDArray[np.int64]
    membership: NDArray[np.bool_]
    several: bool = False

    @property
    def known(self) -> NDArray[np.int64]:
        """(known cells,) cells that have a label."""
        return np.flatnonzero(self.code >= 0)

    @property
    def n_cells(self) -> NDArray[np.int64]:
        """(names,) cells of each label."""
        return np.bincount(self.code[self.code >= 0], minlength=len(self.names))

    @property
    def rare(self) -> list[str]:
        """Labels of a single cell: learned from, but never judged."""
        return [name for name, n in zip(self.names, self.n_cells, strict=True) if n == 1]


def one_label_each(labels: Sequence[str | None], tree: LabelTree | None = None) -> Targets:
    """Return the targets of cells with one label each.

    Parameters
    ----------
    labels
        (cells,) labels; ``None`` and blank ones are cells that teach nothing.
    tree
        Where the labels stand; by default all of them are leaves. Names that no label can teach are left out of it.

    Raises
    ------
    ValueError
        If fewer than two classes are left, nearly every cell has a label of its own, or a label is not in the tree.

    Examples
    --------
    >>> one_label_each(["B", "T", None, "B"]).code.tolist()
    [0, 1, -1, 0]
    """
    written = np.array(["" if label is None else str(label).strip() for label in labels], dtype=str)
    names, code = np.unique(written[written != ""], return_inverse=True)
    every = np.full(len(written), -1)
    every[written != ""] = code
    _require_two(names, "label")
    _require_company(names, code)
    tree = LabelTree.flat(names.tolist()) if tree is None else _pruned(tree, names.tolist())
    return Targets(tree, tuple(names.tolist()), every, tree.membership(names.tolist()))


def several_labels_each(table: NDArray[np.bool_], classes: Sequence[str]) -> Targets:
    """Return the targets of cells that may have several labels at once.

    Parameters
    ----------
    table
        (cells, classes), true where a cell has a label. Cells without any are learned from as such.
    classes
        Names of the columns.

    Raises
    ------
    ValueError
        If fewer than two classes occur.

    Examples
    --------
    >>> table = np.array([[True, True], [True, False], [True, True]])
    >>> several_labels_each(table, ["T cell", "cycling"]).names
    ('T cell', 'T cell|cycling')
    """
    used = np.flatnonzero(table.any(axis=0)).tolist()
    classes = [classes[place] for place in used]
    _require_two(classes, "class")
    membership, code = np.unique(table[:, used], axis=0, return_inverse=True)
    names = [EITHER.join(np.array(classes)[row]) for row in membership]
    return Targets(LabelTree.flat(classes), tuple(names), code.reshape(-1), membership, several=True)


def _require_company(names: Sequence[str] | NDArray[np.str_], code: NDArray[np.int64]) -> None:
    """Refuse a column of measurements or names of cells, which gives nearly every cell a label of its own."""
    n_alone = int((np.bincount(code) == 1).sum())
    if len(names) > MANY_LABELS and n_alone > len(code) / 2:
        msg = (
            f"`label_key` holds {len(names):,} labels for {len(code):,} cells, such as {str(names[0])!r}; "
            "give a column of cell types, not of numbers or of names of cells."
        )
        raise ValueError(msg)


def _require_two(names: Sequence[str] | NDArray[np.str_], what: str) -> None:
    """Refuse labels that leave nothing to tell apart."""
    if len(names) == 0:
        msg = f"`label_key` holds no {what}, or there are no cells; at least two are needed to tell apart."
        raise ValueError(msg)
    if len(names) == 1:
        found = [str(name) for name in names]
        msg = f"`label_key` holds {found} as its only {what}; at least two are needed to tell apart."
        raise ValueError(msg)


def _pruned(tree: LabelTree, labels: list[str]) -> LabelTree:
    """Return the part of the tree that the labels can teach.

    A label without labels below it becomes a class. Where some below it are labels, the others stay, for a cell of
    the upper label may be one of them.
    """
    tree.membership(labels)  # refuses labels that are not in the tree
    named = {part for label in labels for part in label.split(EITHER)}
    lines = {above for name in named for above in tree.lineage(name)}
    split = {above for name in lines if (above := tree.parents[name]) in named}
    kept = [name for name, above in tree.parents.items() if name in lines or above in split]
    return LabelTree({name: tree.parents[name] for name in kept}, tree.ontology)
