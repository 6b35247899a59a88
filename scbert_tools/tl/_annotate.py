"""Name the cell type of every cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from .._arguments import check_adata
from .._docs import shared_docs
from .._keys import AnnotationKeys
from ._cells import find_cells, own
from ._results import Results, write_results
from ._several_labels import annotate_several, refuse_options
from ._truth import check_promise, conformal_sets, find_truth, threshold_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from anndata import AnnData
    from scipy import sparse
    from scipy.sparse.linalg import LinearOperator

    from ..model.annotator import Annotator

NEIGHBOURS = "neighbors"


@shared_docs
def annotate(
    adata: AnnData,
    *,
    model: str | PathLike[str] | Annotator = "pbmc",
    refine: str | None = None,
    coverage: float | None = None,
    calibrate: str | Sequence[str | None] | pd.Series | None = None,
    reject: float | None = 0.01,
    threshold: float | None = None,
    key_added: str = "scbert",
    layer: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Name the cell type of every cell, with a probability that means what it says.

    Reads counts or log-normalised values of all measured genes, from wherever they are in ``adata``, and reports for
    each cell the deepest cell type of the model's tree that is likely enough; otherwise the type above it, or
    ``"unassigned"`` and why. Works offline, on a CPU, without changing ``X``. A short report is told with
    ``scbert_tools.settings.verbosity = "info"`` and kept in ``uns``; what is out of the ordinary is always warned of.

    Parameters
    ----------
    {adata}
    {model}
    refine
        ``None`` judges every cell alone. ``"neighbors"`` lets it listen to its neighbours in the graph that
        ``scanpy.pp.neighbors`` wrote to ``adata.obsp["connectivities"]``; the name of a column of ``adata.obs``
        to its cluster. How far it listens was learned on held-out cells, so that rare types are not outvoted.
    coverage
        Share of cells, such as 0.9, whose set of labels is to hold the true one, for every label by itself. ``None``
        makes no sets.
    calibrate
        Labels you know of some cells, missing elsewhere: a column of ``adata.obs``, a series or one label per cell;
        names of the model's tree, or ``"A|B"`` for either.
        Confidence and sets then rest on these cells, which makes up for a chemistry the model has not seen.
    reject
        Cells are unassigned if a smaller share of held-out known cells looks as odd beside the others of their data
        set. ``None`` rejects no cell.
    threshold
        Probability that a label must reach; ``None`` for the model's own, usually 0.5. Higher is coarser but surer.
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
    ``obs["scbert_reason"]``
        Why a cell is unassigned: ``"uncertain"`` between known types, ``"unlike known types"`` or
        ``"nothing to read"`` (category; missing for cells with a label).
    ``obs["scbert_p_known"]``
        Share of held-out cells of known types that look at least as odd, each beside the others of its data set; a
        p-value (float32). What makes all cells odd, such as another chemistry, is forgiven as far as it has been seen.
        Known markers that no class explains count as odd, lack of them does not. With ``refine``, the cells listened to
        are judged as well, once more by markers alone: a sibling of known types shows in a group, hardly in a cell.
    ``obs["scbert_novel"]``
        Clusters ``"novel 1"``, ``"novel 2"`` … proposed among cells unlike known types (category; missing elsewhere).
    ``obs["scbert_doublet"]``
        Whether a cell looks like two of incompatible types (bool), if half of the model's genes were measured. This
        and the two above need a model that knows held-out cells, as the shipped one does.
    ``obs["scbert_set"]``
        If ``coverage`` is given: labels that the cell may have, such as ``"CD4 T | NK cell"`` (category). ``"none"``
        is a cell that is likely of one label only, but among its oddest: sets that held every cell of an easy type
        would be right more often than asked. With ``calibrate``, a cell of which no label is as likely as it is in
        your own cells.
    ``obsm["scbert_probabilities"]``
        Probability of every class (table of float32, cells × classes).
    ``obsm["X_scbert"]``
        Cell vectors (float32, cells × width), e.g. for ``sc.pp.neighbors(adata, use_rep="X_scbert")``.
    ``uns["scbert"]``
        Parameters, what was read and on which scale it was, gene coverage, classes and tree, model and version.

    Raises
    ------
    ValueError
        If there are no cells, no matrix with usable values, or too few genes of the model; if ``coverage``,
        ``reject`` or ``threshold`` is not between 0 and 1; or if labels of ``calibrate`` are unknown to the model or
        too few.
    KeyError
        If ``layer``, or what ``refine`` or ``calibrate`` names, is not there.

    Notes
    -----
    The idea of a Transformer over expressed genes follows scBERT (Yang et al. 2022, doi:10.1038/s42256-022-00534-z).
    Sets are conformal, with one promise per label (Sadinle et al. 2019, doi:10.1080/01621459.2017.1395341), and empty
    for odd cells (Guan & Tibshirani 2022, doi:10.1111/rssb.12443); ``uns`` says what the promise needs to hold. Known
    markers: Cell Marker Accordion (MIT).

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
    from ..infer.verdict import judge, p_known_of, read_all

    check_adata(adata)
    annotator = models.load(model)
    annotator.require_classes()
    threshold = threshold_of(annotator, threshold)
    if annotator.config.multilabel:
        refuse_options(refine=refine, coverage=coverage, calibrate=calibrate)
        return annotate_several(
            adata, annotator, AnnotationKeys(key_added), threshold=threshold, layer=layer, copy=copy
        )
    truth = find_truth(adata, calibrate, annotator)
    check_promise(truth, annotator, coverage=coverage, reject=reject)
    weights = None if refine is None else _weights(adata, refine)
    source = find_cells(adata, annotator.vocabulary, layer=layer, training=annotator.training)
    reading = read_all(annotator, source.rows, source.n_cells, measured=source.match.measured)
    temperature = truth.temperature(annotator, reading.states)
    verdict = judge(annotator, reading, temperature=temperature, threshold=threshold, weights=weights, reject=reject)
    sets = None
    if coverage is not None:
        # Sets are of each cell by itself, also where it listens to others.
        alone = verdict.p_known if weights is None else p_known_of(annotator, reading)
        sets = conformal_sets(truth, annotator, reading, coverage=coverage, p_known=alone)
    results = Results(annotator, source, reading, verdict, temperature, threshold, sets)
    params = {"refine": refine, "layer": layer, "coverage": coverage, "reject": reject}
    adata = own(adata, copy=copy)
    write_results(adata, AnnotationKeys(key_added), results, params=params)
    return adata if copy else None


def _weights(adata: AnnData, refine: str) -> sparse.csr_matrix | LinearOperator:
    """Return which cells listen to which."""
    from ..infer.refine import cluster_weights, neighbour_weights

    if not isinstance(refine, str):
        msg = f"`refine` must be '{NEIGHBOURS}' or the name of a column of obs, got {refine!r}."
        raise TypeError(msg)
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
