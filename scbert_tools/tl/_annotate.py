"""Name the cell type of every cell."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd

from .._docs import shared_docs
from .._keys import AnnotationKeys
from ._cells import find_cells, own, vectors

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray
    from scipy import sparse
    from scipy.sparse.linalg import LinearOperator

    from ..infer.decide import Decision
    from ..infer.forward import CellStates
    from ..model.annotator import Annotator
    from ._cells import CellSource

NEIGHBOURS = "neighbors"


@shared_docs
def annotate(
    adata: AnnData,
    *,
    model: str | PathLike[str] | Annotator = "pbmc",
    refine: str | None = None,
    key_added: str = "scbert",
    layer: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Name the cell type of every cell, with a probability that means what it says.

    Reads counts or log-normalised values of all measured genes, from wherever they are in ``adata``, and reports for
    each cell the deepest cell type of the model's tree that is likely enough; otherwise the type above it, or
    ``"unassigned"``. Works offline, on a CPU, without changing ``X``.

    Parameters
    ----------
    {adata}
    {model}
    refine
        ``None`` judges every cell alone. ``"neighbors"`` averages evidence over the graph that
        ``scanpy.pp.neighbors`` wrote to ``adata.obsp["connectivities"]``; the name of a column of ``adata.obs``
        averages it within each cluster. Helps where clusters are clean, and can cost rare types.
    {key_added}
    {layer}
    {copy}

    Returns
    -------
    {returns_copy}

    ``obs["scbert_label"]``
        Cell type (category; ``"unassigned"`` where no type is likely enough).
    ``obs["scbert_confidence"]``
        Calibrated probability of that label, 0 to 1 (float32).
    ``obs["scbert_ontology_id"]``
        Cell Ontology id of the label (category; missing for unassigned cells).
    ``obsm["scbert_probabilities"]``
        Probability of every class (table of float32, cells × classes).
    ``obsm["X_scbert"]``
        Cell vectors (float32, cells × width), e.g. for ``sc.pp.neighbors(adata, use_rep="X_scbert")``.
    ``uns["scbert"]``
        Parameters, what was read and on which scale it was, gene coverage, classes and tree, model and version.

    Raises
    ------
    ValueError
        If there are no cells, no matrix with usable values, or too few genes of the model.
    KeyError
        If ``layer``, or what ``refine`` names, is not there.

    Notes
    -----
    The idea of a Transformer over expressed genes follows scBERT (Yang et al. 2022, doi:10.1038/s42256-022-00534-z).

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sbt.tl.annotate(adata)
    >>> adata.obs["scbert_label"].value_counts().index[0]
    'cDC'
    """
    from .. import models
    from ..infer.decide import decide
    from ..infer.forward import read_cells

    annotator = models.load(model)
    annotator.require_classes()
    source = find_cells(adata, annotator.vocabulary, layer=layer)
    smooth = _smoother(adata, refine)
    states = read_cells(annotator, source.rows, source.n_cells)
    readable = states.n_tokens > 0
    alone = states.probabilities(annotator.calibration.temperature)
    alone[~readable] = 1 / len(annotator.classes)
    probabilities = smooth(alone)
    decision = decide(probabilities, annotator.labels, threshold=annotator.calibration.threshold, readable=readable)
    adata = own(adata, copy=copy)
    _write(adata, AnnotationKeys(key_added), annotator, states, probabilities, decision)
    adata.uns[key_added] = _record(annotator, source, refine=refine, layer=layer)
    return adata if copy else None


def _smoother(adata: AnnData, refine: str | None) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return what turns single-cell probabilities into refined ones, or say what is missing for it."""
    from ..infer.refine import average_evidence

    if refine is None:
        return lambda probabilities: probabilities
    weights = _weights(adata, refine)
    return lambda probabilities: average_evidence(probabilities, weights)


def _weights(adata: AnnData, refine: str) -> sparse.csr_matrix | LinearOperator:
    """Return which cells listen to which."""
    from ..infer.refine import cluster_weights, neighbour_weights

    if refine == NEIGHBOURS and "connectivities" in adata.obsp:
        return neighbour_weights(adata.obsp["connectivities"])
    if refine != NEIGHBOURS and refine in adata.obs:
        return cluster_weights(pd.factorize(adata.obs[refine])[0])
    wanted = 'obsp["connectivities"]' if refine == NEIGHBOURS else f"obs[{refine!r}]"
    msg = (
        f"`refine` is {refine!r} but adata.{wanted} is missing. Run `sc.pp.neighbors(adata)` for "
        f"'{NEIGHBOURS}', or name a column of clusters among {list(adata.obs.columns)}."
    )
    raise KeyError(msg)


def _write(
    adata: AnnData,
    keys: AnnotationKeys,
    annotator: Annotator,
    states: CellStates,
    probabilities: NDArray[np.float32],
    decision: Decision,
) -> None:
    """Put the results into ``adata``."""
    label = pd.Categorical(decision.labels, list(decision.names)).remove_unused_categories()
    ontology = pd.Categorical([annotator.labels.ontology.get(name) for name in decision.labels])
    adata.obs[keys.label] = label
    adata.obs[keys.confidence] = decision.confidence
    adata.obs[keys.ontology] = ontology
    adata.obsm[keys.probabilities] = pd.DataFrame(probabilities, adata.obs_names, list(annotator.classes))
    adata.obsm[keys.embedding] = vectors(states)


def _record(annotator: Annotator, source: CellSource, **params: str | None) -> dict[str, Any]:
    """Return what ``uns`` keeps of a call, in values that h5ad can hold."""
    tree = annotator.labels.parents
    return {
        "params": {name: "" if value is None else str(value) for name, value in params.items()},
        "classes": list(annotator.classes),
        "hierarchy": {"name": list(tree), "parent": [above or "" for above in tree.values()]},
        "input": source.report(),
        "model": annotator.name,
        "fingerprint": annotator.fingerprint,
        "threshold": annotator.calibration.threshold,
        "temperature": annotator.calibration.temperature,
        "version": version("scbert-tools"),
    }
