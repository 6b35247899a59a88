"""Our own model in the benchmarks: trained by the recipe's own functions on the training sets only."""

from __future__ import annotations

import os
import sys
import time
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from graphs import usual_graph
from scoring import Prediction

sys.path.insert(0, str(Path(__file__).parents[2] / "tutorials" / "recipes"))
import pbmc
from sources import BLOOD, TREE, UNLABELLED, Cells, clinging_platelets, read_source

from scbert_tools.genes import Vocabulary, align_columns, match_genes
from scbert_tools.infer.forward import read_cells
from scbert_tools.infer.refine import average_evidence, neighbour_weights
from scbert_tools.model.annotator import Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Labelled
    from scipy import sparse

    from scbert_tools.infer.forward import CellStates
    from scbert_tools.model.annotator import Annotator

WORK = Path(os.environ.get("SCBERT_BENCHMARK_WORK", "benchmark_work"))
"""Folder for pretrained weights, which several folds share."""

ABLATIONS = {
    "plain": "no augmentation of depth and panels",
    "untaught": "no unlabelled blood named by a teacher",
    "unchecked": "labels of clusters as published",
    "unmixed": "no platelets that cling to other cells",
    "unmarked": "votes that start from nothing instead of known markers",
    "unpretrained": "no pretraining on masked genes",
}
"""What the method ``ours_<key>`` does without."""

NEVER = ("frozen_a", "malt_rna", "baron", "pdac_all")
"""Unlabelled sets whose cells or donors are tested on: never pretrained on here."""


@cache
def vocabulary() -> Vocabulary:
    """Return the genes of the shipped model; they were chosen without labels."""
    return pbmc.build_vocabulary(pbmc.Stage(data_folder(), WORK))


def data_folder() -> Path:
    """Return the folder with the public data sets."""
    from datasets import SHARED

    return SHARED / "data"


@cache
def pretrained_without(group: str) -> Path:
    """Return encoder weights pretrained without labels and without cells or donors of the left-out group."""
    left_out = {*NEVER, "kang_full"} if group == "kang" else set(NEVER)
    names = [name for name in UNLABELLED if name not in left_out]
    sets = {name: read_source(UNLABELLED[name], data_folder(), vocabulary()) for name in names}
    folder = WORK / ("without_kang" if "kang_full" in left_out else "common")
    folder.mkdir(parents=True, exist_ok=True)
    return pbmc.pretrain(pbmc.unlabelled_reference(sets), vocabulary(), folder)


def cells_of(one: Labelled) -> Cells:
    """Return a labelled set in the genes of the model, with labels of the tree."""
    match = match_genes(list(one.genes), vocabulary())
    label = np.array([{"CD8 T or NK": "CD8 T|NK cell"}.get(name, name) for name in one.label])
    counts = align_columns(one.counts, match)
    counts.data = np.rint(counts.data)
    counts.eliminate_zeros()
    return Cells(counts, label, match)


def fit_predict(train: Sequence[Labelled], test: Labelled, *, seed: int, without: str = "") -> dict[str, Prediction]:
    """Train on some sets and name the cells of another.

    Parameters
    ----------
    train
        Sets to learn from.
    test
        Set to name; its labels are not looked at.
    seed
        Seed of everything random.
    without
        What to do without, a key of :data:`ABLATIONS`, or ``""`` for the method as it is.
    """
    begun = time.perf_counter()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    annotator = fitted_model(train, test.group, seed=seed, without=without)
    fitted = time.perf_counter()
    cells = cells_of(test).counts
    states = read_counts(annotator, cells)
    alone = states.probabilities(1.0)
    seconds = fitted - begun, time.perf_counter() - fitted
    votes = read_counts(voting_alone(annotator), cells).logits
    kept = {"logits": states.logits, "embedding": states.embedding, "votes": votes}
    keep_logits(test.name, seed, without=without, **kept)
    readings = {"ours": alone, "ours_refined": refined(test, alone)}
    return {name: prediction_of(annotator, one, seconds) for name, one in readings.items()}


