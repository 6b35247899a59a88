"""Whether an explanation tells what the model uses: take the genes away that it names, and watch the probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..data.batches import keep_tokens
from .forward import run_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from ..model.annotator import Annotator
    from ..tokens.levels import TokenRows


def ranked(scores: NDArray[np.float32], tokens: TokenRows) -> NDArray[np.int64]:
    """Return the place of each token among those of its cell, the highest score first: (tokens,).

    Parameters
    ----------
    scores
        (tokens,).
    tokens
        The cells.
    """
    cell = np.repeat(np.arange(len(tokens.lengths)), tokens.lengths)
    order = np.lexsort((-scores, cell))
    place = np.empty(len(scores), np.int64)
    place[order] = np.arange(len(scores)) - np.repeat(tokens.indptr[:-1], tokens.lengths)
    return place


def probability_curves(
    annotator: Annotator,
    tokens: TokenRows,
    rank: NDArray[np.int64],
    leaves: NDArray[np.bool_],
    numbers: Sequence[int],
    *,
    insert: bool = False,
) -> NDArray[np.float32]:
    """Return the probability of a label after its highest-ranked genes are taken away, or when they alone are left.

    Parameters
    ----------
    annotator
        The model.
    tokens
        The cells.
    rank
        (tokens,) place of each token in its cell, 0 first.
    leaves
        (cells, classes) which classes make up the label of each cell.
    numbers
        Numbers of genes.
    insert
        Keep these genes instead of deleting them.

    Returns
    -------
    (cells, numbers).
    """
    curves = np.empty((len(tokens.lengths), len(numbers)), np.float32)
    for column, number in enumerate(numbers):
        left = keep_tokens(tokens, rank < number if insert else rank >= number)
        logits = run_network(annotator, left)[0] / annotator.calibration.temperature
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        curves[:, column] = (odds * leaves).sum(axis=1) / odds.sum(axis=1)
    return curves


def equally_loud(tokens: TokenRows, chosen: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return, for the chosen tokens of every cell, as many others of the same levels, or else of the nearest.

    Parameters
    ----------
    tokens
        The cells.
    chosen
        (tokens,).
    rng
        Source of randomness.

    Returns
    -------
    (tokens,) true for as many tokens as ``chosen``, none of them chosen, where a cell has enough others.
    """
    taken = np.zeros(len(chosen), bool)
    for start, stop in zip(tokens.indptr[:-1], tokens.indptr[1:], strict=True):
        levels = tokens.levels[start:stop].astype(int)
        free = rng.permutation(np.flatnonzero(~chosen[start:stop]))
        for level in rng.permutation(levels[chosen[start:stop]]):
            if len(free):
                nearest = np.abs(levels[free] - level).argmin()
                taken[start + free[nearest]] = True
                free = np.delete(free, nearest)
    return taken


def tokens_of_scores(scores: sparse.csr_matrix, tokens: TokenRows) -> NDArray[np.float32]:
    """Return the score of every token, (tokens,), from those of (cells, vocabulary)."""
    cell = np.repeat(np.arange(len(tokens.lengths)), tokens.lengths)
    return np.asarray(scores[cell, tokens.genes]).ravel().astype(np.float32)
