"""How common levels are: what a model that predicts hidden genes has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .masked_genes import lowest_level

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..data.reference import TrainBatch

N_BATCHES = 100
"""Batches that are counted."""


@dataclass(frozen=True)
class LevelFrequencies:
    """How common each level is among the expressed genes.

    Parameters
    ----------
    overall
        (levels,) among all of them.
    by_gene
        (genes, levels) for each gene.
    by_lowest
        (levels, levels) in cells with the same lowest level. That is the level of a single molecule, so cells that
        share it were sequenced to a like depth.
    """

    overall: NDArray[np.float64]
    by_gene: NDArray[np.float64]
    by_lowest: NDArray[np.float64]


def level_frequencies(seen: Callable[[int], TrainBatch], *, n_genes: int, n_levels: int) -> LevelFrequencies:
    """Return how common levels are in a hundred batches.

    A gene, or a lowest level, is thought to be like all others until ten of its levels have been seen.
    """
    counted = [_tokens(seen(step)) for step in range(N_BATCHES)]
    genes, levels, lowest = (np.concatenate(part) for part in zip(*counted, strict=True))
    # No level gets probability zero, whose log would be infinite.
    overall = (np.bincount(levels, minlength=n_levels) + 1) / (len(levels) + n_levels)
    n_seen = max(n_genes, int(genes.max(initial=0)) + 1)
    return LevelFrequencies(
        overall, _given(genes, levels, overall, n_rows=n_seen), _given(lowest, levels, overall, n_rows=n_levels)
    )


def _given(
    known: NDArray[np.int64], levels: NDArray[np.int64], overall: NDArray[np.float64], *, n_rows: int
) -> NDArray[np.float64]:
    """Return how common levels are where something is known, (values of it, levels)."""
    table = np.zeros((n_rows, len(overall)))
    np.add.at(table, (known, levels), 1)
    # What is rarely seen leans on everything together, with the weight of ten tokens.
    return np.asarray((table + 10 * overall) / (table.sum(axis=1, keepdims=True) + 10))


def _tokens(batch: TrainBatch) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return gene, level and lowest level of the same cell of the real tokens of a batch, each (tokens,)."""
    genes, levels, real = batch.cells.genes, batch.cells.levels, batch.cells.mask[:, 0, 0]
    lowest = lowest_level(levels, real)[:, None].expand_as(levels)
    found = [part[real].long().numpy() for part in (genes, levels, lowest)]
    return found[0], found[1], found[2]