def read_counts(annotator: Annotator, counts: sparse.csr_matrix) -> CellStates:
    """Return what the model says of some cells."""
    return read_cells(annotator, lambda rows: counts[rows], counts.shape[0], progress=False)


def prediction_of(annotator: Annotator, probabilities: np.ndarray, seconds: tuple[float, float]) -> Prediction:
    """Return the likeliest name of every cell and its probability."""
    names, summed = grouped(annotator, probabilities)
    best = summed.argmax(axis=1)
    return Prediction(names[best], summed[np.arange(len(best)), best], *seconds)


def refined(test: Labelled, probabilities: np.ndarray) -> np.ndarray:
    """Return probabilities after the neighbours of scanpy's usual graph agreed on their evidence."""
    return average_evidence(probabilities, neighbour_weights(usual_graph(test.counts)))


LAST: dict[tuple[object, ...], Annotator] = {}
"""The model trained last: sets of one group are left out together and share it."""


def fitted_model(train: Sequence[Labelled], group: str, *, seed: int, without: str) -> Annotator:
    """Return a model trained on ``train``, or the last one if it was trained on the same sets."""
    key = (group, seed, without, tuple(len(one.label) for one in train))
    if key not in LAST:
        LAST.clear()
        LAST[key] = fit_transfer(train, group, seed=seed, without=without)
    return LAST[key]


def voting_alone(annotator: Annotator) -> Annotator:
    """Return a model whose Transformer does not correct the votes."""
    network = deepcopy(annotator.network)
    torch.nn.init.zeros_(network.head.correction.weight)
    torch.nn.init.zeros_(network.head.correction.bias)
    return replace(annotator, network=network)


def keep_logits(name: str, seed: int, *, without: str, **arrays: np.ndarray) -> None:
    """Leave what the network said in the work folder, for calibration and refinement."""
    folder = WORK / "logits"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{name}_{seed}{without and '_' + without}.npz", **arrays)


def grouped(annotator: Annotator, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the names to choose from and their probabilities, (cells, names)."""
    from datasets import COARSE

    names = np.array(sorted({COARSE.get(leaf, leaf) for leaf in annotator.classes}))
    return names, probabilities @ annotator.labels.membership(names).T.astype(np.float32)


def left_out_model(group: str, *, without: str = "") -> Annotator:
    """Return the model that saw no cell of a group of data sets, or what is left of it without a part.

    It is kept in the work folder; ``without`` is a key of :data:`ABLATIONS`.
    """
    from datasets import SOURCES
    from scoring import load_once

    from scbert_tools import models

    folder = WORK / f"left_out{without and '_' + without}" / group
    if not folder.is_dir():
        train = [load_once(name) for name, one in SOURCES.items() if one.group != group]
        fit_transfer(train, group, seed=0, without=without).save(folder)
    return models.load(folder)


@cache
def blood_without(group: str) -> tuple[Cells, ...]:
    """Return unlabelled blood for the teacher, without cells or donors of the left-out group."""
    left_out = {*NEVER, "kang_full"} if group == "kang" else set(NEVER)
    names = [name for name in BLOOD if name not in left_out]
    return tuple(pbmc.read_blood(name, data_folder(), vocabulary()) for name in names)


def fit_transfer(train: Sequence[Labelled], group: str, *, seed: int, without: str) -> Annotator:
    """Train the tree of the shipped model, as its recipe does."""
    known = [cells_of(one if without == "unchecked" else one.checked()) for one in train]
    mixed = [] if without == "unmixed" else clinging_platelets(known, np.random.default_rng(seed))
    pretrained = None if without == "unpretrained" else pretrained_without(group)
    trained = pbmc.train_with_teacher(
        [*known, *mixed],
        [] if without == "untaught" else blood_without(group),
        vocabulary(),
        pretrained=pretrained,
        seed=seed,
        augmentation=None if without == "plain" else pbmc.AUGMENTATION,
        marked=without != "unmarked",
    )
    return pbmc.assemble(trained, vocabulary(), Calibration(), "", pretrained=pretrained)


__all__ = ["TREE", "fit_predict"]
