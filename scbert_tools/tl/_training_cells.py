"""Labelled cells of an AnnData as training material."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..data.counts import whole_counts
from ..data.reference import Reference
from ..data.targets import Targets, one_label_each, several_labels_each
from ..model.labels import LabelTree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from ..genes.vocabulary import Vocabulary
    from ._cells import CellSource

FEWEST_CELLS = 5
"""A gene that the model does not know is learned if at least so many cells express it."""

BLANK = ("", "nan", "none", "na", "<na>")
"""What stands for no label, in any case."""


def read_targets(
    adata: AnnData,
    label_key: str | Sequence[str],
    *,
    label_tree: LabelTree | Mapping[str, str | None] | None,
    multilabel: bool,
    known: LabelTree | None = None,
) -> Targets:
    """Return the labels of one column, of lists in a column, or of one column of yes and no per label.

    Without a tree of their own, labels take their places in the tree ``known`` if all of them are in it.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If columns do not fit the kind of labels wanted.
    """
    if not isinstance(label_key, str) or multilabel:
        return several_labels_each(*_label_table(adata, label_key))
    labels = [_cleaned(value) for value in column_of(adata, label_key)]
    if label_tree is None:
        fits = known is not None and {label for label in labels if label is not None} <= set(known.names)
        return one_label_each(labels, known if fits else None)
    return one_label_each(labels, label_tree if isinstance(label_tree, LabelTree) else LabelTree(label_tree))


def _label_table(adata: AnnData, label_key: str | Sequence[str]) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which cell has which label, (cells, labels), and the labels."""
    if not isinstance(label_key, str):
        if len(label_key) == 0:
            msg = "`label_key` names no column; give one of cell types, or one boolean column per label."
            raise ValueError(msg)
        return np.stack([_yes_or_no(adata, name) for name in label_key], axis=1), list(label_key)
    lists = [_as_list(value, label_key) for value in column_of(adata, label_key)]
    names = sorted({label for one in lists for label in one})
    return np.array([[name in one for name in names] for one in lists], bool).reshape(len(lists), -1), names


def _yes_or_no(adata: AnnData, name: str) -> NDArray[np.bool_]:
    """Return a column of yes and no."""
    column = column_of(adata, name)
    if not column.isin([True, False]).all():
        odd = column[~column.isin([True, False])].unique().tolist()[:3]
        msg = f"`label_key` names several columns, but {name!r} holds {odd} besides True and False; make it boolean."
        raise ValueError(msg)
    return column.to_numpy(bool)


def _as_list(value: Any, label_key: str) -> list[str]:
    """Return the labels of one cell; a blank one has none."""
    if isinstance(value, list | tuple | set | np.ndarray):
        return [label for label in map(_cleaned, value) if label is not None]
    if _cleaned(value) is None:
        return []
    msg = f"`multilabel=True` needs lists of labels, but obs[{label_key!r}] holds {value!r}; split it first."
    raise ValueError(msg)


def column_of(adata: AnnData, name: str) -> pd.Series[Any]:
    """Return a column of ``obs``, or say which there are."""
    if name not in adata.obs:
        msg = f"{name!r} is not a column of `adata.obs`; there are {list(adata.obs.columns)}."
        raise KeyError(msg)
    column: pd.Series[Any] = adata.obs[name].astype(object)
    return column


def _cleaned(value: Any) -> str | None:
    """Return a label as text, ``None`` where it is missing or blank."""
    text = "" if value is None or value is pd.NA else str(value).strip()
    return None if text.lower() in BLANK else text


def batches_of_cells(adata: AnnData, batch_key: str | None) -> NDArray[np.int64] | None:
    """Return the code of each cell's batch; a missing batch is one of its own."""
    if batch_key is None:
        return None
    return pd.factorize(column_of(adata, batch_key).astype(str))[0].astype(np.int64)


def further_genes(source: CellSource, vocabulary: Vocabulary) -> list[str]:
    """Return genes that the model does not read and enough cells express; none where names are not symbols."""
    match, names = source.match, source.names
    if match.kind != "symbol":
        return []
    unread = np.flatnonzero(match.target < 0).tolist()
    n_cells = np.zeros(len(names), np.int64)
    for start in range(0, source.n_cells, 4096):
        chunk = source.matrix[start : start + 4096]
        n_cells += np.asarray((chunk != 0).sum(axis=0)).ravel()
    known = {*match.ambiguous, *vocabulary.genes}
    return list(dict.fromkeys(names[i] for i in unread if n_cells[i] >= FEWEST_CELLS and names[i] not in known))


def read_reference(source: CellSource, targets: Targets, *, batch: NDArray[np.int64] | None) -> Reference:
    """Return the counts of the labelled cells."""
    cells = targets.known
    counts = whole_counts(source.rows(slice(0, source.n_cells)))[cells]
    dataset = np.zeros(len(cells), np.int64) if batch is None else batch[cells]
    return Reference(counts, targets.code[cells], dataset)
