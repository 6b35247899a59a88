"""Quantile alignment: make the factor loadings of every batch follow those of a reference batch.

Cells of all batches are grouped by the factor that marks them most; within a group, each batch's loadings are mapped
so that their quantiles become the reference's (Welch et al. 2019, Cell 177, 1873).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_ANCHORS = 20_000
"""Cells of a batch among which neighbours are looked for; more are sampled, so that time stays linear in cells."""
MAX_SAMPLE = 1_000
"""Cells of a group from which quantiles are taken."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Aligned loadings of several batches.

    Parameters
    ----------
    loadings
        Aligned loadings of each batch (cells, factors), float32.
    groups
        Group of each batch's cells: the index of the factor that marks them (cells,).
    reference
        Index of the batch that the others were aligned to.
    """

    loadings: tuple[NDArray[np.float32], ...]
    groups: tuple[NDArray[np.intp], ...]
    reference: int


def align_quantiles(
    loadings: Sequence[NDArray[np.float32]],
    *,
    n_quantiles: int = 50,
    n_neighbors: int = 20,
    min_cells: int = 20,
    reference: int | None = None,
    rng: np.random.Generator,
) -> Alignment:
    """Map the loadings of every batch onto the distribution they have in the reference batch.

    Parameters
    ----------
    loadings
        Non-negative loadings of each batch (cells, factors), the same factors in the same order.
    n_quantiles
        Intervals between the quantiles that are matched.
    n_neighbors
        Nearest cells of the same batch that vote on a cell's group; 0 keeps each cell's own strongest factor.
    min_cells
        A group with fewer cells than this in a batch or in the reference is left as it is there.
    reference
        Index of the batch to align to. ``None`` takes the one with most cells.
    rng
        Draws the cells that stand for large batches and groups.

    Raises
    ------
    ValueError
        If the batches disagree about the number of factors, or ``reference`` is not one of them.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> cells = rng.gamma(2, size=(200, 3)).astype(np.float32)
    >>> aligned = align_quantiles([cells, 3 * cells[:150]], rng=rng)
    >>> aligned.reference, bool(aligned.loadings[1].mean() < 2 * cells.mean())
    (0, True)
    """
    _check(loadings, reference)
    chosen = int(np.argmax([len(batch) for batch in loadings])) if reference is None else reference
    groups = tuple(group_by_factor(batch, n_neighbors=n_neighbors, rng=rng) for batch in loadings)
    grid = np.linspace(0, 1, n_quantiles + 1)

    aligned = tuple(np.array(batch, dtype=np.float32) for batch in loadings)
    for group in np.unique(groups[chosen]):
        wanted = np.flatnonzero(groups[chosen] == group)
        if wanted.size < min_cells:
            continue
        goal = _quantiles(loadings[chosen][wanted], grid, rng)
        for index, batch in enumerate(aligned):
            cells = np.flatnonzero(groups[index] == group)
            if index != chosen and cells.size >= min_cells:
                batch[cells] = _map(batch[cells], _quantiles(batch[cells], grid, rng), goal)
    return Alignment(loadings=aligned, groups=groups, reference=chosen)


def group_by_factor(
    loadings: NDArray[np.float32], *, n_neighbors: int = 20, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return each cell's strongest factor, by majority among the most similar cells.

    Parameters
    ----------
    loadings
        Non-negative loadings of one batch (cells, factors).
    n_neighbors
        Cells that vote; 0 for no vote.
    rng
        Draws the cells that can be neighbours where there are more than 20,000.

    Examples
    --------
    >>> import numpy as np
    >>> loadings = np.array([[5.0, 0.1], [4.0, 0.2], [0.1, 7.0]], dtype=np.float32)
    >>> group_by_factor(loadings, n_neighbors=0, rng=np.random.default_rng(0)).tolist()
    [0, 0, 1]
    """
    scaled = loadings / _nonzero(np.sqrt(np.mean(np.square(loadings), axis=0)))
    strongest: NDArray[np.intp] = scaled.argmax(axis=1)
    if n_neighbors == 0:
        return strongest
    return _majority(scaled / _nonzero(np.linalg.norm(scaled, axis=1, keepdims=True)), strongest, n_neighbors, rng)


def _check(loadings: Sequence[NDArray[np.float32]], reference: int | None) -> None:
    """Refuse batches that have no common factors, and references that are not among them."""
    n_factors = {batch.shape[1] for batch in loadings}
    if len(n_factors) != 1:
        msg = f"`loadings` must all have the same factors, got {sorted(n_factors)} columns."
        raise ValueError(msg)
    if reference is not None and not 0 <= reference < len(loadings):
        msg = f"`reference` must be the index of one of the {len(loadings)} batches, got {reference}."
        raise ValueError(msg)


def _nonzero(scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return divisors that leave what is all zero as it is."""
    return np.where(scale > 0, scale, np.float32(1))


def _majority(
    positions: NDArray[np.float32], groups: NDArray[np.intp], n_neighbors: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Replace each cell's group by the most frequent one among its nearest cells."""
    from sklearn.neighbors import NearestNeighbors

    n_cells, n_groups = positions.shape
    anchors = np.arange(n_cells) if n_cells <= MAX_ANCHORS else rng.choice(n_cells, MAX_ANCHORS, replace=False)
    search = NearestNeighbors(n_neighbors=min(n_neighbors, anchors.size), algorithm="brute").fit(positions[anchors])
    voters = groups[anchors][search.kneighbors(positions, return_distance=False)]
    # Cell and group as one number: a single `bincount` counts the votes of all cells.
    ballots = (np.arange(n_cells)[:, None] * n_groups + voters).ravel()
    votes = np.bincount(ballots, minlength=n_cells * n_groups).reshape(n_cells, n_groups)
    winners: NDArray[np.intp] = votes.argmax(axis=1)
    return winners


def _quantiles(values: NDArray[np.float32], grid: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the quantiles of each factor (quantiles, factors), from a sample of the cells if there are many."""
    sample = values if len(values) <= MAX_SAMPLE else values[rng.choice(len(values), MAX_SAMPLE, replace=False)]
    quantiles: NDArray[np.float64] = np.quantile(sample, grid, axis=0)
    return quantiles


def _map(values: NDArray[np.float32], own: NDArray[np.float64], goal: NDArray[np.float64]) -> NDArray[np.float32]:
    """Map each factor's values from its own quantiles to the reference's; a constant factor becomes zero."""
    mapped = np.zeros_like(values)
    for factor in range(values.shape[1]):
        # Many cells have exactly zero, so several quantiles are one value; `interp` wants one goal for it: their mean.
        steps, place, count = np.unique(own[:, factor], return_inverse=True, return_counts=True)
        if steps.size > 1:
            heights = np.bincount(place, weights=goal[:, factor]) / count
            mapped[:, factor] = np.interp(values[:, factor], steps, heights)
    return mapped
