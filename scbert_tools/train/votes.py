"""Gene votes solved to convergence: the ridge-penalised linear model that the head's votes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.optimize import minimize

from ..model.heads import VOTE_LENGTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..tokens.levels import TokenRows

MAX_ROUNDS = 150
"""Rounds of L-BFGS after which a solution is taken as it is."""


@dataclass(frozen=True)
class Votes:
    """What every gene says for every class.

    Parameters
    ----------
    weight
        (genes, classes) float32.
    bias
        (classes,) float32.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __call__(self, loudness: sparse.csr_matrix) -> NDArray[np.float32]:
        """Return the sums of the votes, (cells, classes)."""
        return np.asarray(loudness @ self.weight + self.bias, np.float32)


def loudness_of(tokens: TokenRows, n_genes: int, power: float) -> sparse.csr_matrix:
    """Return how loud each gene of each cell votes, (cells, genes), as :func:`~scbert_tools.model.heads.loudness`."""
    loud = tokens.levels.astype(np.float32) ** np.float32(power)
    # The zero at the end lets the last cells be empty. Of an empty cell `reduceat` returns a neighbour's value, which
    # `repeat` then uses no times.
    lengths = np.sqrt(np.add.reduceat(np.r_[loud**2, 0], tokens.indptr[:-1]))
    loud *= np.repeat(VOTE_LENGTH / np.maximum(lengths, 1e-12), tokens.lengths)
    return sparse.csr_matrix((loud, tokens.genes, tokens.indptr), (len(lengths), n_genes))


def solve_votes(
    loudness: sparse.csr_matrix,
    allowed: NDArray[np.bool_],
    weight: NDArray[np.float32],
    *,
    penalty: float,
    several: bool = False,
    start: Votes | None = None,
) -> Votes:
    """Return the votes with the lowest penalised loss; the problem is convex, so there is one answer.

    Parameters
    ----------
    loudness
        (cells, genes), see :func:`loudness_of`.
    allowed
        (cells, classes), true where the cell's label allows the class.
    weight
        (cells,) importance of every cell.
    penalty
        Factor of half the sum of squared votes, beside the mean loss of the cells.
    several
        Whether classes are independent of each other (a sigmoid each) or exclude each other.
    start
        A guess, such as the solution for a higher penalty.
    """
    shape = (loudness.shape[1] + 1, allowed.shape[1])
    guess = np.zeros(shape) if start is None else np.vstack([start.weight, start.bias])
    slope_of = _sigmoid_slope if several else _marginal_slope
    columns, share = loudness.T.tocsr(), (weight / weight.sum()).astype(np.float32)

    def penalised(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        votes = flat.reshape(shape).astype(np.float32)
        loss, slope = slope_of(loudness @ votes[:-1] + votes[-1], allowed)
        slope *= share[:, None]
        gradient = np.vstack([columns @ slope + penalty * votes[:-1], slope.sum(axis=0)])
        return float(share @ loss + 0.5 * penalty * np.square(votes[:-1]).sum()), gradient.ravel().astype(np.float64)

    options = {"maxiter": MAX_ROUNDS, "ftol": 1e-6, "gtol": 1e-6}
    found = minimize(penalised, guess.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(shape)
    return Votes(found[:-1].astype(np.float32), found[-1].astype(np.float32))


def _marginal_slope(
    logits: NDArray[np.float32], allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return minus the log-probability of the allowed classes, (cells,), and its slope in the logits."""
    # The slope of a marginal likelihood: the softmax of all classes less that of the classes allowed.
    allowed_logits = np.where(allowed, logits, -np.inf)
    total, within = log_sum_exp(logits), log_sum_exp(allowed_logits)
    return (total - within)[:, 0], np.exp(logits - total) - np.exp(allowed_logits - within)


def _sigmoid_slope(
    logits: NDArray[np.float32], allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the cross-entropy of a sigmoid per class, summed over classes, and its slope in the logits."""
    loss = (np.logaddexp(0, logits) - allowed * logits).sum(axis=1)
    return loss, (1 / (1 + np.exp(-np.clip(logits, -60, 60))) - allowed).astype(np.float32)


def log_sum_exp(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logarithm of the sum of exponentials of each row, (rows, 1)."""
    top = logits.max(axis=1, keepdims=True)
    return top + np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
