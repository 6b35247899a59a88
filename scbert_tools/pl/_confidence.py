"""Show how sure the labels are, and whether that can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._arguments import check_adata
from .._docs import shared_docs
from .._keys import AnnotationKeys
from ..infer.reliability import Reliability, agreeing, reliability
from ..model.labels import UNASSIGNED, LabelTree
from ._figure import axes_to_draw, finish
from ._style import check_kind, find_basis

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

KINDS = ("labels", "reliability", "embedding")
SHOWN = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of confidence that are drawn for a label."""


@shared_docs
def confidence(
    adata: AnnData,
    *,
    kind: str = "labels",
    label_key: str | None = None,
    basis: str = "X_umap",
    key_added: str = "scbert",
    ax: Axes | None = None,
    show: bool = False,
) -> Axes:
    """Draw how sure :func:`scbert_tools.tl.annotate` was of its labels.

    Parameters
    ----------
    {adata}
    kind
        ``"labels"``: confidence of the cells of every label. ``"reliability"``: stated confidence beside the share of
        cells that are right, by the labels in ``label_key``; on the diagonal it means what it says.
        ``"embedding"``: confidence on a map, unassigned cells in red.
    label_key
        Column of ``adata.obs`` with true labels, names of the model's tree; cells without one are left out. A label
        above or below the true one in the tree counts as right. For ``kind="reliability"``.
    basis
        Field of ``adata.obsm`` with the map. For ``kind="embedding"``.
    {key_added}
    {ax}
    {show}

    Returns
    -------
    {returns_axes}

    Raises
    ------
    ValueError
        If ``kind`` is unknown, or no cell has a true label that the model knows.
    KeyError
        If the cells were not annotated, or ``label_key`` or ``basis`` is not there.

    Notes
    -----
    Reliability diagrams and the expected calibration error follow Guo et al. 2017 (arXiv:1706.04599).

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sbt.tl.annotate(adata)
    >>> sbt.pl.confidence(adata, kind="embedding").get_xlabel()
    'UMAP1'
    """
    check_adata(adata)
    check_kind(kind, KINDS)
    keys = AnnotationKeys(key_added)
    if keys.confidence not in adata.obs:
        msg = f"adata.obs[{keys.confidence!r}] is missing; run `sbt.tl.annotate` with `key_added={key_added!r}` first."
        raise KeyError(msg)
    if kind == "reliability":
        drawn = _draw_reliability(_reliability_of(adata, keys, label_key), axes_to_draw(ax))
    elif kind == "embedding":
        drawn = _draw_embedding(adata, keys, basis, ax)
    else:
        drawn = _draw_labels(adata.obs[keys.label].astype(str), adata.obs[keys.confidence], ax)
    return finish(drawn, show=show)


def _reliability_of(adata: AnnData, keys: AnnotationKeys, label_key: str | None) -> Reliability:
    """Return stated confidence and share of right labels among the cells whose true label the model knows."""
    if label_key not in adata.obs:
        msg = f"`label_key` is {label_key!r}; a reliability diagram needs true labels, among {list(adata.obs.columns)}."
        raise KeyError(msg)
    hierarchy = adata.uns[keys.added]["hierarchy"]
    tree = LabelTree({name: above or None for name, above in zip(hierarchy["name"], hierarchy["parent"], strict=True)})
    said, truth = adata.obs[keys.label].astype(str), adata.obs[label_key].astype(str)
    asked = (truth.isin(tree.names) & (said != UNASSIGNED)).to_numpy()
    if not asked.any():
        msg = (
            f"`label_key` {label_key!r} holds no label of the model for an assigned cell; it knows {list(tree.names)}."
        )
        raise ValueError(msg)
    right = agreeing(said[asked].tolist(), truth[asked].tolist(), tree)
    return reliability(adata.obs[keys.confidence].to_numpy()[asked], right)


def _draw_reliability(bins: Reliability, ax: Axes) -> Axes:
    """Draw bins as points on the diagonal or off it, the larger the more cells they hold."""
    ax.plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=0)
    ax.plot(bins.stated, bins.observed, color="tab:blue", linewidth=1)
    ax.scatter(bins.stated, bins.observed, s=10 + 190 * bins.n_cells / bins.n_cells.max(), color="tab:blue")
    ax.set(xlabel="stated confidence", ylabel="share of right labels", xlim=(0, 1.02), ylim=(0, 1.02))
    ax.set_title(f"calibration error {bins.error:.3f}, {bins.n_cells.sum():,} cells", fontsize="medium")
    return ax


def _draw_labels(labels: pd.Series, confidence: pd.Series, ax: Axes | None) -> Axes:
    """Draw median, quartiles and the middle 90 % of every label, the surest above."""
    values = {name: confidence[(labels == name).to_numpy()].to_numpy() for name in labels.unique()}
    names = sorted(values, key=lambda name: float(np.median(values[name])))
    low, quarter, middle, upper, high = np.array([np.quantile(values[name], SHOWN) for name in names]).T
    rows = np.arange(len(names))
    ax = axes_to_draw(ax, size=(4.5, 1 + 0.3 * len(names)))
    ax.hlines(rows, low, high, color="0.6", linewidth=1)
    ax.hlines(rows, quarter, upper, color="tab:blue", linewidth=6, alpha=0.5)
    ax.plot(middle, rows, "o", color="tab:blue", markersize=4)
    ax.set_yticks(rows, [f"{name} ({len(values[name]):,})" for name in names])
    ax.set(xlabel="confidence", xlim=(0, 1.02))
    return ax


def _draw_embedding(adata: AnnData, keys: AnnotationKeys, basis: str, ax: Axes | None) -> Axes:
    """Draw the first two columns of a map, the least sure cells on top."""
    basis = find_basis(adata, basis)
    ax = axes_to_draw(ax, size=(5.0, 4.0))
    confidence, place = adata.obs[keys.confidence].to_numpy(), np.asarray(adata.obsm[basis])
    # The least sure cells last, so that the sure ones, which are many, do not cover them.
    order, size = np.argsort(-confidence), 120_000 / max(len(confidence), 4_000)
    x, y = place[:, 0], place[:, 1]
    drawn = ax.scatter(x[order], y[order], c=confidence[order], s=size, cmap="cividis", vmin=0, vmax=1, linewidths=0)
    lost = (adata.obs[keys.label].astype(str) == UNASSIGNED).to_numpy()
    ax.scatter(x[lost], y[lost], s=size, color="tab:red", linewidths=0, label=f"{UNASSIGNED} ({lost.sum():,})")
    if lost.any():
        ax.legend(fontsize="small", frameon=False)
    ax.figure.colorbar(drawn, ax=ax, label="confidence", shrink=0.7)
    name = basis.removeprefix("X_").upper()
    ax.set(xlabel=f"{name}1", ylabel=f"{name}2", xticks=[], yticks=[])
    return ax
