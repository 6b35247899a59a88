"""What every method is given, what it hands back and how that is scored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from datasets import SOURCES, TOO_COARSE, TRANSFER, Labelled, load
from sklearn.metrics import f1_score

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AMBIGUOUS = "CD8 T or NK"
"""A protein gate that cannot tell the two apart: it trains no peer and, when tested on, either name is right."""

MIN_TRAINING_CELLS = {"coarse": 10, "label": 5}
"""Classes with fewer training cells are not tested on: across data sets, and inside one."""


@dataclass(frozen=True)
class Prediction:
    """What a method says about the cells of a test set."""

    labels: np.ndarray  # (cells,)
    confidence: np.ndarray | None  # (cells,) probability of the label, where the method states one
    seconds_fit: float
    seconds_predict: float
    options: str = ""
    """Settings that the training data chose, for the record."""


@dataclass(frozen=True)
class Score:
    """Agreement with the truth; F1 is taken over the classes that occur in the truth."""

    accuracy: float
    macro_f1: float
    worst_f1: float
    calibration_error: float
    """Expected calibration error, ten bins of equal width; nan for a method without probabilities."""
    n: int
    n_left_out: int = 0
    """Test cells without a fair question: label too coarse, or class with too few training cells."""


@dataclass(frozen=True, kw_only=True)
class TransferScore(Score):
    """Agreement across data sets, with and without the cells whose own transcripts contradict their cluster's name."""

    accuracy_borne_out: float
    macro_f1_borne_out: float


@cache
def load_once(name: str) -> Labelled:
    """Read a labelled set, or return it if it was read before."""
    return load(name)


def folds(names: Sequence[str] = TRANSFER) -> Iterator[tuple[Labelled, list[Labelled]]]:
    """Yield every test set with the sets that may train for it: all of other groups."""
    for name in names:
        group = SOURCES[name].group
        yield load_once(name), [load_once(other) for other in SOURCES if SOURCES[other].group != group]


def trainable_classes(labels: np.ndarray, *, target: str = "coarse") -> np.ndarray:
    """Return the names that say enough and have enough cells to be learned and tested."""
    names, n_cells = np.unique(labels, return_counts=True)
    return np.setdiff1d(names[n_cells >= MIN_TRAINING_CELLS[target]], [*TOO_COARSE, AMBIGUOUS])


def calibration_error(correct: np.ndarray, confidence: np.ndarray, *, n_bins: int = 10) -> float:
    """Return the mean distance between stated and observed share of correct labels, weighted by cells."""
    place = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gap = np.bincount(place, weights=confidence - correct, minlength=n_bins)
    return float(np.abs(gap).sum() / len(correct))


def score(truth: np.ndarray, predicted: np.ndarray, confidence: np.ndarray | None = None) -> Score:
    """Score predicted names against true ones, cell by cell."""
    correct = truth == predicted
    f1 = f1_score(truth, predicted, labels=np.unique(truth), average=None, zero_division=0)
    error = np.nan if confidence is None else calibration_error(correct, confidence)
    return Score(float(correct.mean()), float(f1.mean()), float(f1.min()), error, len(truth))


def settle(truth: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the truth is a gate of CD8 T or NK cells, count both names as CD8 T in truth and prediction."""
    if AMBIGUOUS not in truth:
        return truth, predicted
    return np.where(truth == AMBIGUOUS, "CD8 T", truth), np.where(predicted == "NK cell", "CD8 T", predicted)


def score_transfer(test: Labelled, train: Sequence[Labelled], prediction: Prediction) -> TransferScore:
    """Score coarse labels on the test cells whose class could be learned from the training sets."""
    truth, predicted = settle(test.coarse, np.asarray(prediction.labels, dtype=str))
    asked = np.isin(truth, trainable_classes(np.concatenate([one.coarse for one in train])))
    confidence = None if prediction.confidence is None else np.asarray(prediction.confidence)[asked]
    result = score(truth[asked], predicted[asked], confidence)
    sure = asked & ~test.doubtful
    borne_out = score(truth[sure], predicted[sure])
    figures = {**vars(result), "n_left_out": int((~asked).sum())}
    return TransferScore(**figures, accuracy_borne_out=borne_out.accuracy, macro_f1_borne_out=borne_out.macro_f1)
