"""List the genes behind each label, with the literature's markers marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._arguments import check_adata, check_at_least
from .._docs import shared_docs
from .._keys import PREDICTED, ExplanationKeys
from ..genes.align import match_genes
from ..genes.markers import MIN_SOURCES, are_markers
from ..infer.enrichment import against_others, auroc, enrichment_p

if TYPE_CHECKING:
    from os import PathLike

    from anndata import AnnData
    from numpy.typing import NDArray

    from ..model.annotator import Annotator

WRITTEN_BY = {"attribution": "attribute", "attention": "attention"}
"""Methods, and the function that has to be run for each."""


@shared_docs
def markers(
    adata: AnnData,
    *,
    label: str | None = None,
    against: str | None = None,
    method: str = "attribution",
    n_genes: int = 20,
    min_sources: int = MIN_SOURCES,
    model: str | PathLike[str] | Annotator = "pbmc",
    key_added: str = "scbert",
) -> pd.DataFrame:
    """List the genes that argue most for each label, with the literature's markers marked.

    Reads what :func:`~scbert_tools.tl.attribute` or :func:`~scbert_tools.tl.attention` wrote, and changes nothing.

    Parameters
    ----------
    {adata}
    label
        Label to list. ``None`` lists all.
    against
        Another label: lists what argues for ``label`` in its cells more than it argues for the other in theirs. To
        explain one cell against another label, give ``against`` to :func:`~scbert_tools.tl.attribute`.
    method
        ``"attribution"`` or ``"attention"``; attention has no sign and is taken minus its mean over the other labels.
    n_genes
        Genes per label.
    min_sources
        Databases that must agree, 2 or more, before a gene counts as a known marker.
    {model}
    {key_added}

    Returns
    -------
    One row per label and gene, best first, with the columns ``label``, ``gene``, ``score`` (as ``method`` wrote it),
    ``known`` (whether the literature calls the gene a marker of that type; types without a Cell Ontology id have none),
    and, the same in all rows of a label, ``p_value`` (of as many known ones among as many random expressed genes) and
    ``auroc`` (how often a known marker scores higher than another expressed gene).

    Raises
    ------
    KeyError
        If ``attribute`` or ``attention`` has not been run, or a label is not among its groups.
    ValueError
        If ``method``, ``n_genes``, ``min_sources`` or ``against`` is out of range.

    Notes
    -----
    Known markers are those of the Cell Marker Accordion, which merges 23 databases (MIT licence), by Cell Ontology id:
    those of the ``target`` given to :func:`~scbert_tools.tl.attribute`, if it was one label, else of each group's.
    They are abundant genes, so that any score of abundant genes finds many of them; and the votes of the model ``pbmc``
    start from this table, so that agreement with it is no independent evidence there.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sbt.tl.annotate(adata)
    >>> sbt.tl.attribute(adata, n_cells=2)
    >>> bool(sbt.tl.markers(adata, label="NK cell", n_genes=5)["known"].any())
    True
    """
    from .. import models

    check_adata(adata)
    annotator = models.load(model)
    scores = _scores(adata, method, ExplanationKeys(key_added))
    _check(scores, label, against, n_genes=n_genes, min_sources=min_sources)
    match = match_genes(list(adata.var_names), annotator.vocabulary)
    expressed = (scores != 0).any(axis=1).to_numpy() & (match.target >= 0)
    symbols = [annotator.vocabulary.genes[place] for place in match.target[expressed]]
    values = scores[expressed]
    if method == "attention" and against is None:
        values = pd.DataFrame(against_others(values.to_numpy()), values.index, values.columns)
    explained, tables = _one_target(adata, method, ExplanationKeys(key_added)), []
    for name in scores.columns if label is None else [label]:
        known = are_markers(symbols, annotator.labels.ontology.get(explained or name, ""), min_sources=min_sources)
        column = values[name] if against is None else values[name] - values[against]
        tables.append(_top(name, column, known, n_genes))
    return pd.concat(tables, ignore_index=True)


def _scores(adata: AnnData, method: str, keys: ExplanationKeys) -> pd.DataFrame:
    """Return genes × labels, or say what has to be run first."""
    if method not in WRITTEN_BY:
        msg = (
            f"`method` must be one of {list(WRITTEN_BY)}, got {method!r}; how to attribute is chosen by "
            "`sbt.tl.attribute(adata, method=...)`."
        )
        raise ValueError(msg)
    key = getattr(keys, method)
    if key not in adata.varm:
        msg = f"adata.varm[{key!r}] is missing. Run `sbt.tl.{WRITTEN_BY[method]}(adata)` first."
        raise KeyError(msg)
    scores: pd.DataFrame = adata.varm[key]
    return scores


def _one_target(adata: AnnData, method: str, keys: ExplanationKeys) -> str | None:
    """Return the label that ``attribute`` explained in the cells of all groups, if it was told one."""
    target = adata.uns.get(keys.attribution, {}).get("params", {}).get("target", PREDICTED)
    return None if method != "attribution" or target == PREDICTED else str(target)


def _check(scores: pd.DataFrame, label: str | None, against: str | None, *, n_genes: int, min_sources: int) -> None:
    """Refuse labels that are not there and numbers out of range."""
    absent = [name for name in (label, against) if name is not None and name not in scores.columns]
    if absent:
        msg = f"No cells were explained for {absent}; the labels there are {list(scores.columns)}."
        raise KeyError(msg)
    if against is not None and label in (None, against):
        msg = f"`against` is {against!r}: give another label as `label` to compare with it, got {label!r}."
        raise ValueError(msg)
    check_at_least(1, n_genes=n_genes)
    check_at_least(2, min_sources=min_sources)


def _top(label: str, scores: pd.Series[float], known: NDArray[np.bool_], n_genes: int) -> pd.DataFrame:
    """Return the best genes of one label."""
    top = np.argsort(-scores.to_numpy(), kind="stable")[:n_genes]
    columns = {"label": label, "gene": scores.index[top], "score": scores.to_numpy()[top], "known": known[top]}
    any_known = known.any()
    agreement = {
        "p_value": enrichment_p(known, top) if any_known else np.nan,
        "auroc": auroc(scores.to_numpy(np.float64), known),
    }
    return pd.DataFrame(columns | agreement)
