"""What signs of novelty are, as a rule, in known cells of a class and depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FEWEST_CELLS = 15
"""Classes with fewer held-out cells are judged by the usual values of all cells."""

SMALLEST_SPREAD = 1e-3

HELD_BACK = 0.02
"""Variance of log genes that is added to the one found, so that slopes stay flat where depth hardly varies."""


def usual_signs(
    signs: NDArray[np.float32],
    best: NDArray[np.int64],
    n_genes: NDArray[np.int64],
    n_classes: int,
    *,
    alike: Sequence[int] = (),
    dataset: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Return height, slope in log genes and spread of every sign in held-out cells: (signs, classes, 3).

    Parameters
    ----------
    signs
        (signs, cells) from :func:`~scbert_tools.infer.novelty.signs_of_novelty`.
    best
        (cells,) likeliest class.
    n_genes
        (cells,) expressed genes.
    n_classes
        Number of classes.
    alike
        Rows of signs that are judged alike for all classes.
    dataset
        (cells,) data set of each cell; slopes of signs judged alike are those inside data sets. ``None`` for one set.
    """
    usual = np.zeros((len(signs), n_classes, 3), np.float32)
    depth, one_set = np.log1p(n_genes), np.zeros(len(best), np.int64)
    for place in range(n_classes):
        own = best == place
        chosen = own if own.sum() >= FEWEST_CELLS else np.ones_like(own)
        usual[:, place] = [_line(sign[chosen], depth[chosen], one_set[chosen]) for sign in signs]
    for row in alike:
        usual[row] = _line(signs[row], depth, one_set if dataset is None else dataset)
    return usual


def _line(
    values: NDArray[np.float32], depth: NDArray[np.float64], dataset: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Return height, slope and spread around lines inside data sets, which weigh the same.

    Slopes are held back where depth hardly varies. Between data sets depth goes with chemistry and tissue, which move
    all cells and are taken off by :func:`~scbert_tools.infer.novelty.bulk`.
    """
    parts = [(values[own], depth[own]) for own in (dataset == one for one in np.unique(dataset))]
    together = np.mean([((x - x.mean()) * (d - d.mean())).mean() for x, d in parts])
    slope = together / (np.mean([d.var() for _, d in parts]) + HELD_BACK)
    height = np.mean([x.mean() - slope * d.mean() for x, d in parts])
    spread = np.sqrt(np.mean([(x - slope * d).var() for x, d in parts]))
    return float(height), float(slope), float(max(spread, SMALLEST_SPREAD))
