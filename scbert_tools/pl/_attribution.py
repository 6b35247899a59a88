"""Draw which genes argue for a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._arguments import check_adata, check_at_least
from .._docs import shared_docs
from .._keys import PREDICTED, AnnotationKeys, ExplanationKeys
from ._figure import axes_to_draw, finish
from ._style import AGAINST, FOR, PLAIN, check_kind, chosen_labels, known_among, mark_known, table_of

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from scipy import sparse

KINDS = ("bar", "beeswarm", "waterfall")
UNIT = "evidence (logit)"
HEIGHT = 0.24
"""Inches of figure per gene."""


@shared_docs
def attribution(
    adata: AnnData,
    label: str | None = None,
    *,
    kind: str = "bar",
    cell: str | None = None,
    n_genes: int = 15,
    key_added: str = "scbert",
    ax: Axes | None = None,
    show: bool = False,
) -> Axes:
    """Draw which genes argue for a label, as :func:`scbert_tools.tl.attribute` wrote it.

    Names in bold are genes that the literature calls markers of the label.

    Parameters
    ----------
    {adata}
    label
        Group whose genes to draw. A waterfall takes that of its cell.
    kind
        ``"bar"``: mean share of the evidence of the best genes. ``"beeswarm"``: one point for every cell explained,
        bright where the cell expresses the gene most. ``"waterfall"``: how the evidence in one cell adds up, from the
        baseline to the cell. The last two need ``per_cell=True``.
    cell
        Name of the cell, for ``kind="waterfall"``.
    n_genes
        Genes to draw; a waterfall sums up the others.
    {key_added}
    {ax}
    {show}

    Returns
    -------
    {returns_axes}

    Raises
    ------
    KeyError
        If :func:`scbert_tools.tl.attribute` has not been run (or not with ``per_cell=True``), or the label or cell is
        not there or was not explained.
    ValueError
        If ``kind`` is unknown, it needs a label or cell that is not given, or ``n_genes`` is below 1.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sbt.tl.annotate(adata)
    >>> sbt.tl.attribute(adata, n_cells=2)
    >>> sbt.pl.attribution(adata, "NK cell", n_genes=5).get_xlabel()
    'evidence (logit)'
    """
    check_adata(adata)
    check_kind(kind, KINDS)
    check_at_least(1, n_genes=n_genes)
    keys = ExplanationKeys(key_added)
    table = table_of(adata, keys.attribution, "attribute")
    if kind == "waterfall":
        return finish(_waterfall(adata, cell, n_genes, key_added, ax), show=show)
    if label is None:
        msg = f'`kind="{kind}"` needs a `label`, one of {list(table.columns)}.'
        raise ValueError(msg)
    chosen_labels(table, [label])
    draw = _bar if kind == "bar" else _beeswarm
    return finish(draw(adata, label, n_genes, key_added, ax), show=show)


def _top(scores: NDArray[np.floating[Any]], n_genes: int) -> NDArray[np.int64]:
    """Return the places of the scores that are largest without their sign, the largest first."""
    return np.argsort(-np.abs(scores), kind="stable")[: min(n_genes, int((scores != 0).sum()))]


def _name_genes(adata: AnnData, ax: Axes, genes: NDArray[np.int64], label: str, key_added: str) -> None:
    """Write the names of genes on the vertical axis, the first one above, known markers in bold."""
    names = [str(name) for name in adata.var_names[genes]]
    ax.set_yticks(range(len(names)), names, fontsize=9)
    ax.set_ylim(len(names) - 0.4, -0.6)
    mark_known(ax, known_among(adata, names, [_target(adata, label, key_added)], key_added=key_added)[:, 0])
    ax.axvline(0, color="0.3", linewidth=0.8, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)


def _bar(adata: AnnData, label: str, n_genes: int, key_added: str, ax: Axes | None) -> Axes:
    """Draw the mean share of genes."""
    scores = adata.varm[ExplanationKeys(key_added).attribution][label].to_numpy()
    genes = _top(scores, n_genes)
    ax = axes_to_draw(ax, size=(4.5, 1 + HEIGHT * len(genes)))
    ax.barh(range(len(genes)), scores[genes], color=[FOR if score > 0 else AGAINST for score in scores[genes]])
    _name_genes(adata, ax, genes, label, key_added)
    ax.set(xlabel=UNIT, title=_what(adata, label, key_added))
    return ax


def _target(adata: AnnData, label: str, key_added: str) -> str:
    """Return the label that was explained in the cells of a group."""
    target = str(adata.uns[ExplanationKeys(key_added).attribution]["params"]["target"])
    return label if target == PREDICTED else target


def _what(adata: AnnData, label: str, key_added: str) -> str:
    """Say what was explained in the cells of a group."""
    against = adata.uns[ExplanationKeys(key_added).attribution]["params"]["against"]
    target = _target(adata, label, key_added)
    return target + (f", not {against}" if against else "") + ("" if target == label else f" (cells: {label})")


def _layer(adata: AnnData, key_added: str) -> sparse.csr_matrix:
    """Return the shares of every cell, or say what has to be run first."""
    key = ExplanationKeys(key_added).attribution
    if key not in adata.layers:
        msg = f"adata.layers[{key!r}] is missing. Run `sbt.tl.attribute(adata, per_cell=True)` first."
        raise KeyError(msg)
    return adata.layers[key].tocsr()


def _group_of_cells(adata: AnnData, key_added: str) -> pd.Series[str]:
    """Return the group that each cell was explained in."""
    params = adata.uns[ExplanationKeys(key_added).attribution]["params"]
    groups: pd.Series[str] = adata.obs[params["groupby"] or AnnotationKeys(key_added).label].astype(str)
    return groups


def _beeswarm(adata: AnnData, label: str, n_genes: int, key_added: str, ax: Axes | None) -> Axes:
    """Draw the share of genes in every cell."""
    layer = _layer(adata, key_added)
    asked = (_group_of_cells(adata, key_added) == label).to_numpy() & (np.diff(layer.indptr) > 0)
    genes = _top(adata.varm[ExplanationKeys(key_added).attribution][label].to_numpy(), n_genes)
    if not (asked.any() and genes.size):
        msg = f"No cell of {label!r} in `adata` was explained. Run `sbt.tl.attribute(adata, per_cell=True)` first."
        raise KeyError(msg)
    shares = layer[asked][:, genes].toarray()
    ax = axes_to_draw(ax, size=(5.5, 1 + 1.3 * HEIGHT * len(genes)))
    ranks = pd.DataFrame(_dense(adata.X[asked][:, genes])).rank(method="min")  # no expression is low, however common
    expression = ((ranks - 1) / (ranks.max() - 1).clip(lower=1)).to_numpy()
    for row, (values, colour) in enumerate(zip(shares.T, expression.T, strict=True)):
        drawn = ax.scatter(values, row + swarm(values), c=colour, s=9, cmap="cividis", vmin=0, vmax=1, linewidths=0)
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.6, ticks=[0, 1], label="expression among these cells")
    bar.ax.set_yticklabels(["low", "high"])
    _name_genes(adata, ax, genes, label, key_added)
    ax.set(xlabel=UNIT, title=f"{_what(adata, label, key_added)}, {asked.sum():,} cells")
    return ax


def _dense(values: Any) -> NDArray[np.float64]:
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, np.float64)


def swarm(values: NDArray[np.floating[Any]], *, n_bins: int = 60, height: float = 0.38) -> NDArray[np.float64]:
    """Return how far to move points aside so that close ones lie beside, not upon, each other: (points,).

    Parameters
    ----------
    values
        (points,).
    n_bins
        Columns in which points are piled up.
    height
        Farthest a point is moved.
    """
    spread = np.ptp(values)
    bins = pd.Series(np.zeros(len(values)) if spread == 0 else np.round((values - values.min()) / spread * n_bins))
    place, size = bins.groupby(bins).cumcount().to_numpy(), bins.groupby(bins).transform("size").to_numpy()
    # Points of a bin go to the middle, then by turns below and above it.
    side = np.where(place % 2 == 0, 1, -1) * ((place + 1) // 2)
    return side * 2 * height / max(8, int(size.max()))


def _waterfall(adata: AnnData, cell: str | None, n_genes: int, key_added: str, ax: Axes | None) -> Axes:
    """Draw how the evidence in one cell adds up."""
    layer = _layer(adata, key_added)
    if cell is None:
        msg = '`kind="waterfall"` needs a `cell`, one of `adata.obs_names`.'
        raise ValueError(msg)
    if cell not in adata.obs_names:
        msg = f"`cell` is {cell!r}, which is not one of the {adata.n_obs:,} names in adata.obs_names."
        raise KeyError(msg)
    if (n_named := int((adata.obs_names == cell).sum())) > 1:
        msg = f"`cell` {cell!r} is the name of {n_named} cells. Run `adata.obs_names_make_unique()` first."
        raise ValueError(msg)
    shares = layer[adata.obs_names.get_loc(cell)].toarray().ravel()
    if not shares.any():
        msg = f"`cell` {cell!r} was not explained. Run `sbt.tl.attribute(adata, per_cell=True, n_cells=None)` first."
        raise KeyError(msg)
    params = adata.uns[ExplanationKeys(key_added).attribution]["params"]
    predicted = adata.obs[AnnotationKeys(key_added).label].astype(str)[cell]
    label = predicted if params["target"] == PREDICTED else params["target"]
    against = f", not {params['against']}" if params["against"] else ""
    genes = _top(shares, n_genes)
    steps = np.append(shares[genes], shares.sum() - shares[genes].sum())
    ends = np.cumsum(steps)
    ax = axes_to_draw(ax, size=(5.0, 1.4 + HEIGHT * len(steps)))
    colours = [FOR if step > 0 else AGAINST for step in steps[:-1]] + [PLAIN]
    ax.barh(range(len(steps)), steps, left=ends - steps, color=colours)
    for row in range(len(steps) - 1):
        ax.plot([ends[row]] * 2, [row + 0.4, row + 0.6], color="0.5", linewidth=0.8)
    _name_genes(adata, ax, genes, label, key_added)
    n_others = int((shares != 0).sum()) - len(genes)
    ax.set_yticks(range(len(steps)), [*(str(name) for name in adata.var_names[genes]), f"{n_others:,} other genes"])
    ax.set_ylim(len(steps) - 0.4, -0.6)
    ax.axvline(ends[-1], color="0.3", linewidth=0.8, linestyle=":", zorder=0)
    known = known_among(adata, [str(name) for name in adata.var_names[genes]], [label], key_added=key_added)[:, 0]
    mark_known(ax, np.append(known, False))
    ax.set(xlabel=UNIT, title=f"{cell}\n{label}{against}: {ends[-1]:+.1f} over the {params['baseline']} cell")
    ax.title.set_fontsize("medium")
    return ax
