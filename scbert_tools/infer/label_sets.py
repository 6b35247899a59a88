"""Sets of labels that hold the true one as often as asked: conformal prediction, one promise for every label.

Vovk, Gammerman & Shafer 2005, doi:10.1007/b106715; sets of the likeliest labels after Sadinle, Lei & Wasserman 2019,
doi:10.1080/01621459.2017.1395341; empty ones for odd cells as in Guan & Tibshirani 2022, doi:10.1111/rssb.12443.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .conformal import cells_needed, share_as_odd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .conformal import HeldOut

CELLS_BELIEVED = 10
"""How odd held-out cells are counts as much as so many cells of a label in the data set itself."""


def p_values(likely: NDArray[np.float32], held_out: HeldOut, *, needed: int) -> NDArray[np.float64]:
    """Return, per cell and label, the share of held-out cells of that label that looked at least as unlikely.

    Parameters
    ----------
    likely
        (cells, names) probability of every label.
    held_out
        What was kept of held-out cells.
    needed
        Labels with fewer held-out cells are compared with those of all labels together.
    """
    together = np.sort(held_out.scores[np.isfinite(held_out.scores)])
    result = np.empty(likely.shape)
    for place, row in enumerate(held_out.scores):
        own = row[np.isfinite(row)]
        result[:, place] = share_as_odd(1 - likely[:, place] - 1e-7, own if len(own) >= needed else together)
    return result


def plausible(
    likely: NDArray[np.float32], held_out: HeldOut, *, coverage: float, borne_out: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Return which labels are likely enough for each cell to be in its set, whichever is likeliest: (cells, names).

    Parameters
    ----------
    likely, held_out, coverage, borne_out
        As for :func:`label_sets`.
    """
    inside = p_values(likely, held_out, needed=cells_needed(coverage)) > 1 - coverage + 1e-9
    # Bounds are exact: a float32 of 0.1 is a little more than that of 1 - 0.9.
    enough, least = held_out.enough(coverage) - 1e-7, held_out.least(coverage, borne_out) - 1e-7
    return np.asarray((inside | (likely >= enough)) & (likely >= least))


def beyond_promise(held_out: HeldOut, *, coverage: float) -> NDArray[np.float64]:
    """Return the share of held-out cells of each label, (names,), by which sets would hold it more often than asked.

    It is nothing for one's own cells, whose sets are as often right as they ask for, and for labels without a promise.

    Parameters
    ----------
    held_out, coverage
        As for :func:`label_sets`.
    """
    if held_out.pooled is None:
        return np.zeros(len(held_out.names))
    known = np.isfinite(held_out.pooled)
    # Column by column, the cells of one label as if they were asked for that label.
    inside = plausible(np.nan_to_num(1 - held_out.pooled).T, held_out, coverage=coverage).T & known
    spare = held_out.promised(coverage) & ~held_out.is_own
    return np.where(spare, np.maximum(inside.sum(axis=1) / (known.sum(axis=1) + 1) - coverage, 0), 0)


def oddest(p_known: NDArray[np.float32], cells: NDArray[np.int64], *, share: float, n_cells: int) -> NDArray[np.int64]:
    """Return the oddest of some cells of a label, so many that they are a share of all cells of that label.

    Parameters
    ----------
    p_known
        (all cells,) share of held-out known cells that are at least as odd.
    cells
        Cells to choose from.
    share
        Share of the cells of the label.
    n_cells
        Number of cells of the label.
    """
    own = np.sort(p_known[cells])
    odder = (np.searchsorted(own, p_known[cells]) + np.searchsorted(own, p_known[cells], "right")) / 2
    as_odd = (odder + CELLS_BELIEVED * p_known[cells]) / (n_cells + CELLS_BELIEVED)
    return cells[as_odd < share]


def label_sets(
    likely: NDArray[np.float32],
    held_out: HeldOut,
    *,
    coverage: float,
    p_known: NDArray[np.float32] | None = None,
    borne_out: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Return which labels each cell may have so that the true one is among them in a share ``coverage`` of cells.

    The promise holds for the labels that :meth:`HeldOut.promised` names, if held-out cells and the cells asked
    about come from the same source in random order. With one's own cells it is kept by the odd empty set: not even
    the likeliest label is as likely as it is in its own cells. Cells of other data sets leave out neither the likeliest
    label nor any that is likely enough by itself. Where sets would then be right more often than asked, the oddest of
    the cells that are surely of one label get none.

    Parameters
    ----------
    likely
        (cells, names) probability of every label.
    held_out
        What was kept of held-out cells.
    coverage
        Share of cells whose set is to hold the true label.
    p_known
        (cells,) share of held-out known cells that are at least as odd; ``None`` leaves out no odd cell.
    borne_out
        (cells, names) whether the cell holds markers of a label that no other explains: then the model needs to think
        of it only a little. ``None`` if markers are not known.

    Raises
    ------
    ValueError
        If ``coverage`` is not above 0 and below 1, or there are too few held-out cells for it.
    """
    needed = cells_needed(coverage)
    if (n_cells := int(held_out.n_cells.sum())) < needed:
        named = "The model remembers" if held_out.own is None else "`calibrate` names"
        msg = (
            f"{named} {n_cells} cells with a label that can be used; a coverage of {coverage:g} needs at "
            f"least {needed}, and as many of each label for a promise per label. Label more cells or ask for less."
        )
        raise ValueError(msg)
    inside = plausible(likely, held_out, coverage=coverage, borne_out=borne_out)
    likeliest = likely.argmax(axis=1)
    inside[np.arange(len(likely)), likeliest] |= ~held_out.is_own[likeliest]
    if p_known is None:
        return inside
    sure = inside.sum(axis=1) == 1
    for place, share in enumerate(beyond_promise(held_out, coverage=coverage)):
        cells = likeliest == place
        inside[oddest(p_known, np.flatnonzero(cells & sure), share=share, n_cells=int(cells.sum()))] = False
    return inside
