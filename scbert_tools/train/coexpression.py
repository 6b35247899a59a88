"""What is known of genes before any training: where they were measured, how common they are, and with whom they go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds

from .baselines import log_normalized

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..data.reference import Reference

N_AXES = 64
"""Most axes of expression that vectors start from; wider vectors hold them turned, not more of them."""

LEAST_SPREAD = 0.05
"""Added to the spread of every gene, so that genes hardly seen do not count as much as others."""

LEAST_TOLD = 1e-4
"""Where a random direction of expression varies less than this, cells are all alike and nothing goes together."""

NOISE = 0.3
"""Spread of what is random in a vector, beside 1 of its co-expression: it tells apart genes that always go together."""


@dataclass(frozen=True)
class GeneFacts:
    """What some cells tell of the genes of a vocabulary.

    Parameters
    ----------
    measured
        (data sets, genes), true where a gene was measured.
    commonness
        (genes,) logarithm of the share of cells that express it.
    vectors
        (genes, width) vectors to start from, near each other for genes that rise and fall together.
    """

    measured: NDArray[np.bool_]
    commonness: NDArray[np.float32]
    vectors: NDArray[np.float32]


def gene_facts(cells: Reference, width: int, *, measured: NDArray[np.bool_] | None = None, seed: int) -> GeneFacts:
    """Return what cells tell of their genes.

    Parameters
    ----------
    cells
        The cells; labels are not looked at.
    width
        Numbers per vector.
    measured
        (data sets, genes), true where a gene was measured; by default where any cell of the data set expresses it.
    seed
        Seed of what is random in the vectors.
    """
    expressed = sparse.csr_matrix(cells.counts > 0, dtype=np.float32)
    share = np.asarray(expressed.mean(axis=0), np.float64).ravel()
    if measured is None:
        measured = (_sets(cells.dataset) @ expressed).toarray() > 0
    vectors = coexpression_vectors(cells.counts, cells.dataset, width, rng=np.random.default_rng(seed))
    return GeneFacts(measured, np.log(share + 1 / (1 + len(cells))).astype(np.float32), vectors)


def coexpression_vectors(
    counts: sparse.csr_matrix, dataset: NDArray[np.int64], width: int, *, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a vector for every gene, (genes, width), near each other for genes that rise and fall together.

    These are the loadings of the principal axes of log expression, every gene brought to a like spread and centred
    within its data set, each axis by the square root of its strength; turned at random and with noise, so that no
    number of a vector is special and no two genes are the same. Their spread is about 1.

    Parameters
    ----------
    counts
        (cells, genes).
    dataset
        (cells,) codes; differences between data sets are left out.
    width
        Numbers per vector.
    rng
        Source of randomness.
    """
    noise = rng.standard_normal((counts.shape[1], width))
    n_axes = min(N_AXES, width, min(counts.shape) - 1)
    if n_axes < 1 or counts.nnz == 0:
        return noise.astype(np.float32)
    start, centred = rng.standard_normal(min(counts.shape)), _centred(log_normalized(counts), dataset)
    if np.abs(centred @ noise[:, 0]).max() < LEAST_TOLD:
        return noise.astype(np.float32)
    _, strength, axes = svds(centred, k=n_axes, v0=start)
    loadings = axes.T * np.sqrt(strength)
    loadings *= np.sqrt(width / n_axes) / max(loadings.std(axis=0).mean(), 1e-12)
    turn = np.linalg.qr(rng.standard_normal((width, n_axes)))[0]
    return (loadings @ turn.T + NOISE * noise).astype(np.float32)


def _centred(logs: sparse.csr_matrix, dataset: NDArray[np.int64]) -> LinearOperator:
    """Return expression with every gene at a like spread and without the mean of its data set, never made dense."""
    mean, mean_square = (np.asarray(part.mean(axis=0), np.float64).ravel() for part in (logs, logs.power(2)))
    spread = np.sqrt(np.maximum(mean_square - mean**2, 0))
    scaled = (logs @ sparse.diags(1 / (spread + LEAST_SPREAD))).tocsr()
    sets = _sets(dataset)
    usual = (sets @ scaled).toarray() / np.maximum(np.bincount(dataset), 1)[:, None]

    def forward(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(scaled @ vectors - sets.T @ (usual @ vectors))

    def backward(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(scaled.T @ vectors - usual.T @ (sets @ vectors))

    return LinearOperator(
        scaled.shape, matvec=forward, rmatvec=backward, matmat=forward, rmatmat=backward, dtype=np.float64
    )


def _sets(dataset: NDArray[np.int64]) -> sparse.csr_matrix:
    """Return which cells belong to which data set, (data sets, cells)."""
    one = np.ones(len(dataset), np.float32)
    return sparse.csr_matrix((one, (dataset, np.arange(len(dataset)))))
