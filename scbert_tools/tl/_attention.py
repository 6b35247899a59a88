"""Show which genes the model attends to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._arguments import check_adata, check_list, seed_of
from .._docs import shared_docs
from .._keys import ExplanationKeys
from ._cells import find_cells, own
from ._groups import check_n_cells, find_groups, to_own_genes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from anndata import AnnData

    from ..model.annotator import Annotator
    from ._cells import CellSource
    from ._groups import Groups

MOST_GENES = 500
"""Genes of a square table: it has as many rows as columns."""


@shared_docs
def attention(
    adata: AnnData,
    *,
    groupby: str | None = None,
    of: str | int = "rollout",
    genes: Sequence[str] | None = None,
    n_cells: int | None = None,
    model: str | PathLike[str] | Annotator = "pbmc",
    key_added: str = "scbert",
    layer: str | None = None,
    rng: int | np.random.Generator = 0,
    copy: bool = False,
) -> AnnData | None:
    """Show which genes the model attends to in the cells of each group.

    Attention says where the model looks, not what it concludes: it has no sign, and highly expressed genes draw much
    of it everywhere. For the genes that argue for a label use :func:`~scbert_tools.tl.attribute`.

    Parameters
    ----------
    {adata}
    {groupby}
    of
        ``"rollout"`` follows the attention from CLS through all layers to the genes; a number takes what CLS attends
        to in that layer alone, counted from 0.
    genes
        Names of ``adata.var_names``, at most 500, for which a square table of gene-gene attention is written as well.
    n_cells
        Random cells per group to average over. ``None`` takes all.
    {model}
    {key_added}
    {layer}
    {rng}
    {copy}

    Returns
    -------
    {returns_copy}

    ``varm["scbert_attention"]``
        Mean share of attention that a gene gets (table of float32, genes × groups); the attention of a cell sums to
        one, 0 where no cell of the group expresses the gene.
    ``uns["scbert_attention"]``
        Parameters, cells per group, model.
    ``uns["scbert_gene_attention"]``
        With ``genes``: where the row's gene looks as well, the share that goes to the column's (table of float32,
        genes × genes), averaged over the cells that express the row's gene; missing where none does. In a model with
        latents this is the attention of the latents that read the row's gene, else the gene's own, rolled out.

    Raises
    ------
    KeyError
        If ``annotate`` has not been run and ``groupby`` is ``None``, or ``groupby``, ``layer`` or a gene is missing.
    ValueError
        If the data cannot be read, no cell is in a group, the model has no attention to follow (a published-format
        checkpoint), or ``of``, ``n_cells`` or ``genes`` is out of range.
    TypeError
        If ``genes`` is one name instead of several.

    Notes
    -----
    Attention rollout: Abnar and Zuidema 2020 (doi:10.18653/v1/2020.acl-main.385). Each step keeps one half of
    what a token held and takes the other from what it attends to; heads are averaged. The table of genes × genes of
    a cell is never made: it is followed row by row from CLS, or from the genes asked for.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sbt.tl.annotate(adata)
    >>> sbt.tl.attention(adata)
    >>> adata.varm["scbert_attention"].shape[0] == adata.n_vars
    True
    """
    from .. import models
    from ..infer.attention import attention_of, gene_attention
    from ..infer.token_scores import score_groups

    check_adata(adata)
    annotator = models.load(model)
    kernel = attention_of(annotator, of)
    check_n_cells(n_cells)
    groups = find_groups(adata, groupby, key_added)
    source = find_cells(adata, annotator.vocabulary, layer=layer, training=annotator.training)
    chosen = _chosen_genes(source, genes)
    cells = groups.draw(n_cells, np.random.default_rng(seed_of(rng, None)))
    scores = score_groups(annotator, source.rows, cells, groups.codes[cells], kernel)
    square = None if genes is None else gene_attention(annotator, source.rows, cells=cells, genes=chosen)
    adata = own(adata, copy=copy)
    _write(adata, ExplanationKeys(key_added), groups, to_own_genes(adata, source).T @ scores.means.T)
    adata.uns[ExplanationKeys(key_added).attention] = {
        "params": {"groupby": groupby or "", "of": str(of), "n_cells": n_cells or 0},
        "groups": groups.names,
        "n_cells": scores.n_cells.tolist(),
        "model": annotator.name,
    }
    if square is not None:
        adata.uns[ExplanationKeys(key_added).gene_attention] = pd.DataFrame(
            square, list(genes or ()), list(genes or ())
        )
    return adata if copy else None


def _chosen_genes(source: CellSource, genes: Sequence[str] | None) -> np.ndarray:
    """Return the numbers of genes in the model, or say which are not in the data or not in the model."""
    check_list(genes=genes)
    wanted = [] if genes is None else list(genes)
    place = {name: column for column, name in reversed(list(enumerate(source.names)))}
    absent = [gene for gene in wanted if gene not in place]
    if absent:
        msg = f"`genes` holds {absent}, which are not among the {len(source.names):,} genes of the data."
        raise KeyError(msg)
    if genes is not None and not 2 <= len(set(wanted)) == len(wanted) <= MOST_GENES:
        different = f"{len(wanted)} names, {len(set(wanted))} of them different"
        msg = f"`genes` must be 2 to {MOST_GENES} different genes, got {different}."
        raise ValueError(msg)
    number = source.match.target[np.array([place[gene] for gene in wanted], np.int64)]
    unread = [gene for gene, place in zip(wanted, number, strict=True) if place < 0]
    if unread:
        msg = f"`genes` holds {unread}, which the model does not read; leave them out."
        raise KeyError(msg)
    return number


def _write(adata: AnnData, keys: ExplanationKeys, groups: Groups, means: np.ndarray) -> None:
    """Put the table of genes × groups into ``adata``."""
    adata.varm[keys.attention] = pd.DataFrame(means.astype(np.float32), adata.var_names, groups.names)
