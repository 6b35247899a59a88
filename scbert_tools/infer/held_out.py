"""From held-out cells, of which the network saw nothing in training, to what a model remembers of known cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from ..model.known_cells import KnownCells, UsualNovelty
from .conformal import held_out_scores
from .doublets import doublet_scores, incompatible
from .familiarity import LOW_COVERAGE
from .novelty import ALIKE, bulk, equal_sample, novelty, signs_of_novelty
from .profiles import LabelledCells, class_profiles, likeness_of
from .surplus import surplus_reader
from .usual_signs import usual_signs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from ..model.labels import LabelTree
    from .conformal import HeldOut
    from .profiles import Likeness

QUANTILES = np.linspace(0, 1, 101)
MOST_OF_A_SET = 600
"""Cells of one data set that decide what is usual, so that none drowns the others."""


@dataclass(frozen=True)
class HeldOutCells:
    """Cells of one data set as seen by a network that was trained without it.

    Parameters
    ----------
    logits
        (cells, classes).
    code
        (cells,) place of the true label among the names that sets are made of; -1 where it leaves several open.
    n_genes
        (cells,) expressed genes.
    cells
        Their expression.
    profiles
        (classes, genes) profiles of the classes, made without this data set.
    weights
        (cells, cells) how much each cell listens to its neighbours; ``None`` if there is no graph of them.
    """

    logits: NDArray[np.float32]
    code: NDArray[np.int64]
    n_genes: NDArray[np.int64]
    cells: LabelledCells
    profiles: NDArray[np.float32]
    weights: sparse.csr_matrix | None = None

    @cached_property
    def best(self) -> NDArray[np.int64]:
        """(cells,) likeliest class."""
        return self.logits.argmax(axis=1)

    @cached_property
    def likeness(self) -> Likeness:
        """Likeness of the cells to the classes."""
        return likeness_of(self.cells.logs, self.profiles * self.cells.measured)

    def surplus(self, markers: NDArray[np.float32], *, temperature: float) -> Callable[..., NDArray[np.float32]]:
        """Return what gives the surplus of known markers in each cell, or in those it listens to."""
        observed = self.cells.logs[:, np.flatnonzero(markers)]
        likely = softmax(self.logits / np.float32(temperature), axis=1)
        return surplus_reader(observed, likely, self.profiles, measured=self.cells.measured, markers=markers)


def usual_novelty(
    tree: LabelTree,
    held_out: Sequence[HeldOutCells],
    *,
    markers: NDArray[np.float32],
    temperature: float,
    rng: np.random.Generator,
) -> UsualNovelty:
    """Return how odd held-out cells are by themselves and together, each beside the bulk of its data set.

    Parameters
    ----------
    tree, held_out, markers, temperature, rng
        As in :func:`remember`.
    """
    beyond = [one.surplus(markers, temperature=temperature) for one in held_out]
    signs = [signs_of_novelty(one.logits, one.likeness, more()) for one, more in zip(held_out, beyond, strict=True)]
    usual, depths = usual_of_sets(tree, held_out, signs, rng=rng)
    odd = [
        novelty(sign, one.best, one.n_genes, usual=usual, depth_range=depths)
        for sign, one in zip(signs, held_out, strict=True)
    ]
    odd, bulks = _beside_bulks(odd)
    depth_range = np.array(depths, np.float32)
    found = UsualNovelty(usual=usual, depths=depth_range, bulks=bulks, novelty=equal_sample(odd, rng=rng))
    company = [
        (one.weights, *rest) for one, *rest in zip(held_out, odd, beyond, strict=True) if one.weights is not None
    ]
    if not company:
        return found
    surpluses, surplus_bulks = _beside_bulks([more(weights=weights) for weights, _, more in company])
    return replace(
        found,
        novelty_together=equal_sample([weights @ x for weights, x, _ in company], rng=rng),
        surplus_together=equal_sample(surpluses, rng=rng),
        surplus_bulks=surplus_bulks,
    )


def _beside_bulks(
    sets: Sequence[NDArray[np.float32]],
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Return the scores of every data set beside its bulk, and the bulks, (sets,)."""
    bulks = [bulk(one, np.inf) for one in sets]
    return [one - middle for one, middle in zip(sets, bulks, strict=True)], np.array(bulks, np.float32)


