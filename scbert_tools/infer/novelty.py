"""Is a cell of a type the model knows? Signs that it is not, put on one scale and turned into a p-value.

The signs look at expression, and at how little the network finds to say, rather than at its vectors: trained to tell
known types apart, it pulls unknown ones towards them. Cells are judged beside the others of their data set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .conformal import share_as_odd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse
    from scipy.sparse.linalg import LinearOperator

    from ..model.known_cells import KnownCells
    from .profiles import Likeness

SIGNS = ("doubt", "energy", "rarity", "unlikeness", "contrast", "strangeness")
"""Doubt of the network between classes; its silence (Liu et al. 2020, arXiv:2010.03759); how rare the genes of the cell
are in all classes; how little its expression is like any class; how little that which it has beyond the mean of all
classes is like its likeliest class; how rare its genes are in the class where they are least so."""

ALIKE = tuple(SIGNS.index(name) for name in ("energy", "rarity", "unlikeness", "strangeness"))
"""Signs judged alike for all classes: a foreign cell falls into any class, often one with few cells."""

WEIGHTS = np.array([0, 1, 0, 1, 0, 1], np.float32)
"""What each sign counts: the same or nothing; see ``tests/benchmarks/README.md``."""

BEFORE = {5: np.array([0, 0, 3, 1, 1], np.float32), 6: np.array([0, 0, 0, 1, 0, 1], np.float32)}
"""What signs counted, by their number, in models stored before the bulk of data sets was remembered."""

CELLS_BELIEVED = 5
"""From so many cells on, the bulk of a data set says more of it than the usual one."""

FEWEST_CELLS = 15
"""Classes with fewer held-out cells are judged by the usual values of all cells."""

SMALLEST_SPREAD = 1e-3

HELD_BACK = 0.02
"""Variance of log genes that is added to the one found, so that slopes stay flat where depth hardly varies."""


def signs_of_novelty(logits: NDArray[np.float32], likeness: Likeness) -> NDArray[np.float32]:
    """Return what may show that a cell is of no known type, the higher the odder: (signs, cells).

    Parameters
    ----------
    logits
        (cells, classes), not calibrated.
    likeness
        Products of the cells with the profiles of the classes.
    """
    # `together` is minus the log of the largest probability: doubt. Minus the log of the sum of exponentials is energy.
    top = logits.max(axis=1)
    together = np.log(np.exp(logits - top[:, None]).sum(axis=1))
    own = np.take_along_axis(likeness.contrasts, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    unlike = [likeness.rarity, -likeness.cosines.max(axis=1), -own, likeness.strangeness]
    return np.stack([together, -(top + together), *unlike]).astype(np.float32)


def usual_signs(
    signs: NDArray[np.float32],
    best: NDArray[np.int64],
    n_genes: NDArray[np.int64],
    n_classes: int,
    *,
    alike: Sequence[int] = (),
    dataset: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Return height, slope in log genes and spread of every sign in held-out cells: (signs, classes, 3).

    Parameters
    ----------
    signs
        (signs, cells) from :func:`signs_of_novelty`.
    best
        (cells,) likeliest class.
    n_genes
        (cells,) expressed genes.
    n_classes
        Number of classes.
    alike
        Rows of signs that are judged alike for all classes.
    dataset
        (cells,) data set of each cell; slopes of signs judged alike are those inside data sets. ``None`` for one set.
    """
    usual = np.zeros((len(signs), n_classes, 3), np.float32)
    depth, one_set = np.log1p(n_genes), np.zeros(len(best), np.int64)
    for place in range(n_classes):
        own = best == place
        chosen = own if own.sum() >= FEWEST_CELLS else np.ones_like(own)
        usual[:, place] = [_line(sign[chosen], depth[chosen], one_set[chosen]) for sign in signs]
    for row in alike:
        usual[row] = _line(signs[row], depth, one_set if dataset is None else dataset)
    return usual


