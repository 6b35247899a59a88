"""Groups of cells to explain, and the way from the genes of the model back to those of the data."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from .._keys import AnnotationKeys
from ..model.labels import UNASSIGNED

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from ._cells import CellSource


@dataclass(frozen=True)
class Groups:
    """Which cells belong together.

    Parameters
    ----------
    names
        Names of the groups, each with at least one cell.
    codes
        (cells,) place in ``names``, -1 for cells of no group.
    """

    names: list[str]
    codes: NDArray[np.int64]

    def draw(self, n_cells: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the numbers of at most ``n_cells`` random cells of every group, in the order of the data."""
        order = rng.permutation(np.flatnonzero(self.codes >= 0))
        rank = pd.Series(self.codes[order]).groupby(self.codes[order]).cumcount().to_numpy()
        return np.sort(order if n_cells is None else order[rank < n_cells])


def predicted_labels(adata: AnnData, key_added: str) -> pd.Series[str]:
    """Return the labels that ``annotate`` wrote.

    Raises
    ------
    KeyError
        If it has not been run.
    """
    key = AnnotationKeys(key_added).label
    if key not in adata.obs:
        msg = (
            f"adata.obs[{key!r}] is missing: `annotate` has not been run with `key_added={key_added!r}`. "
            "Run `sbt.tl.annotate(adata)` first."
        )
        raise KeyError(msg)
    labels: pd.Series[str] = adata.obs[key]
    return labels


def find_groups(adata: AnnData, groupby: str | None, key_added: str, *, assigned_only: bool = False) -> Groups:
    """Return the groups of a column, by default those of the predicted labels.

    Parameters
    ----------
    adata, groupby, key_added
        As the user gave them.
    assigned_only
        Leave cells without a predicted label out of all groups.

    Raises
    ------
    KeyError
        If the column is missing, or ``annotate`` has not been run.
    ValueError
        If no cell is in any group.
    """
    if groupby is not None and groupby not in adata.obs:
        msg = f"`groupby` is {groupby!r}, which is not a column of adata.obs; present: {list(adata.obs.columns)}."
        raise KeyError(msg)
    column = predicted_labels(adata, key_added) if groupby is None else adata.obs[groupby]
    if assigned_only:
        column = column.where(predicted_labels(adata, key_added).astype(str) != UNASSIGNED)
    groups = pd.Categorical(column)
    n_cells = np.bincount(groups.codes[groups.codes >= 0], minlength=len(groups.categories))
    if not n_cells.any():
        missing = f"missing or {UNASSIGNED!r}" if assigned_only else "missing"
        remedy = " To explain unassigned cells, give `target` and `groupby`." if assigned_only else ""
        msg = f"`groupby` {column.name!r} puts no cell into a group: every cell is {missing}.{remedy}"
        raise ValueError(msg)
    if not n_cells.all():
        empty = [str(name) for name in groups.categories[n_cells == 0] if name != UNASSIGNED]
        if empty:
            msg = f"{column.name!r} has groups without cells, which are left out: {empty}."
            warnings.warn(msg, UserWarning, stacklevel=3)
        groups = groups.remove_unused_categories()
    return Groups([str(name) for name in groups.categories], groups.codes.astype(np.int64))


def check_n_cells(n_cells: int | None) -> None:
    """Refuse a number of cells that cannot be drawn."""
    if n_cells is not None and (isinstance(n_cells, bool) or not isinstance(n_cells, Integral) or n_cells < 1):
        msg = f"`n_cells` must be a whole number of at least 1 cell per group, or None for all, got {n_cells!r}."
        raise ValueError(msg)


def to_own_genes(adata: AnnData, source: CellSource) -> sparse.csr_matrix:
    """Return (vocabulary, genes of ``adata``) shares: columns that stand for one gene of the model share its score.

    A gene that was read from ``adata.raw`` and is not among ``adata.var_names`` has no place to be written to.
    """
    columns = np.flatnonzero(source.match.target >= 0)
    model_gene = source.match.target[columns]
    place = columns
    # `raw` may hold other genes than `adata`, whose `varm` takes only its own: names decide, the first of equal ones.
    if source.choice.name == "raw":
        own = pd.Index(adata.var_names)
        place = (
            pd.Series(np.arange(len(own)), own)[~own.duplicated()].reindex(np.array(source.names)[columns]).to_numpy()
        )
    share = 1 / np.bincount(model_gene, minlength=source.match.n_model_genes)[model_gene]
    kept = ~pd.isna(place)
    places = (model_gene[kept], place[kept].astype(np.int64))
    return sparse.csr_matrix((share[kept].astype(np.float32), places), (source.match.n_model_genes, adata.n_vars))
