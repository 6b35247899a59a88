"""Draw how the labels agree with a column of the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._arguments import check_adata
from .._docs import shared_docs
from .._keys import AnnotationKeys
from ._figure import axes_to_draw, finish

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

SMALLEST_WRITTEN = 0.05
"""Shares below are coloured but not written."""


@shared_docs
def agreement(
    adata: AnnData,
    label_key: str,
    *,
    key_added: str = "scbert",
    ax: Axes | None = None,
    show: bool = False,
) -> Axes:
    """Draw which of the model's labels the cells of each of your own labels got.

    Parameters
    ----------
    {adata}
    {label_key}
    {key_added}
    {ax}
    {show}

    Returns
    -------
    {returns_axes}

    Raises
    ------
    KeyError
        If the cells were not annotated, or ``label_key`` is not there.
    ValueError
        If no cell has a label of yours.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sbt.tl.annotate(adata)
    >>> sbt.pl.agreement(adata, "bulk_labels").get_xlabel()
    'scbert_tools'
    """
    check_adata(adata)
    key = AnnotationKeys(key_added).label
    for column, remedy in [(key, "Run `sbt.tl.annotate(adata)` first."), (label_key, "Name a column of your labels.")]:
        if column not in adata.obs:
            msg = f"adata.obs[{column!r}] is missing; present: {list(adata.obs.columns)}. {remedy}"
            raise KeyError(msg)
    shares = shared_labels(adata.obs[label_key], adata.obs[key])
    if shares.empty:
        msg = f"`label_key` {label_key!r} is missing in every cell; give a column with labels."
        raise ValueError(msg)
    n_cells = adata.obs[label_key].astype(str).value_counts()
    ax = axes_to_draw(ax, size=(2.4 + 0.36 * shares.shape[1], 2.0 + 0.3 * shares.shape[0]))
    drawn = ax.imshow(shares, aspect="auto", cmap="Blues", vmin=0, vmax=1, interpolation="none")
    for (row, column), share in np.ndenumerate(shares.to_numpy(np.float64)):
        if share >= SMALLEST_WRITTEN:
            colour = "white" if share > 0.55 else "black"
            ax.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=colour)
    ax.set_xticks(range(shares.shape[1]), shares.columns, rotation=90, fontsize=9)
    ax.set_yticks(range(shares.shape[0]), [f"{name} ({n_cells[name]:,})" for name in shares.index], fontsize=9)
    ax.set(xlabel="scbert_tools", ylabel=label_key)
    ax.figure.colorbar(drawn, ax=ax, label="share of cells", shrink=0.6)
    return finish(ax, show=show)


def shared_labels(own: pd.Series[str], predicted: pd.Series[str]) -> pd.DataFrame:
    """Return the shares of predicted labels among the cells of each own label, like ones along the diagonal.

    Parameters
    ----------
    own, predicted
        (cells,) labels; cells without an own one are left out.

    Returns
    -------
    Own × predicted labels, rows summing to one; empty if no cell has an own label.
    """
    kept = own.notna().to_numpy()
    if not kept.any():
        return pd.DataFrame()
    # Arrays, since `crosstab` joins series by their index, where cells may share a name.
    rows, columns = (labels[kept].astype(str).to_numpy() for labels in (own, predicted))
    shares = pd.crosstab(rows, columns, normalize="index")
    likeliest = shares.columns[shares.to_numpy().argmax(axis=1)]
    return shares[list(dict.fromkeys([*likeliest, *shares.columns]))]
