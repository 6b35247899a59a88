"""What cells have of known markers beyond what the classes they may be of explain.

A type that nobody taught looks, as a whole, like its siblings, and the network calls it one of them. But databases know
its markers, whoever taught the network what, and no class it could be explains them all. Table: Cell Marker Accordion.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..genes.tables import marker_sources
from .profiles import LEAST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from scipy import sparse
    from scipy.sparse.linalg import LinearOperator

FEWEST_SOURCES = 6
"""Databases that must agree on a gene: most genes that only a few call markers follow states of cells."""

MOST_MARKERS = 10
"""Markers that are looked at in a cell: a type has few that all databases know, single genes are dropped out."""

FORGIVEN = 2.0
"""So many times more of a gene in a whole data set than is expected of it is laid to chemistry. Less is not: where half
of the cells are foreign and lack a gene, the known ones would seem to hold too much of it."""

FAINT = 0.01
"""Mean log-expression that is added before two data sets are compared."""

CELLS_PER_BLOCK = 4096
MARKERS_PER_BLOCK = 16
"""Bound memory, not results: tables of cells × all markers are never formed."""


def marker_weights(genes: Sequence[str]) -> NDArray[np.float32]:
    """Return what each gene counts as a marker, zero for most: (genes,).

    It is the number of databases that call it a marker of the same cell type, less one, for any type there is.

    Parameters
    ----------
    genes
        Symbols.
    """
    most: dict[str, int] = {}
    for sources in marker_sources().values():
        for gene, n_sources in sources.items():
            most[gene] = max(most.get(gene, 0), n_sources)
    agreed = np.array([most.get(gene, 0) for gene in genes], np.float32)
    return np.where(agreed >= FEWEST_SOURCES, agreed - 1, 0).astype(np.float32)


def expected_on(profiles: NDArray[np.float32], measured: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return profiles as if cells had been brought to the same count over the measured genes alone: (classes, genes).

    On a panel every gene takes a larger share of the counts than in the data that the profiles were made of.

    Parameters
    ----------
    profiles
        (classes, genes) mean log-expression over all genes.
    measured
        (genes,) which genes the data hold.
    """
    counts = np.expm1(profiles)
    kept = counts * measured
    share = kept.sum(axis=1, keepdims=True) / np.maximum(counts.sum(axis=1, keepdims=True), LEAST)
    return np.log1p(kept / np.maximum(share, LEAST)).astype(np.float32)


def surplus_reader(
    observed: sparse.csr_matrix,
    likely: NDArray[np.float32],
    profiles: NDArray[np.float32],
    *,
    measured: NDArray[np.bool_],
    markers: NDArray[np.float32],
) -> Callable[..., NDArray[np.float32]]:
    """Return :func:`surplus` of these cells: called without arguments in each of them, with ``weights`` in company.

    Parameters
    ----------
    observed, likely
        As in :func:`surplus`.
    profiles, measured
        As in :func:`expected_on`.
    markers
        (genes,) from :func:`marker_weights`.
    """
    columns = np.flatnonzero(markers)
    return partial(surplus, observed, likely, expected_on(profiles, measured)[:, columns], markers[columns])


def surplus(
    observed: sparse.csr_matrix,
    likely: NDArray[np.float32],
    profiles: NDArray[np.float32],
    marker_weight: NDArray[np.float32],
    *,
    weights: sparse.csr_matrix | LinearOperator | None = None,
) -> NDArray[np.float32]:
    """Return the mean of the largest surpluses of markers in each cell, or in the cells it listens to: (cells,).

    Square roots are compared, for what is measured of a gene varies the more the more there is of it.

    Parameters
    ----------
    observed
        (cells, markers) log-expression, zero where a marker was not measured.
    likely
        (cells, classes) probabilities, all zero for cells without anything to read.
    profiles
        (classes, markers) what is expected of the classes, from :func:`expected_on`.
    marker_weight
        (markers,) what each marker counts.
    weights
        (cells, cells) how much each cell listens to which, rows summing to one; ``None`` for every cell by itself.
    """
    n_cells, n_markers = observed.shape
    if not n_markers:
        return np.zeros(n_cells, np.float32)
    expected = profiles * _chemistry(observed, likely, profiles)
    if weights is None:
        alone = np.zeros(n_cells, np.float32)
        for at in range(0, n_cells, CELLS_PER_BLOCK):
            rows = slice(at, at + CELLS_PER_BLOCK)
            more = _beyond(observed[rows].toarray(), likely[rows] @ expected, marker_weight)
            alone[rows] = _largest(more).mean(axis=1)
        return alone
    # Weights may be an operator that has no rows to be taken: here the markers come in blocks.
    likely, by_marker = np.asarray(weights @ likely, np.float32), observed.tocsc()
    found = np.zeros((n_cells, 0), np.float32)
    for at in range(0, n_markers, MARKERS_PER_BLOCK):
        part = slice(at, at + MARKERS_PER_BLOCK)
        together = np.asarray(weights @ by_marker[:, part].toarray(), np.float32)
        more = _beyond(together, likely @ expected[:, part], marker_weight[part])
        found = _largest(np.hstack([found, more]))
    return found.mean(axis=1)


def _chemistry(
    observed: sparse.csr_matrix, likely: NDArray[np.float32], profiles: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return how many times more of each marker the data set as a whole holds than is expected: (markers,)."""
    seen = np.asarray(observed.mean(axis=0), np.float32).ravel()
    ratio = (seen + FAINT) / (likely.mean(axis=0) @ profiles + FAINT)
    return np.clip(ratio, 1, FORGIVEN).astype(np.float32)


def _beyond(
    observed: NDArray[np.float32], expected: NDArray[np.float32], marker_weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the weighted surplus of every marker: (cells, markers)."""
    more: NDArray[np.float32] = (np.sqrt(observed) - np.sqrt(expected)) * marker_weight
    return more


def _largest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest values of every row, in any order."""
    if values.shape[1] <= MOST_MARKERS:
        return values
    return np.partition(values, -MOST_MARKERS, axis=1)[:, -MOST_MARKERS:]
