"""Say which genes argue for a label."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from .._arguments import check_adata, seed_of
from .._docs import shared_docs
from .._keys import PREDICTED, ExplanationKeys
from ..model.labels import UNASSIGNED
from ._cells import find_cells, own
from ._groups import check_n_cells, find_groups, predicted_labels, to_own_genes

if TYPE_CHECKING:
    from os import PathLike

    from anndata import AnnData
    from numpy.typing import NDArray

    from ..infer.token_scores import GroupScores
    from ..model.annotator import Annotator

BACKGROUND_CELLS = 1000
"""Random cells of the data that make up the average cell."""
LARGEST_GAP = 0.1
"""Mean distance between the sum of shares and what it should be, as a part of the latter, that is passed over."""


@dataclass(frozen=True)
class _Target:
    """What to explain: each of ``labels``, and which of them in which cell (-1 for cells to leave out)."""

    labels: list[str]
    codes: NDArray[np.int64]


@shared_docs
def attribute(  # noqa: PLR0913
    adata: AnnData,
    *,
    method: str = "integrated_gradients",
    target: str = PREDICTED,
    against: str | None = None,
    groupby: str | None = None,
    baseline: str | None = None,
    n_cells: int | None = 50,
    per_cell: bool = False,
    model: str | PathLike[str] | Annotator = "pbmc",
    key_added: str = "scbert",
    layer: str | None = None,
    rng: int | np.random.Generator = 0,
    copy: bool = False,
) -> AnnData | None:
    """Say which genes argue for a label, cell by cell and on average over groups.

    Every expressed gene gets a share of the evidence: of the mean calibrated logit of the label minus that of all
    other classes (or of the label given as ``against``). Shares are in natural logarithms of odds, positive for genes
    that speak for the label, and those of a cell sum to how much its evidence differs from that of the baseline.

    Parameters
    ----------
    {adata}
    method
        ``"integrated_gradients"`` (20 gradients a cell, 100 cells a second on a core), ``"gradient_shap"`` (64 random
        gradients, through captum; 12 cells a second) or ``"shap"`` (the model is asked 500 times with modules of genes
        taken away, through shap; 5 cells a second). The first and the last take the votes of genes, which are linear,
        exactly. The first is the quickest and as faithful as any, SHAP the most alike over trainings.
    target
        ``"predicted"`` explains the label that ``annotate`` gave each cell; the name of a class, or of an inner node of
        the model's tree, explains that label in every cell.
    against
        Label of the tree to compare with, as in "why CD8 T and not CD4 T". ``None`` compares with all other classes.
    {groupby}
    baseline
        ``"empty"`` compares with a cell that expresses nothing, ``"average"`` with the average cell of the data in the
        genes that the cell expresses. ``None`` takes ``"empty"``, and ``"average"`` for gradient-SHAP.
    n_cells
        Random cells per group to explain. ``None`` takes all.
    per_cell
        Write the shares of every cell explained as well.
    {model}
    {key_added}
    {layer}
    {rng}
    {copy}

    Returns
    -------
    {returns_copy}

    ``varm["scbert_attribution"]``
        Mean share of each gene (table of float32, genes × groups); a cell that does not express the gene counts as 0.
    ``uns["scbert_attribution"]``
        Parameters, groups, cells per group, labels explained and their Cell Ontology ids, model, and ``completeness``:
        largest and mean distance between the sum of a cell's shares and the change of its evidence, and the mean size
        of that change. A warning is given where the mean distance is more than a tenth of it.
    ``layers["scbert_attribution"]``
        With ``per_cell=True``: the shares (sparse float32, cells × genes); rows of cells not drawn are empty.

    Raises
    ------
    KeyError
        If ``annotate`` has not been run, or ``target``, ``against``, ``groupby`` or ``layer`` is not there.
    ValueError
        If the data cannot be read, no cell is in a group, or ``method``, ``baseline`` or ``n_cells`` is out of range.
    ImportError
        If captum or shap is needed and missing; ``pip install 'scbert-tools[explain]'``.

    Notes
    -----
    Integrated gradients: Sundararajan et al. 2017 (arXiv:1703.01365). SHAP and gradient-SHAP: Lundberg and Lee 2017
    (arXiv:1705.07874). Modules of genes are a tree of gene vectors alike; values are Owen's.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sbt.tl.annotate(adata)
    >>> sbt.tl.attribute(adata, n_cells=2)
    >>> "NKG7" in adata.varm["scbert_attribution"]["NK cell"].nlargest(10)
    True
    """
    from .. import models
    from ..infer.direction import directions
    from ..infer.evidence import require_votes
    from ..infer.explainers import check_method, explainer
    from ..infer.token_scores import score_groups

    check_adata(adata)
    annotator = models.load(model)
    annotator.require_classes()
    baseline = check_method(method, baseline)
    check_n_cells(n_cells)
    require_votes(annotator)
    groups = find_groups(adata, groupby, key_added, assigned_only=target == PREDICTED)
    wanted = _find_target(adata, target, key_added)
    toward = directions(annotator, wanted.labels, against)
    source = find_cells(adata, annotator.vocabulary, layer=layer, training=annotator.training)
    generator = np.random.default_rng(seed_of(rng, None))
    cells = groups.draw(n_cells, generator)
    background = source.rows(np.sort(generator.permutation(source.n_cells)[:BACKGROUND_CELLS]))
    kernel = explainer(
        annotator, method, toward[wanted.codes[cells]], baseline=baseline, background=background, rng=generator
    )
    scores = score_groups(annotator, source.rows, cells, groups.codes[cells], kernel, keep=per_cell)
    adata = own(adata, copy=copy)
    key, to_own = ExplanationKeys(key_added).attribution, to_own_genes(adata, source)
    adata.varm[key] = pd.DataFrame((to_own.T @ scores.means.T), adata.var_names, groups.names).astype(np.float32)
    if scores.each is not None:
        adata.layers[key] = _spread(scores.each @ to_own, cells, adata.n_obs)
    params = {"method": method, "target": target, "against": against, "groupby": groupby, "baseline": baseline}
    adata.uns[key] = {
        "params": {name: value or "" for name, value in params.items()},
        "groups": groups.names,
        "labels": wanted.labels,
        "ontology_ids": [annotator.labels.ontology.get(label, "") for label in wanted.labels],
        "n_cells": scores.n_cells.tolist(),
        "completeness": completeness(scores),
        "model": annotator.name,
    }
    return adata if copy else None


def _find_target(adata: AnnData, target: str, key_added: str) -> _Target:
    """Return which label to explain in every cell."""
    if target != PREDICTED:
        return _Target([target], np.zeros(adata.n_obs, np.int64))
    labels = predicted_labels(adata, key_added).astype(str)
    named = pd.Categorical(labels.where(labels != UNASSIGNED))
    return _Target([str(name) for name in named.categories], named.codes.astype(np.int64))


def completeness(scores: GroupScores) -> dict[str, Any]:
    """Return how well the shares of cells sum to the change of their evidence; warn if they do not."""
    gap, change = np.abs(scores.gap), np.abs(scores.total)
    if gap.mean() > LARGEST_GAP * change.mean():
        msg = (
            f"The shares of genes miss the change of evidence by {gap.mean():.2g} on average, of {change.mean():.2g} "
            "to explain: read them as a ranking, or choose another `method` or `baseline`."
        )
        warnings.warn(msg, UserWarning, stacklevel=3)
    return {"largest_gap": float(gap.max()), "mean_gap": float(gap.mean()), "mean_change": float(change.mean())}


def _spread(rows: sparse.csr_matrix, cells: NDArray[np.int64], n_cells: int) -> sparse.csr_matrix:
    """Return some rows at their places among all cells, the others empty."""
    place = sparse.csr_matrix((np.ones(len(cells), np.float32), (cells, np.arange(len(cells)))), (n_cells, len(cells)))
    return (place @ rows).tocsr().astype(np.float32)
