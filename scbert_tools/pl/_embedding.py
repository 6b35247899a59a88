"""Draw labels and confidence on a map of the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from .._arguments import check_adata
from .._docs import shared_docs
from .._keys import AnnotationKeys
from ..model.labels import UNASSIGNED
from ._figure import finish
from ._style import find_basis, label_colours

if TYPE_CHECKING:
    from typing import Any

    from anndata import AnnData
    from matplotlib.axes import Axes


@shared_docs
def embedding(
    adata: AnnData,
    *,
    basis: str = "X_umap",
    key_added: str = "scbert",
    ax: Axes | None = None,
    show: bool = False,
    **options: Any,
) -> dict[str, Axes]:
    """Draw the labels, and how sure they are, on a map of the cells; scanpy does the drawing.

    Colours are your own if ``adata.uns["scbert_label_colors"]`` holds one for every label, as scanpy keeps them.

    Parameters
    ----------
    {adata}
    basis
        Field of ``adata.obsm`` with the map.
    {key_added}
    ax
        Axes to draw the labels into; confidence is left out then. ``None`` makes a new figure for both.
    {show}
    **options
        Passed on to ``scanpy.pl.embedding``, e.g. ``size``.

    Returns
    -------
    The axes drawn into, ``{"label": ..., "confidence": ...}``.

    Raises
    ------
    KeyError
        If the cells were not annotated, or ``basis`` is not there.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sbt.tl.annotate(adata)
    >>> sorted(sbt.pl.embedding(adata))
    ['confidence', 'label']
    """
    import matplotlib.pyplot as plt
    import scanpy as sc

    check_adata(adata)
    keys = AnnotationKeys(key_added)
    if keys.label not in adata.obs:
        msg = f"adata.obs[{keys.label!r}] is missing. Run `sbt.tl.annotate(adata)` first."
        raise KeyError(msg)
    basis = find_basis(adata, basis)
    drawn = {"label": ax} if ax is not None else _two_axes(plt)
    labels = pd.Categorical(adata.obs[keys.label])
    shared = {"basis": basis, "show": False, "frameon": False, **options}
    # scanpy writes the colours it used into `uns`: a view would become a copy, and another plot lose its palette.
    plain = adata.copy() if adata.is_view else adata
    before = plain.uns.get(f"{keys.label}_colors")
    palette = label_colours([name for name in labels.categories if name != UNASSIGNED]) | {UNASSIGNED: "#CCCCCC"}
    if before is not None and len(before) == len(labels.categories):
        palette = dict(zip(labels.categories, before, strict=True))
    chosen = {name: palette[name] for name in labels.categories}
    sc.pl.embedding(plain, color=keys.label, palette=chosen, ax=drawn["label"], title="label", **shared)
    if before is None:
        plain.uns.pop(f"{keys.label}_colors", None)
    else:
        plain.uns[f"{keys.label}_colors"] = before
    if "confidence" in drawn:
        how = {"color": keys.confidence, "color_map": "cividis", "vmin": 0, "vmax": 1, "title": "confidence"}
        sc.pl.embedding(plain, ax=drawn["confidence"], **how, **shared)
    finish(drawn["label"], show=show)
    return drawn


def _two_axes(plt: Any) -> dict[str, Axes]:
    """Return axes side by side, with room for the legend between them."""
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
    del figure
    return dict(zip(("label", "confidence"), axes, strict=True))
