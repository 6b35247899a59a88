"""Colours that colour-blind readers can tell apart, and what all plots of explanations share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._arguments import check_list
from .._keys import AnnotationKeys, ExplanationKeys
from ..genes.markers import are_markers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#555555")
"""Eight colours that differ for everybody (Okabe and Ito 2008)."""
FOR, AGAINST, PLAIN = OKABE_ITO[0], OKABE_ITO[5], "0.65"
"""Evidence for, evidence against, nothing special."""


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    """Return a colour for each label: eight hues, then the same hues darker and lighter."""
    from matplotlib.colors import to_hex, to_rgb

    shades = [np.asarray(to_rgb(colour)) for colour in OKABE_ITO]
    every = [*shades, *(0.6 * shade for shade in shades), *(0.5 + 0.5 * shade for shade in shades)]
    return {label: to_hex(tuple(every[place % len(every)].tolist())) for place, label in enumerate(labels)}


def known_among(adata: AnnData, genes: Sequence[str], labels: Sequence[str], *, key_added: str) -> NDArray[np.bool_]:
    """Return which genes the literature calls markers of which label: (genes, labels).

    The Cell Ontology ids are those that ``annotate`` or ``attribute`` wrote; a label without one has no known markers.
    """
    keys = AnnotationKeys(key_added)
    record = adata.uns.get(ExplanationKeys(key_added).attribution, {})
    terms = dict(zip(record.get("labels", ()), record.get("ontology_ids", ()), strict=True))
    if keys.ontology in adata.obs and keys.label in adata.obs:
        pairs = adata.obs[[keys.label, keys.ontology]].astype(str).drop_duplicates()
        terms |= dict(zip(pairs[keys.label], pairs[keys.ontology], strict=True))
    columns = [are_markers(genes, terms.get(label, "")) for label in labels]
    return np.array(columns, dtype=bool).reshape(len(labels), len(genes)).T


def table_of(adata: AnnData, key: str, written_by: str) -> pd.DataFrame:
    """Return a table of ``varm``, or say what has to be run first."""
    if key not in adata.varm:
        msg = f"adata.varm[{key!r}] is missing. Run `sbt.tl.{written_by}(adata)` first."
        raise KeyError(msg)
    table: pd.DataFrame = adata.varm[key]
    return table


def chosen_labels(table: pd.DataFrame, labels: Sequence[str] | None) -> list[str]:
    """Return the labels to draw, or say which are not there."""
    check_list(labels=labels)
    if labels is not None and not len(labels):
        msg = f"`labels` is empty; give some of {list(table.columns)}, or None for all."
        raise ValueError(msg)
    absent = [label for label in labels or [] if label not in table.columns]
    if absent:
        msg = f"No cells were explained for {absent}; the labels there are {list(table.columns)}."
        raise KeyError(msg)
    return list(table.columns) if labels is None else list(labels)


def find_basis(adata: AnnData, basis: str) -> str:
    """Return the field of ``obsm`` with a map, called ``X_umap`` or, as scanpy allows, ``umap``."""
    for name in (basis, f"X_{basis}"):
        if name in adata.obsm:
            return name
    msg = f"`basis` is {basis!r}, but adata.obsm has only {list(adata.obsm)}; run `sc.tl.umap(adata)` first."
    raise KeyError(msg)


def check_kind(kind: str, kinds: Sequence[str]) -> None:
    """Refuse a kind of plot that there is not."""
    if kind not in kinds:
        msg = f"`kind` must be one of {list(kinds)}, got {kind!r}."
        raise ValueError(msg)


def mark_known(ax: Axes, known: NDArray[np.bool_]) -> None:
    """Write the names of known markers on the vertical axis in bold."""
    for text, is_known in zip(ax.get_yticklabels(), known.tolist(), strict=True):
        text.set_fontweight("bold" if is_known else "normal")
