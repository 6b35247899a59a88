"""What plain methods reach on the same cells, and how all of them are scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from .votes import solve_votes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

INVERSE_PENALTY = 1.0
"""Scikit-learn's ``C`` of the logistic regression, which is its default."""
N_COMPONENTS = 50
N_NEIGHBOURS = 15
CELL_TOTAL = 10_000


@dataclass(frozen=True)
class Agreement:
    """How well labels agree with the truth.

    Parameters
    ----------
    accuracy
        Share of cells named right; of cells with exactly the right labels where a cell may have several.
    macro_f1
        Mean over labels of the harmonic mean of precision and recall.
    n_cells
        Cells judged.
    """

    accuracy: float
    macro_f1: float
    n_cells: int


def log_normalized(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return log(counts per 10,000 + 1)."""
    totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1e-12)
    scaled = sparse.csr_matrix(counts, dtype=np.float32, copy=True)
    scaled.data = np.log1p(scaled.data * np.repeat(CELL_TOTAL / totals, np.diff(scaled.indptr))).astype(np.float32)
    return scaled


def baseline_scores(
    counts: sparse.csr_matrix,
    allowed: NDArray[np.bool_],
    *,
    learners: NDArray[np.int64],
    judges: NDArray[np.int64],
    several: bool = False,
) -> dict[str, NDArray[np.float32]]:
    """Return what plain methods say of held-out cells, by name of the method; each is (judges, classes).

    Parameters
    ----------
    counts
        (cells, genes).
    allowed
        (cells, classes), true where a cell's label allows the class.
    learners, judges
        Cells to learn from and to name.
    several
        Whether a cell may have several labels; scores above 0 then are a yes.
    """
    x = log_normalized(counts)
    seen, asked, known = x[learners], x[judges], allowed[learners]
    share = np.tile(known.mean(axis=0, dtype=np.float32), (len(judges), 1))
    return {
        "logistic regression": _logistic(seen, known, asked, several=several),
        "nearest neighbours": _neighbours(seen, known, asked) - (0.5 if several else 0),
        "commonest label": share - (0.5 if several else 0),
    }


def _logistic(
    seen: sparse.csr_matrix, known: NDArray[np.bool_], asked: sparse.csr_matrix, *, several: bool
) -> NDArray[np.float32]:
    """Return the logits of a logistic regression with an L2 penalty on all genes."""
    equal = np.ones(len(known), np.float32)
    votes = solve_votes(seen, known, equal, penalty=1 / (INVERSE_PENALTY * len(known)), several=several)
    return votes(asked)


def _neighbours(seen: sparse.csr_matrix, known: NDArray[np.bool_], asked: sparse.csr_matrix) -> NDArray[np.float32]:
    """Return the share of the nearest cells that allow each class, in principal components of the cells learned."""
    pca = PCA(min(N_COMPONENTS, min(seen.shape) - 1), svd_solver="arpack", random_state=0).fit(seen)
    near = NearestNeighbors(n_neighbors=min(N_NEIGHBOURS, len(known))).fit(pca.transform(seen))
    return known[near.kneighbors(pca.transform(asked), return_distance=False)].mean(axis=1, dtype=np.float32)


def agreement(
    scores: NDArray[np.float32], label: NDArray[np.int64], membership: NDArray[np.bool_], *, several: bool = False
) -> Agreement:
    """Return how well the highest scores, or those above 0, agree with the labels.

    Parameters
    ----------
    scores
        (cells, classes).
    label
        (cells,) places of the true labels in ``membership``.
    membership
        (labels, classes), true where a label allows a class, or has it.
    several
        Whether a cell may have several labels.
    """
    if several:
        truth, said = membership[label], scores > 0
        right = (truth == said).all(axis=1)
        f1 = [_f1(truth[:, place], said[:, place]) for place in np.flatnonzero(truth.any(axis=0))]
    else:
        best = scores.argmax(axis=1)
        right = membership[label, best]
        named = np.where(right, label, membership[:, best].argmax(axis=0))
        f1 = [_f1(label == one, named == one) for one in np.unique(label)]
    return Agreement(float(right.mean()), float(np.mean(f1)), len(label))


def _f1(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> float:
    """Return the harmonic mean of precision and recall; 0 where nothing is right."""
    return float(2 * (truth & said).sum() / max(1, truth.sum() + said.sum()))


def as_table(found: Mapping[str, Agreement]) -> str:
    """Return the figures of several methods as a table in Markdown, the best macro-F1 first."""
    ranked = sorted(found.items(), key=lambda item: -item[1].macro_f1)
    rows = [f"| {name} | {one.accuracy:.3f} | {one.macro_f1:.3f} |" for name, one in ranked]
    return "\n".join(["| method | accuracy | macro-F1 |", "| --- | --: | --: |", *rows])
