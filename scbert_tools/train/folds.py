"""Which cells judge: folds of cells, or of whole batches, that training does not see."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def cell_folds(label: NDArray[np.int64], *, n_folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the fold of every cell, each label dealt out evenly over the folds.

    Parameters
    ----------
    label
        (cells,) codes.
    n_folds
        Number of folds.
    rng
        Source of randomness.
    """
    order = rng.permutation(len(label))
    order = order[np.argsort(label[order], kind="stable")]
    fold = np.empty(len(label), np.int64)
    fold[order] = (np.arange(len(label)) + rng.integers(n_folds)) % n_folds
    return fold


def batch_folds(
    label: NDArray[np.int64], batch: NDArray[np.int64], *, n_folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the fold of every cell such that no batch is split; fold 0 leaves every possible label to train on.

    Batches are dealt out from the largest on to the smallest fold. Fold 0 is then the one whose cells' labels are
    found most often outside it. With a single batch, cells are dealt out instead, and a warning says so.

    Parameters
    ----------
    label
        (cells,) codes.
    batch
        (cells,) codes of batches or donors.
    n_folds
        Most folds.
    rng
        Source of randomness, for batches of equal size.
    """
    size = np.bincount(batch)
    present = np.flatnonzero(size)
    if len(present) < 2:
        msg = "`batch_key` names a single batch, so that none can be held out; single cells are held out instead."
        warnings.warn(msg, UserWarning, stacklevel=4)
        return cell_folds(label, n_folds=n_folds, rng=rng)
    fold_of, filled = np.full(len(size), -1), np.zeros(min(n_folds, len(present)))
    # The largest first, each into the emptiest fold: folds of whole batches come out nearly even.
    for one in sorted(rng.permutation(present), key=lambda place: -size[place]):
        fold_of[one] = filled.argmin()
        filled[filled.argmin()] += size[one]
    fold = fold_of[batch]
    # Fold 0 judges the Transformer, so it becomes the one whose labels the others know best.
    first = int(np.argmax([_share_known(label, fold == place) for place in range(len(filled))]))
    return np.where(fold == 0, first, np.where(fold == first, 0, fold))


def _share_known(label: NDArray[np.int64], away: NDArray[np.bool_]) -> float:
    """Return the share of held-out cells whose label is left to train on, less a little for large folds."""
    return float(np.isin(label[away], label[~away]).mean()) - 0.1 * float(away.mean())