def _line(
    values: NDArray[np.float32], depth: NDArray[np.float64], dataset: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Return height, slope and spread around lines inside data sets, which weigh the same.

    Slopes are held back where depth hardly varies. Between data sets depth goes with chemistry and tissue, which move
    all cells and are taken off by :func:`bulk`.
    """
    parts = [(values[own], depth[own]) for own in (dataset == one for one in np.unique(dataset))]
    together = np.mean([((x - x.mean()) * (d - d.mean())).mean() for x, d in parts])
    slope = together / (np.mean([d.var() for _, d in parts]) + HELD_BACK)
    height = np.mean([x.mean() - slope * d.mean() for x, d in parts])
    spread = np.sqrt(np.mean([(x - slope * d).var() for x, d in parts]))
    return float(height), float(slope), float(max(spread, SMALLEST_SPREAD))


def novelty(
    signs: NDArray[np.float32],
    best: NDArray[np.int64],
    n_genes: NDArray[np.int64],
    *,
    usual: NDArray[np.float32],
    depth_range: tuple[float, float],
    weights: NDArray[np.float32] = WEIGHTS,
) -> NDArray[np.float32]:
    """Return how much odder each cell is than known cells of the same class and depth, in spreads: (cells,).

    Parameters
    ----------
    signs
        (signs, cells); of later ones than ``usual`` knows, none is looked at.
    best
        (cells,) likeliest class.
    n_genes
        (cells,) expressed genes.
    usual
        (signs, classes, 3) from :func:`usual_signs`.
    depth_range
        Fewest and most genes of known cells: beyond them no line is drawn further.
    weights
        (signs,) what each sign counts.
    """
    signs = signs[: len(usual)]
    depth = np.log1p(np.clip(n_genes, *depth_range))
    height, slope, spread = np.moveaxis(usual[:, best], 2, 0)
    return np.asarray(weights @ ((signs - height - slope * depth) / spread), np.float32)


def bulk(odd: NDArray[np.float32], most: float, *, believed: float = 0) -> float:
    """Return how odd a data set is as a whole, which says nothing of single cells: its median, up to a limit.

    Beyond the limit no data set of known cells was found: what is odder there is odd in itself, as in a data set of
    foreign cells alone.

    Parameters
    ----------
    odd
        (cells,) novelty.
    most
        The limit.
    believed
        Cells that count for it being as usual, 0.
    """
    return 0.0 if not len(odd) else min(float(np.median(odd)), most) * len(odd) / (len(odd) + believed)


def p_value(score: NDArray[np.float32], held_out: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share of held-out known cells with at least this score: (cells,).

    Parameters
    ----------
    score
        (cells,).
    held_out
        (n,) scores of held-out known cells, sorted.
    """
    return share_as_odd(score, held_out).astype(np.float32)


def p_known(
    odd: NDArray[np.float32], known: KnownCells, *, weights: sparse.csr_matrix | LinearOperator | None = None
) -> NDArray[np.float32]:
    """Return the share of held-out known cells that are at least as odd as each cell: (cells,).

    A type that nobody taught is a group of cells, and the mean of a group says more than each of its cells; one odd
    cell among known ones is told by itself. With company the smaller share of both counts, doubled as two were asked.

    Parameters
    ----------
    odd
        (cells,) from :func:`novelty_of`.
    known
        What the model remembers.
    weights
        (cells, cells) how much each cell listens to which, rows summing to one; ``None`` judges every cell alone.
    """
    alone = p_value(odd, known.novelty)
    if weights is None or known.novelty_together is None:
        return alone
    return np.minimum(2 * np.minimum(alone, p_value(weights @ odd, known.novelty_together)), np.float32(1))


def equal_sample(
    sets: Sequence[NDArray[np.float32]], *, rng: np.random.Generator, most: int = 250
) -> NDArray[np.float32]:
    """Return sorted scores in which every data set weighs about the same.

    Parameters
    ----------
    sets
        Scores of each data set.
    rng
        Chooses the cells.
    most
        Cells taken of a data set.
    """
    return np.sort(np.concatenate([rng.permutation(one)[:most] for one in sets])).astype(np.float32)


def novelty_of(
    logits: NDArray[np.float32], likeness: Likeness, *, n_genes: NDArray[np.int64], known: KnownCells
) -> NDArray[np.float32]:
    """Return the novelty of cells by what a model remembers of the cells it knows, 0 for empty ones: (cells,).

    Parameters
    ----------
    logits, likeness
        As in :func:`signs_of_novelty`.
    n_genes
        (cells,) expressed genes.
    known
        What the model remembers.
    """
    signs, best = signs_of_novelty(logits, likeness), logits.argmax(axis=1)
    limits = float(known.depths[0]), float(known.depths[1])
    if known.bulks is None:
        return novelty(signs, best, n_genes, usual=known.usual, depth_range=limits, weights=BEFORE[len(known.usual)])
    odd = novelty(signs, best, n_genes, usual=known.usual, depth_range=limits)
    shift = bulk(odd[n_genes > 0], float(known.bulks.max()), believed=CELLS_BELIEVED)
    return np.where(n_genes > 0, odd - np.float32(shift), np.float32(0))
