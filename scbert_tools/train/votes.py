"""Gene votes solved to convergence: the ridge-penalised linear model that the head's votes are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from scipy.optimize import minimize

from ..model.heads import VOTE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..tokens.levels import TokenRows

MAX_ROUNDS = 150
"""Rounds of L-BFGS after which a solution is taken as it is."""

FEW_CELLS = 500
"""Up to so many cells are solved in axes of their own."""

SHORTEST_AXIS = 1e-6
"""Axes of the cells shorter than this share of the longest are rounding errors."""


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

    def loudest(self, n: int) -> NDArray[np.int64]:
        """Return the ``n`` genes with the loudest votes for or against each class, those of all classes together."""
        return np.unique(np.argsort(-np.abs(self.weight), axis=0, kind="stable")[:n])


def loudness_of(tokens: TokenRows, n_genes: int, power: float) -> sparse.csr_matrix:
    """Return how loud each gene of each cell votes, (cells, genes), as :func:`~scbert_tools.model.heads.loudness`."""
    loud = tokens.levels.astype(np.float32) ** np.float32(power)
    # The zero at the end lets the last cells be empty. Of an empty cell `reduceat` returns a neighbour's value, which
    # `repeat` then uses no times.
    lengths = np.sqrt(np.add.reduceat(np.r_[loud**2, 0], tokens.indptr[:-1]))
    loud *= np.repeat(VOTE_LENGTH / np.maximum(lengths, 1e-12), tokens.lengths)
    shape = (len(lengths), n_genes)
    return sparse.csr_matrix((loud, tokens.genes, tokens.indptr), shape, copy=True)  # SciPy sorts genes where they lie


def solve_votes(
    loudness: sparse.csr_matrix,
    allowed: NDArray[np.bool_],
    weight: NDArray[np.float32],
    *,
    penalty: float,
    several: bool = False,
    hints: NDArray[np.float32] | None = None,
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
    hints
        (genes, directions) votes known beforehand for other classes. Votes may be mixed from them, and only the shares
        of the mixture and what is voted beyond it are penalised: the longer the hints, the cheaper they are.
    start
        A guess, such as the solution for a higher penalty; of no use to few cells, which are solved at once.
    """
    share = (weight / weight.sum()).astype(np.float32)
    known = np.zeros((loudness.shape[1], 0), np.float32) if hints is None else hints
    hinted = np.asarray(loudness @ known, np.float32)
    middle = hinted.mean(axis=0)
    hinted -= middle
    slope_of = _sigmoid_slope if several else _marginal_slope
    if len(allowed) <= FEW_CELLS:
        axes, back = _own_axes(loudness, hinted)
        found = _lowest([axes], allowed, share, penalty=penalty, slope_of=slope_of)
        per_cell = back @ found[:-1]
        own, mixed = np.asarray(loudness.T @ per_cell, np.float32), hinted.T @ per_cell
    else:
        n_genes, silent = len(known), np.zeros((known.shape[1], allowed.shape[1]), np.float32)
        guess = None if start is None else np.vstack([start.weight, silent, start.bias])
        by_gene = loudness.tocsc()  # is multiplied nearly twice as fast
        found = _lowest([by_gene, hinted], allowed, share, penalty=penalty, slope_of=slope_of, guess=guess)
        own, mixed = found[:n_genes], found[n_genes:-1]
    return Votes(own + known @ mixed, found[-1] - middle @ mixed)


def _own_axes(
    loudness: sparse.csr_matrix, hinted: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return cells in axes of their own, (cells, axes), and the way back to a weight per cell, of the same shape.

    The best votes are sums over cells, so a few hundred cells need no more axes than cells, however many genes.
    """
    likeness = (loudness @ loudness.T).toarray().astype(np.float64) + hinted @ hinted.T
    length, axes = np.linalg.eigh(likeness)
    kept = length > SHORTEST_AXIS * length[-1]
    root = np.sqrt(length[kept])
    return (axes[:, kept] * root).astype(np.float32), (axes[:, kept] / root).astype(np.float32)


def _lowest(
    parts: list[Any],
    allowed: NDArray[np.bool_],
    share: NDArray[np.float32],
    *,
    penalty: float,
    slope_of: Callable[..., tuple[NDArray[np.float32], NDArray[np.float32]]],
    guess: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return penalised weights of the columns of all parts, and below them the free bias: (columns + 1, classes)."""
    bounds = np.cumsum([0, *(part.shape[1] for part in parts)])
    places = [slice(a, b) for a, b in pairwise(bounds.tolist())]
    shape = (int(bounds[-1]) + 1, allowed.shape[1])
    turned = [part.T.tocsc() if sparse.issparse(part) else part.T for part in parts]

    def penalised(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = flat.reshape(shape).astype(np.float32)
        logits = sum((part @ w[place] for part, place in zip(parts, places, strict=True)), w[-1])
        loss, slope = slope_of(logits, allowed)
        slope *= share[:, None]
        gradient = np.vstack([*(part @ slope for part in turned), slope.sum(axis=0)]).astype(np.float64)
        gradient[:-1] += penalty * w[:-1]
        return float(share @ loss + 0.5 * penalty * np.square(w[:-1]).sum()), gradient.ravel()

    options = {"maxiter": MAX_ROUNDS, "ftol": 1e-6, "gtol": 1e-6}
    first = np.zeros(shape) if guess is None else guess
    found = minimize(penalised, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(shape).astype(np.float32)


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
