"""Teach a model the cell types of a reference."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._arguments import check_adata, seed_of
from .._docs import shared_docs
from .._settings import logger
from ._cells import find_cells, find_own_genes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from anndata import AnnData

    from ..data.reference import Reference
    from ..data.targets import Targets
    from ..model.annotator import Annotator
    from ..model.labels import LabelTree
    from ..train.baselines import Agreement
    from ..train.fine_tuning import FineTuned
    from ..train.start import Start
    from ._cells import CellSource


LR_FRESH, LR_TRAINED = 2e-3, 5e-4
"""Highest learning rate from random weights, and from a model."""


@shared_docs
def fine_tune(  # noqa: PLR0913
    adata: AnnData,
    label_key: str | Sequence[str],
    *,
    model: str | PathLike[str] | Annotator = "pbmc",
    preset: str | None = None,
    batch_key: str | None = None,
    label_tree: LabelTree | Mapping[str, str | None] | None = None,
    multilabel: bool = False,
    contrastive: float = 0.5,
    temperature: float = 0.1,
    n_steps: int = 400,
    lr: float | None = None,
    keep_genes: bool = False,
    layer: str | None = None,
    folder: str | PathLike[str] | None = None,
    rng: int | np.random.Generator | None = None,
    random_state: int | None = None,
) -> Annotator:
    """Teach a model the cell types of a reference, on a laptop, and say how good it is.

    Every gene votes for the classes, as in a logistic regression, and a Transformer that reads the whole cell corrects
    the votes. What genes vote in ``model`` is a hint: new classes may be mixed from known ones, as far as cells left
    out show that to help, so that a few cells per class may be enough. The Transformer learns from cells drawn anew at
    other depths, by cross-entropy and by a contrastive loss that pulls cells of one type together. An eighth of the
    cells, or of the batches, is held out: it decides when to stop, how far the Transformer is trusted, and the
    temperature of the probabilities. The votes are then solved again with all cells.

    Parameters
    ----------
    {adata}
    label_key
        Column of ``adata.obs`` with the cell types; with ``multilabel=True`` a column of lists. Several boolean
        columns, one per label, also let cells have several labels. Cells without a label are left out, with a warning.
    model
        Name, folder or :class:`~scbert_tools.Annotator` to start from: its genes are kept and its classes are not. The
        encoder is the one it had before it learned its classes, if it kept that as ``"pbmc"`` does.
        A published-format model of :func:`scbert_tools.models.load_scbert` is fine.
    preset
        ``"mini"``, ``"base"`` or ``"scbert"`` to start from random weights of that size instead of ``model``.
    batch_key
        Column of ``adata.obs`` with batches or donors. Whole batches are then held out, which tells what to expect
        of new ones.
    label_tree
        From every label to the one above it, ``None`` at the top. Cells may be labelled at any depth of it. By default
        the tree of the model if it knows all labels, and no tree otherwise.
    multilabel
        Whether cells may have several labels at once.
    contrastive
        Weight of the contrastive loss (supervised InfoNCE) beside the cross-entropy; 0 leaves it out.
    temperature
        What cosines are divided by in the contrastive loss; lower values look at the nearest cells only.
    n_steps
        Most steps of training; it stops earlier when held-out cells no longer gain.
    lr
        Highest learning rate; by default 5e-4 from a model, so that it keeps what it knows, and 2e-3 from random
        weights.
    keep_genes
        Read only the genes of the model. By default it also learns the other genes of ``adata`` that at least five
        cells express, which helps on data of the same kind and may hurt on others.
    {layer}
    folder
        Where checkpoints go; a training that was interrupted goes on from there when called again.
    {rng}
    {random_state}

    Returns
    -------
    The model, ready for ``model=`` of every function. ``training["report"]`` holds the comparison with logistic
    regression and nearest neighbours on the held-out cells; it stands in ``card`` as well, and is logged (see
    ``scbert_tools.settings.verbosity``). ``training["history"]`` is for :func:`scbert_tools.pl.history`.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If there are fewer than two labels, labels are not in the tree, no matrix is usable, too few genes of the model
        are found, or an option is out of range.
    PermissionError
        If ``folder`` cannot be written to.
    FloatingPointError
        If training diverges; a lower ``lr`` helps.

    Notes
    -----
    Contrastive loss: van den Oord et al. 2018 (arXiv:1807.03748), with labels as in Khosla et al. 2020
    (arXiv:2004.11362).

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> model = sbt.tl.fine_tune(adata, "bulk_labels", preset="mini", n_steps=20)
    >>> len(model.classes)
    10
    """
    from ..train.checkpoint import check_folder
    from ..train.config import TrainConfig
    from ..train.contrast import Contrast
    from ..train.fine_tuning import FineTuning, fine_tune_network
    from ._training_cells import batches_of_cells, read_reference, read_targets

    check_adata(adata)
    seed = seed_of(rng, random_state)
    base = _base(model, preset)
    lr = lr if lr is not None else LR_FRESH if base is None else LR_TRAINED
    config = FineTuning(
        training=TrainConfig(n_steps=n_steps, lr=lr, check_every=50, patience=3, seed=seed),
        contrast=Contrast(weight=contrastive, temperature=temperature),
    )
    targets = read_targets(adata, label_key, label_tree=label_tree, multilabel=multilabel, known=_known(base))
    batch = batches_of_cells(adata, batch_key)
    where = None if folder is None else Path(folder)
    check_folder(where)
    source = find_own_genes(adata, layer=layer) if base is None else find_cells(adata, base.vocabulary, layer=layer)
    start = _start(source, base, preset, targets, seed=seed, keep_genes=keep_genes)
    reference = read_reference(source.in_genes(start.vocabulary), targets, batch=batch)
    _tell_what_is_left_out(targets)
    held = None if batch is None else reference.dataset
    done = fine_tune_network(start, reference, targets, config, batch=held, folder=where)
    return _assembled(start, base, reference, targets, done)


def _base(model: str | PathLike[str] | Annotator, preset: str | None) -> Annotator | None:
    """Return the model to start from, or nothing after checking the preset."""
    from .. import models
    from ..model.config import PRESETS

    if preset is None:
        return models.load(model)
    if preset not in PRESETS:
        msg = f"`preset` must be one of {list(PRESETS)}, got {preset!r}."
        raise ValueError(msg)
    return None


def _known(base: Annotator | None) -> LabelTree | None:
    """Return the tree of the model to start from, if there is one."""
    return None if base is None else base.labels


def _start(
    source: CellSource, base: Annotator | None, preset: str | None, targets: Targets, *, seed: int, keep_genes: bool
) -> Start:
    """Return the network to train, with the genes it is to read."""
    from ..train.start import fresh_start, start_from
    from ._training_cells import further_genes

    n_classes = len(targets.tree.leaves)
    sizes = {"multilabel": targets.several}
    if base is None:
        return fresh_start(str(preset), source.names, n_classes, seed=seed, **sizes)
    further = [] if keep_genes else further_genes(source, base.vocabulary)
    return start_from(base, n_classes, further_genes=further, seed=seed, **sizes)


def _tell_what_is_left_out(targets: Targets) -> None:
    """Warn of cells without a label, and of labels that a single cell has."""
    n_blank = int((targets.code < 0).sum())
    if n_blank:
        msg = f"{n_blank:,} of {len(targets.code):,} cells have no label in `label_key` and are left out."
        warnings.warn(msg, UserWarning, stacklevel=3)
    if targets.rare:
        msg = f"Labels of a single cell, learned from but never judged: {targets.rare}."
        warnings.warn(msg, UserWarning, stacklevel=3)


def _assembled(
    start: Start, base: Annotator | None, reference: Reference, targets: Targets, done: FineTuned
) -> Annotator:
    """Return the model with its calibration and a card that says how good it is."""
    from ..model.annotator import Annotator, Calibration
    from ..train.baselines import as_table

    found = _report(reference, targets, done)
    logger.info("Held-out cells:\n%s", as_table(found))
    return Annotator(
        network=done.network.eval(),
        config=start.config if done.rule is None else replace(start.config, vote_power=done.rule.power),
        vocabulary=start.vocabulary,
        labels=targets.tree,
        levels=start.levels,
        calibration=Calibration(temperature=done.temperature),
        name=f"{base.name}, fine-tuned" if base is not None else start.config.preset,
        card=_card(targets, done, as_table(found)),
        training={
            "history": asdict(done.history),
            "n_genes": int((reference.counts.getnnz(axis=0) > 0).sum()),
            "report": {name: asdict(one) for name, one in found.items()},
            "transformer_share": 1.0 if done.blend is None else done.blend.share,
            "vote_rule": None if done.rule is None else asdict(done.rule),
        },
    )


def _report(reference: Reference, targets: Targets, done: FineTuned) -> dict[str, Agreement]:
    """Return how our model and plain methods agree with the labels of the held-out cells."""
    from ..train.baselines import agreement, baseline_scores

    judges, several = done.judges, targets.several
    learners = np.setdiff1d(np.arange(len(reference)), judges)
    allowed, label = targets.membership[reference.label], reference.label[judges]
    plain = baseline_scores(reference.counts, allowed, learners=learners, judges=judges, several=several)
    return {
        name: agreement(said, label, targets.membership, several=several)
        for name, said in (done.logits | plain).items()
    }


def _card(targets: Targets, done: FineTuned, report: str) -> str:
    """Return what the model's folder says of it."""
    sizes = "\n".join(f"- {name or 'none'}: {n:,}" for name, n in zip(targets.names, targets.n_cells, strict=True))
    share = "" if done.blend is None else f" The Transformer's share beside the votes is {done.blend.share:g}."
    if done.rule and done.rule.trust:
        share += f" Votes known before were trusted {done.rule.trust:g}-fold."
    if done.rule and done.rule.kept:
        share += f" The {done.rule.kept} loudest genes of each label have half of the say."
    return (
        f"# Fine-tuned model\n\n{len(targets.known):,} labelled cells, {len(done.judges):,} of them held out. They "
        f"chose the settings, so the first line is a little too good.{share}\n\n{report}\n\n"
        f"Cells per label:\n\n{sizes}\n"
    )