def remember(
    tree: LabelTree,
    training: Sequence[LabelledCells],
    held_out: Sequence[HeldOutCells],
    *,
    names: Sequence[str],
    markers: NDArray[np.float32],
    temperature: float,
    rng: np.random.Generator,
) -> KnownCells:
    """Return what a model needs to know of known cells to judge new ones.

    Parameters
    ----------
    tree
        The model's labels.
    training
        Cells the model was trained on, for the profiles of its classes.
    held_out
        Cells of every held-out data set.
    names
        Labels that sets are made of; every leaf stands under exactly one.
    markers
        (genes,) from :func:`~scbert_tools.infer.surplus.marker_weights`.
    temperature
        What logits are divided by.
    rng
        Chooses cells where there are many.
    """
    sets = scores_for_sets(tree, held_out, names=names, temperature=temperature)
    likeness = [one.likeness for one in held_out]
    double = [doublet_scores(like, incompatible(tree, like.gram)) for like in likeness]
    return KnownCells(
        profiles=class_profiles(training),
        markers=markers,
        doublet=equal_sample(double, rng=rng),
        set_scores=sets.scores,
        set_pooled=sets.pooled,
        n_genes=genes_per_cell(training),
        **vars(usual_novelty(tree, held_out, markers=markers, temperature=temperature, rng=rng)),
    )


def usual_of_sets(
    tree: LabelTree,
    held_out: Sequence[HeldOutCells],
    signs: Sequence[NDArray[np.float32]],
    *,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Return the usual signs of novelty and the depths they were seen at, data sets weighing about the same.

    Parameters
    ----------
    tree, held_out, rng
        As in :func:`remember`.
    signs
        (signs, cells) of every held-out data set.
    """
    chosen = [rng.permutation(len(one.logits))[:MOST_OF_A_SET] for one in held_out]
    pooled = np.concatenate([sign[:, rows] for sign, rows in zip(signs, chosen, strict=True)], axis=1)
    best = np.concatenate([one.best[rows] for one, rows in zip(held_out, chosen, strict=True)])
    depth = np.concatenate([one.n_genes[rows] for one, rows in zip(held_out, chosen, strict=True)])
    low, high = np.quantile(depth, [0.01, 0.99])
    dataset = np.repeat(np.arange(len(chosen)), [len(rows) for rows in chosen])
    usual = usual_signs(pooled, best, depth, len(tree.leaves), alike=ALIKE, dataset=dataset)
    return usual, (float(low), float(high))


def genes_per_cell(sets: Sequence[LabelledCells]) -> NDArray[np.float32]:
    """Return quantiles of expressed genes per cell over the data sets with most genes measured, or over all.

    Parameters
    ----------
    sets
        Cells the model was trained on.
    """
    full = [one for one in sets if one.measured.mean() >= LOW_COVERAGE] or sets
    n_genes = np.concatenate([np.diff(one.logs.indptr) for one in full])
    return np.quantile(n_genes, QUANTILES).astype(np.float32)


def scores_for_sets(
    tree: LabelTree,
    held_out: Sequence[HeldOutCells],
    *,
    names: Sequence[str],
    temperature: float,
) -> HeldOut:
    """Return how unlikely true labels looked, data sets weighing about the same.

    Parameters
    ----------
    tree, held_out, names, temperature
        As in :func:`remember`.
    """
    members = tree.membership(names).T.astype(np.float32)
    logits, code = (np.concatenate([getattr(one, name) for one in held_out]) for name in ("logits", "code"))
    dataset = np.repeat(np.arange(len(held_out)), [len(one.code) for one in held_out])
    return held_out_scores(softmax(logits / temperature, axis=1) @ members, code, names, dataset=dataset)
