"""Gather cells of unknown types into clusters that somebody can look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.linalg import svds

from .profiles import log_expression

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy import sparse

FEWEST_CELLS = 10
"""Fewer cells that resemble each other are left as single cells."""

MOST_CELLS = 4_000
"""Cells that decide what the clusters are; further ones join that of their nearest cell."""

FEW_CELLS = 500
"""Up to so many, directions are found from the products of all pairs of cells, at once instead of step by step."""

LEAST_TOLD = 1e-9
"""Share of the strongest direction's sum of squares below which a direction is rounding."""

N_DIRECTIONS = 20
"""Directions of expression in which cells are compared."""


def propose_clusters(
    rows: Callable[[NDArray[np.int64]], sparse.csr_matrix], cells: NDArray[np.int64], *, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the cluster of each cell, the largest cluster 0; -1 for cells like no ten others.

    Density decides how many clusters there are (HDBSCAN, Campello et al. 2013, doi:10.1007/978-3-642-37456-2_14).

    Parameters
    ----------
    rows
        Gives cells by number as (cells, genes) values proportional to counts.
    cells
        Numbers of the cells to cluster, sorted.
    rng
        Chooses the cells that decide where there are many.
    """
    if len(cells) < FEWEST_CELLS:
        return np.full(len(cells), -1)
    deciding = np.sort(rng.permutation(len(cells))[:MOST_CELLS])
    directions = _directions(log_expression(rows(cells[deciding])), rng)
    place = np.concatenate([log_expression(rows(part)) @ directions for part in _parts(cells)])
    place /= np.maximum(np.linalg.norm(place, axis=1, keepdims=True), 1e-9)
    return _by_size(_join(place, deciding, _dense_groups(place[deciding])))


def _dense_groups(place: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return dense groups of cells; all that lies in one heap is one group."""
    from sklearn.cluster import HDBSCAN

    # Allowed a single cluster from the start, HDBSCAN prefers it to the groups inside.
    for single in (False, True):
        found: NDArray[np.int64] = HDBSCAN(FEWEST_CELLS, allow_single_cluster=single, copy=True).fit_predict(place)
        if found.max(initial=-1) >= 0:
            break
    return found


def _directions(logs: sparse.csr_matrix, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the directions in which the cells differ most, (genes, directions)."""
    n = min(N_DIRECTIONS, min(logs.shape) - 1)
    if logs.shape[0] <= FEW_CELLS:
        squared, cells = (part[..., -n:] for part in np.linalg.eigh((logs @ logs.T).toarray().astype(np.float64)))
        told = squared > LEAST_TOLD * squared[-1]
        return np.asarray(logs.T @ (cells[:, told] / np.sqrt(squared[told])), np.float32)
    # Without `v0` the start is drawn from numpy's global generator.
    _, strength, directions = svds(logs, k=n, v0=rng.standard_normal(min(logs.shape)))
    return np.asarray(directions[strength > 1e-6].T, np.float32)


def _parts(cells: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the cells in parts that fit into memory."""
    return np.array_split(cells, -(-len(cells) // MOST_CELLS))


def _join(place: NDArray[np.float32], deciding: NDArray[np.int64], found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cluster of every cell: its own, or for a cell that did not decide, that of the nearest one."""
    from sklearn.neighbors import NearestNeighbors

    codes = np.full(len(place), -1)
    codes[deciding] = found
    others = np.setdiff1d(np.arange(len(place)), deciding)
    if len(others):
        nearest = NearestNeighbors(n_neighbors=1).fit(place[deciding]).kneighbors(place[others])[1][:, 0]
        codes[others] = found[nearest]
    return codes


def _by_size(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the same clusters numbered by size."""
    names, n_cells = np.unique(codes[codes >= 0], return_counts=True)
    # One place more than clusters: code -1 finds the last, which stays -1.
    rank = np.full(codes.max(initial=-1) + 2, -1)
    rank[names[np.argsort(-n_cells, kind="stable")]] = np.arange(len(names))
    return rank[codes]
