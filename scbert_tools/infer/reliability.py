"""Does stated confidence hold? Bins of confidence beside the share of cells that were right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..model.labels import EITHER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..model.labels import LabelTree


@dataclass(frozen=True)
class Reliability:
    """Bins of confidence that hold any cells.

    Parameters
    ----------
    stated
        (bins,) mean confidence.
    observed
        (bins,) share of right labels.
    n_cells
        (bins,) cells.
    """

    stated: NDArray[np.float64]
    observed: NDArray[np.float64]
    n_cells: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of stated from observed, weighted by cells."""
        return float((np.abs(self.stated - self.observed) * self.n_cells).sum() / max(self.n_cells.sum(), 1))


def reliability(confidence: NDArray[np.float32], right: NDArray[np.bool_], *, n_bins: int = 10) -> Reliability:
    """Return the bins of a reliability diagram, of equal width from 0 to 1.

    Parameters
    ----------
    confidence
        (cells,) stated probability.
    right
        (cells,) whether the label was right.
    n_bins
        Number of bins.
    """
    place = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    n_cells, stated, observed = (np.bincount(place, x, n_bins) for x in (np.ones(len(right)), confidence, right))
    filled = n_cells > 0
    return Reliability(
        stated[filled] / n_cells[filled], observed[filled] / n_cells[filled], n_cells[filled].astype(int)
    )


def agreeing(predicted: Sequence[str], truth: Sequence[str], tree: LabelTree) -> NDArray[np.bool_]:
    """Return where a label and the truth are the same, or one stands above the other in the tree: (cells,).

    Parameters
    ----------
    predicted, truth
        (cells,) names of the tree; ``"A|B"`` leaves open which.
    tree
        The tree.
    """
    names = sorted({*predicted, *truth})
    lines = {name: [tree.lineage(part) for part in name.split(EITHER)] for name in names}
    alike = {
        (a, b): any(x[0] in y or y[0] in x for x in lines[a] for y in lines[b])
        for a, b in set(zip(predicted, truth, strict=True))
    }
    return np.array([alike[pair] for pair in zip(predicted, truth, strict=True)], bool)
