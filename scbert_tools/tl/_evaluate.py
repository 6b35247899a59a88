"""Say how good a fine-tuned model would be on donors it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._arguments import check_adata, seed_of
from .._docs import shared_docs
from ._cells import find_cells, find_own_genes

if TYPE_CHECKING:
    from os import PathLike

    from anndata import AnnData
    from numpy.typing import NDArray

    from ..data.targets import Targets
    from ..model.annotator import Annotator


@shared_docs
def evaluate(
    adata: AnnData,
    label_key: str,
    *,
    split: str | None = "donor",
    n_folds: int = 5,
    model: str | PathLike[str] | Annotator = "pbmc",
    layer: str | None = None,
    rng: int | np.random.Generator | None = None,
    random_state: int | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Say how well labels are told on donors that training has not seen, beside plain methods on the same cells.

    Donors are dealt out into folds. For each fold a model is fine-tuned on the other donors' cells, and names those of
    the fold; so do logistic regression, nearest neighbours and the commonest label. All folds are then scored together.

    Parameters
    ----------
    {adata}
    {label_key}
    split
        Column of ``adata.obs`` with the donors or batches that are held out whole. ``None`` holds out single cells,
        which flatters every method.
    n_folds
        Most folds; with fewer donors each is a fold of its own.
    {model}
    {layer}
    {rng}
    {random_state}
    **options
        Further options of :func:`scbert_tools.tl.fine_tune`.

    Returns
    -------
    A table with one line per method, the best first: accuracy, macro-F1 and number of cells judged. Cells whose label
    no other donor has are not judged.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If there is a single donor, fewer than two folds are wanted, or ``fine_tune`` refuses the data.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> table = sbt.tl.evaluate(adata, "bulk_labels", split=None, n_folds=2, n_steps=5)
    >>> table.columns.to_list()
    ['accuracy', 'macro_f1', 'n_cells']
    """
    from ..train.baselines import agreement, baseline_scores
    from ._training_cells import read_targets

    check_adata(adata)
    seed = seed_of(rng, random_state)
    targets = read_targets(adata, label_key, label_tree=None, multilabel=False)
    fold = _folds(adata, targets, split, n_folds, seed)
    everything = find_own_genes(adata, layer=layer).rows(slice(0, adata.n_obs))
    allowed = targets.membership[targets.code]
    scores: dict[str, list[NDArray[np.float32]]] = {}
    asked: list[NDArray[np.int64]] = []
    for place in range(int(fold.max()) + 1):
        learners, judges = np.flatnonzero((fold != place) & (fold >= 0)), np.flatnonzero(fold == place)
        # A label that no learner has cannot be told by any method.
        judges = judges[np.isin(targets.code[judges], targets.code[learners])]
        asked.append(targets.code[judges])
        every = baseline_scores(everything, allowed, learners=learners, judges=judges)
        every["ours"] = _ours(
            adata, label_key, targets, learners, judges, model=model, batch_key=split, layer=layer, rng=seed, **options
        )
        for name, said in every.items():
            scores.setdefault(name, []).append(said)
    label = np.concatenate(asked)
    found = {name: vars(agreement(np.concatenate(said), label, targets.membership)) for name, said in scores.items()}
    return pd.DataFrame.from_dict(found, orient="index").sort_values("macro_f1", ascending=False)


def _folds(adata: AnnData, targets: Targets, split: str | None, n_folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of every cell, -1 for cells without a label."""
    from ..train.folds import batch_folds, cell_folds
    from ._training_cells import batches_of_cells

    if n_folds < 2:
        msg = f"`n_folds` must be at least 2, got {n_folds!r}."
        raise ValueError(msg)
    rng, known = np.random.default_rng(seed), targets.known
    fold = np.full(adata.n_obs, -1)
    donor = batches_of_cells(adata, split)
    if donor is None:
        fold[known] = cell_folds(targets.code[known], n_folds=n_folds, rng=rng)
        return fold
    if len(np.unique(donor[known])) < 2:
        msg = (
            f"`split` names {split!r}, which has a single value among labelled cells; give a column of donors, or None."
        )
        raise ValueError(msg)
    fold[known] = batch_folds(targets.code[known], donor[known], n_folds=n_folds, rng=rng)
    return fold


def _ours(
    adata: AnnData,
    label_key: str,
    targets: Targets,
    learners: NDArray[np.int64],
    judges: NDArray[np.int64],
    *,
    batch_key: str | None,
    **options: Any,
) -> NDArray[np.float32]:
    """Return the probabilities that a model fine-tuned on the learners gives the judges, (judges, classes)."""
    from ..infer.forward import read_cells
    from ._fine_tune import fine_tune

    training = adata[learners].copy()
    several = batch_key is not None and training.obs[batch_key].nunique() > 1
    tuned = fine_tune(training, label_key, batch_key=batch_key if several else None, **options)
    source = find_cells(adata[judges].copy(), tuned.vocabulary, layer=options.get("layer"), training=tuned.training)
    states = read_cells(tuned, source.rows, source.n_cells, progress=False)
    said = pd.DataFrame(states.probabilities(tuned.calibration.temperature), columns=list(tuned.classes))
    return said.reindex(columns=list(targets.tree.leaves), fill_value=0.0).to_numpy(np.float32)
