"""log(CPM + 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._arguments import check_adata
from .._docs import shared_docs
from ..tokens.scale import detect_scale
from ..tokens.transform import log_cpm

if TYPE_CHECKING:
    from anndata import AnnData


@shared_docs
def normalize_cpm(
    adata: AnnData, *, layer: str | None = None, key_added: str | None = None, copy: bool = False
) -> AnnData | None:
    """Bring every cell to one million counts and take log(x + 1), the scale of the original scBERT.

    Parameters
    ----------
    {adata}
    layer
        Layer with counts, or other values proportional to counts. ``None`` reads ``X``.
    key_added
        Layer to write to. ``None`` replaces what was read.
    {copy}

    Returns
    -------
    {returns_copy}

    ``X`` or ``layers[key_added or layer]``
        Natural logarithm of counts per million plus one (float32; sparse stays sparse, dense stays dense). Cells
        without any count stay zero.

    Raises
    ------
    ValueError
        If the values are logarithms already, scaled, negative, or not finite, or ``adata`` is backed by a file.
    KeyError
        If ``layer`` is not there.

    Notes
    -----
    Normalisation of Yang et al. 2022 (doi:10.1038/s42256-022-00534-z).

    Examples
    --------
    >>> import anndata as ad
    >>> import numpy as np
    >>> import scbert_tools as sbt
    >>> adata = ad.AnnData(np.array([[1.0, 3.0], [0.0, 2.0]], dtype="float32"))
    >>> sbt.pp.normalize_cpm(adata)
    >>> np.expm1(adata.X).sum(axis=1).round().tolist()
    [1000000.0, 1000000.0]
    """
    check_adata(adata)
    if layer is not None and layer not in adata.layers:
        msg = f"`layer` is {layer!r}, which is not among {[*filter(None, adata.layers)]}; name one, or none for X."
        raise KeyError(msg)
    values = adata.X if layer is None else adata.layers[layer]
    if adata.isbacked:
        msg = "`adata` is backed by a file, which would be overwritten; give `adata.to_memory()`."
        raise ValueError(msg)
    _check(values, "adata.X" if layer is None else f"adata.layers[{layer!r}]")
    normalized = log_cpm(values)
    adata = adata.copy() if copy else adata
    if target := key_added or layer:
        adata.layers[target] = normalized
    else:
        if adata.is_view:  # assigning to X of a view would write to the data it shows
            adata._init_as_actual(adata.copy())
        adata.X = normalized
    return adata if copy else None


def _check(values: object, name: str) -> None:
    """Refuse values that are not proportional to counts."""
    if values is None:
        msg = f"{name} is empty. Name the layer with counts: `layer=`."
        raise ValueError(msg)
    scale = detect_scale(values)
    if scale.kind not in {"counts", "linear", "empty"}:
        msg = (
            f"{name} holds {scale} ({scale.evidence}), not counts; normalising it again would distort it. "
            "Give counts with `layer=`, or leave the values as they are: `annotate` reads logarithms too."
        )
        raise ValueError(msg)
