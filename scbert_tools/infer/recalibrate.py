"""Fit what stands between logits and promises on cells whose type is known: temperature and scores for sets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from ..model.labels import EITHER
from .conformal import held_out_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..model.labels import LabelTree
    from .conformal import HeldOut

RANGE = (0.3, 8.0)
"""Temperatures looked at."""

CELLS_BELIEVED = 30.0
"""A temperature fitted before counts as much as so many cells when a few more are looked at."""


def log_loss(temperature: float, logits: NDArray[np.float32], allowed: NDArray[np.bool_]) -> float:
    """Return the mean of minus the log-probability of the true labels.

    Parameters
    ----------
    temperature
        What logits are divided by.
    logits
        (cells, classes).
    allowed
        (cells, classes) which classes each true label leaves open.
    """
    scaled = logits / temperature
    inside = np.where(allowed, scaled, -np.inf)
    return float((logsumexp(scaled, axis=1) - logsumexp(inside, axis=1)).mean())


def fitted_temperature(sets: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]]) -> float:
    """Return the temperature under which the true labels are likeliest, every data set weighing the same.

    Parameters
    ----------
    sets
        Logits and allowed classes of each data set, see :func:`log_loss`.
    """

    def loss(temperature: float) -> float:
        return float(np.mean([log_loss(temperature, *one) for one in sets]))

    return float(minimize_scalar(loss, bounds=RANGE, method="bounded").x)


def updated_temperature(before: float, logits: NDArray[np.float32], allowed: NDArray[np.bool_]) -> float:
    """Return the temperature after seeing a few labelled cells of the user's own data.

    Parameters
    ----------
    before
        Temperature of the model.
    logits, allowed
        See :func:`log_loss`.
    """

    def loss(temperature: float) -> float:
        # A normal prior on the logarithm: few cells move the temperature little, many as far as they ask.
        step = np.log(temperature / before)
        return len(logits) * log_loss(temperature, logits, allowed) + CELLS_BELIEVED * step**2 / 2

    return float(minimize_scalar(loss, bounds=RANGE, method="bounded").x)


def names_of_labels(labels: Sequence[str], names: Sequence[str], tree: LabelTree) -> NDArray[np.int64]:
    """Return the place of each label in ``names``: its own, or that of the name it stands under; (n,).

    It is -1 for labels that leave several names open.

    Parameters
    ----------
    labels
        Names of the tree.
    names
        Names of which each leaf stands under exactly one.
    tree
        The tree.
    """
    where = {name: place for place, name in enumerate(names)}
    lines = {label: () if EITHER in label else tree.lineage(label) for label in set(labels)}
    above = {label: next((where[up] for up in line if up in where), -1) for label, line in lines.items()}
    return np.array([above[label] for label in labels], np.int64)


def scores_from(
    probabilities: NDArray[np.float32],
    labels: Sequence[str],
    *,
    names: Sequence[str],
    tree: LabelTree,
) -> HeldOut:
    """Return what conformal sets need to know of labelled cells of the data asked about.

    Parameters
    ----------
    probabilities
        (cells, classes) of the labelled cells.
    labels
        (cells,) their labels, names of the tree; those coarser than ``names`` are passed over.
    names
        Labels that sets are made of.
    tree
        The tree.
    """
    likely = probabilities @ tree.membership(names).T.astype(np.float32)
    found = held_out_scores(likely, names_of_labels(labels, names, tree), names)
    return replace(found, own=np.ones(len(found.names), bool))
