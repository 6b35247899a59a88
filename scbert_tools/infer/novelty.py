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

    from ..model.known_cells import UsualNovelty
    from .profiles import Likeness

SIGNS = ("doubt", "energy", "rarity", "unlikeness", "contrast", "strangeness", "surplus")
"""Doubt of the network between classes; its silence (Liu et al. 2020, arXiv:2010.03759); how rare the genes of the cell
are in all classes; how little its expression is like any class; how little that which it has beyond the mean of all
classes is like its likeliest class; how rare its genes are in the class where they are least so; what it has of known
markers beyond what the classes it may be of explain."""

ALIKE = tuple(SIGNS.index(name) for name in ("energy", "rarity", "unlikeness", "strangeness", "surplus"))
"""Signs judged alike for all classes: a foreign cell falls into any class, often one with few cells."""

SURPLUS = SIGNS.index("surplus")
"""The last sign. Only more than is usual counts: foreign cells have fewest markers of all, which makes none known."""

WEIGHTS = np.array([0, 1, 0, 1, 0, 1, 1], np.float32)
"""What each sign counts: the same or nothing; see ``tests/benchmarks/README.md``. Models stored with six signs know no
markers and are judged by the others."""

BEFORE = {5: np.array([0, 0, 3, 1, 1], np.float32), 6: np.array([0, 0, 0, 1, 0, 1], np.float32)}
"""What signs counted, by their number, in models stored before the bulk of data sets was remembered."""

CELLS_BELIEVED = 5
"""From so many cells on, the bulk of a data set says more of it than the usual one."""


def signs_of_novelty(
    logits: NDArray[np.float32], likeness: Likeness, surplus: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return what may show that a cell is of no known type, the higher the odder: (signs, cells).

    Parameters
    ----------
    logits
        (cells, classes), not calibrated.
    likeness
        Products of the cells with the profiles of the classes.
    surplus
        (cells,) of known markers in each cell; ``None`` leaves the last sign out.
    """
    # `together` is minus the log of the largest probability: doubt. Minus the log of the sum of exponentials is energy.
    top = logits.max(axis=1)
    together = np.log(np.exp(logits - top[:, None]).sum(axis=1))
    own = np.take_along_axis(likeness.contrasts, logits.argmax(axis=1)[:, None], axis=1)[:, 0]
    unlike = [likeness.rarity, -likeness.cosines.max(axis=1), -own, likeness.strangeness]
    found = [together, -(top + together), *unlike, *([] if surplus is None else [surplus])]
    return np.stack(found).astype(np.float32)


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
        (signs, classes, 3) from :func:`~scbert_tools.infer.usual_signs.usual_signs`.
    depth_range
        Fewest and most genes of known cells: beyond them no line is drawn further.
    weights
        (signs,) what each sign counts.
    """
    signs = signs[: len(usual)]
    depth = np.log1p(np.clip(n_genes, *depth_range))
    height, slope, spread = np.moveaxis(usual[:, best], 2, 0)
    beyond = (signs - height - slope * depth) / spread
    beyond[SURPLUS:] = np.maximum(beyond[SURPLUS:], 0)
    return np.asarray(weights[: len(usual)] @ beyond, np.float32)


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
    odd: NDArray[np.float32],
    known: UsualNovelty,
    *,
    together: NDArray[np.float32] | None = None,
    surplus: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the share of held-out known cells that are at least as odd as each cell: (cells,).

    A type that nobody taught is a group of cells, and a group says more than each of its cells: foreign ones by the
    mean of all signs, siblings of known types by their markers. One odd cell among known ones is told by itself. The
    smallest share counts, doubled for every time that one of two was chosen.

    Parameters
    ----------
    odd
        (cells,) from :func:`novelty_of`.
    known
        What the model remembers.
    together
        (cells,) mean of the same over the cells that each listens to; ``None`` judges every cell alone.
    surplus
        (cells,) from :func:`surplus_beside_bulk`.
    """
    share = p_value(odd, known.novelty)
    for group, usual in ((together, known.novelty_together), (surplus, known.surplus_together)):
        if group is not None and usual is not None:
            share = 2 * np.minimum(share, p_value(group, usual))
    return np.minimum(share, np.float32(1))


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
    signs: NDArray[np.float32], best: NDArray[np.int64], *, n_genes: NDArray[np.int64], known: UsualNovelty
) -> NDArray[np.float32]:
    """Return the novelty of cells by what a model remembers of the cells it knows, 0 for empty ones: (cells,).

    Parameters
    ----------
    signs, best, n_genes
        As in :func:`novelty`.
    known
        What the model remembers.
    """
    limits = float(known.depths[0]), float(known.depths[1])
    if known.bulks is None:
        return novelty(signs, best, n_genes, usual=known.usual, depth_range=limits, weights=BEFORE[len(known.usual)])
    odd = novelty(signs, best, n_genes, usual=known.usual, depth_range=limits)
    shift = bulk(odd[n_genes > 0], float(known.bulks.max()), believed=CELLS_BELIEVED)
    return np.where(n_genes > 0, odd - np.float32(shift), np.float32(0))


def surplus_beside_bulk(
    surplus: NDArray[np.float32], *, n_genes: NDArray[np.int64], bulks: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return how much more of known markers cells hold than is usual in their data set, 0 for empty ones: (cells,).

    What a data set holds as a whole is forgiven as far as held-out sets went, in both directions: known cells among
    many foreign ones, which lack the markers, are not odd for it.

    Parameters
    ----------
    surplus
        (cells,) in the cells that each listens to.
    n_genes
        (cells,) expressed genes.
    bulks
        (sets,) median in each held-out data set.
    """
    readable, usual = n_genes > 0, float(bulks.mean())
    beyond = np.maximum(surplus, bulks.min()) - usual
    shift = usual + bulk(beyond[readable], float(bulks.max()) - usual, believed=CELLS_BELIEVED)
    return np.where(readable, surplus - np.float32(shift), np.float32(0))
