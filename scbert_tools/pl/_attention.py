"""Draw which genes the model attends to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._arguments import check_adata, check_at_least
from .._docs import shared_docs
from .._keys import ExplanationKeys
from ..infer.enrichment import against_others
from ._figure import axes_to_draw, finish
from ._style import AGAINST, FOR, check_kind, chosen_labels, known_among, table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

KINDS = ("heatmap", "network")
LINES_PER_GENE = 1.5
"""Lines of a network, so that the strongest can still be followed."""


@shared_docs
def attention(
    adata: AnnData,
    *,
    kind: str = "heatmap",
    labels: Sequence[str] | None = None,
    n_genes: int = 3,
    key_added: str = "scbert",
    ax: Axes | None = None,
    show: bool = False,
) -> Axes:
    """Draw which genes the model attends to, as :func:`scbert_tools.tl.attention` wrote it.

    Parameters
    ----------
    {adata}
    kind
        ``"heatmap"``: genes × labels, the attention a gene gets, a dot where the literature calls the gene a marker of
        the label. ``"network"``: the genes given to :func:`scbert_tools.tl.attention` as a circle; a line joins two
        genes that are read together more than their own attention explains, the thicker the more.
    labels
        Groups to draw. ``None`` draws all.
    n_genes
        Genes per label, those that gain most over the other labels. For ``kind="heatmap"``.
    {key_added}
    {ax}
    {show}

    Returns
    -------
    {returns_axes}

    Raises
    ------
    KeyError
        If :func:`scbert_tools.tl.attention` has not been run (for a network: with ``genes``), or a label is not there.
    TypeError
        If ``labels`` is one text and not a list.
    ValueError
        If ``kind`` is unknown, ``labels`` is empty, or ``n_genes`` is below 1.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sbt.tl.annotate(adata)
    >>> sbt.tl.attention(adata)
    >>> ax = sbt.pl.attention(adata, labels=["B cell", "NK cell"])
    >>> [text.get_text() for text in ax.get_xticklabels()]
    ['B cell', 'NK cell']
    """
    check_adata(adata)
    check_at_least(1, n_genes=n_genes)
    check_kind(kind, KINDS)
    keys = ExplanationKeys(key_added)
    if kind == "network":
        if keys.gene_attention not in adata.uns:
            msg = f"adata.uns[{keys.gene_attention!r}] is missing. Run `sbt.tl.attention(adata, genes=[...])` first."
            raise KeyError(msg)
        return finish(_draw_network(adata.uns[keys.gene_attention], ax), show=show)
    table = table_of(adata, keys.attention, "attention")
    names = chosen_labels(table, labels)
    genes = _best(table, names, n_genes)
    known = known_among(adata, genes, names, key_added=key_added)
    return finish(_draw_heatmap(100 * table.loc[genes, names], known, ax), show=show)


def _best(table: pd.DataFrame, labels: list[str], n_genes: int) -> list[str]:
    """Return the genes that gain most over the other labels, label after label."""
    table = table[~table.index.duplicated()]
    gain = pd.DataFrame(against_others(table.to_numpy(np.float64)), table.index, table.columns)
    best = [str(gene) for label in labels for gene in gain[label].nlargest(n_genes).index]
    return list(dict.fromkeys(best))


def _draw_heatmap(percent: pd.DataFrame, known: NDArray[np.bool_], ax: Axes | None) -> Axes:
    """Draw percent of attention, genes × labels, with a dot on known markers."""
    from matplotlib.colors import PowerNorm

    ax = axes_to_draw(ax, size=(2.2 + 0.3 * percent.shape[1], 1.6 + 0.17 * percent.shape[0]))
    drawn = ax.imshow(percent, aspect="auto", cmap="cividis", norm=PowerNorm(0.5, vmin=0), interpolation="none")
    row, column = np.nonzero(known)
    ax.scatter(column, row, s=12, color="white", edgecolor="black", linewidth=0.6, label="known marker")
    ax.set_xticks(range(percent.shape[1]), percent.columns, rotation=90, fontsize=8)
    ax.set_yticks(range(percent.shape[0]), percent.index, fontsize=8)
    ax.figure.colorbar(drawn, ax=ax, label="attention (%)", shrink=0.6)
    if known.any():
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=8, borderaxespad=0.2)
    return ax


def _draw_network(square: pd.DataFrame, ax: Axes | None) -> Axes:
    """Draw genes on a circle, neighbours alike, and the lines between those read together."""
    lift, order = _lift(square.to_numpy(np.float64))
    lift, names = lift[np.ix_(order, order)], square.index[order]
    ax = axes_to_draw(ax, size=(5.5, 5.5))
    angle = 2 * np.pi * np.arange(len(names)) / len(names)
    x, y = np.cos(angle), np.sin(angle)
    pairs = [(lift[i, j], i, j) for i in range(len(names)) for j in range(i)]
    for strength, i, j in sorted(pairs)[-round(LINES_PER_GENE * len(names)) :]:
        if strength > 0:
            ax.plot(x[[i, j]], y[[i, j]], color=FOR, linewidth=0.5 + 2 * strength, alpha=0.6, zorder=1)
    ax.scatter(x, y, s=40, color=AGAINST, zorder=2)
    for place, name in enumerate(names):
        turn = np.degrees(angle[place])
        # On the left half, names would stand on their heads.
        flipped = 90 < turn % 360 < 270
        how: dict[str, Any] = {
            "ha": "right" if flipped else "left",
            "va": "center",
            "rotation_mode": "anchor",
            "fontsize": 9,
        }
        ax.text(1.06 * x[place], 1.06 * y[place], name, rotation=turn - 180 if flipped else turn, **how)
    ax.set(xlim=(-1.45, 1.45), ylim=(-1.45, 1.45), xticks=[], yticks=[], aspect="equal", frame_on=False)
    return ax


def _lift(square: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return by how many decades pairs are read together beyond chance, and an order with like genes side by side."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    square = np.nan_to_num(square)
    # Some genes draw attention whoever asks: what counts is how far a pair exceeds the column's mean.
    expected = square.mean(axis=0, keepdims=True)
    ratio = np.log10(np.maximum(square, 1e-9) / np.maximum(expected, 1e-9)).clip(-1, 1)
    lift = (ratio + ratio.T) / 2
    distance = 1 - lift
    np.fill_diagonal(distance, 0)
    return lift, leaves_list(linkage(squareform(distance, checks=False), "average", optimal_ordering=True))
