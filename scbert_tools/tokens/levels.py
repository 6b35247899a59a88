"""Expression levels: one canonical scale, log(CP10k + 1), cut into equal steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

CANONICAL_TOTAL = 10_000.0
"""Counts per cell, summed over the vocabulary, that levels refer to."""


@dataclass(frozen=True)
class TokenRows:
    """Expressed genes of many cells, row after row.

    Parameters
    ----------
    indptr
        (cells + 1,) where each cell's tokens begin.
    genes
        (tokens,) int32, places in the vocabulary.
    levels
        (tokens,) uint8, expression levels.
    """

    indptr: np.ndarray
    genes: np.ndarray
    levels: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Tokens per cell, (cells,)."""
        return np.diff(self.indptr)


@dataclass(frozen=True, kw_only=True)
class Levels:
    """How expression is cut into levels: multiples of ``step`` on the scale log(CP10k + 1)."""

    n_levels: int = 32
    step: float = 0.25

    def __post_init__(self) -> None:
        if not 2 <= self.n_levels <= 256:
            msg = f"`n_levels` must lie between 2 and 256, got {self.n_levels!r}."
            raise ValueError(msg)
        if not self.step > 0:
            msg = f"`step` must be above 0, got {self.step!r}."
            raise ValueError(msg)

    def cut(self, linear: sparse.csr_matrix) -> NDArray[np.uint8]:
        """Return the level of every stored value of (cells, vocabulary), none of them zero."""
        totals = np.asarray(linear.sum(axis=1)).ravel()
        factor = np.divide(CANONICAL_TOTAL, totals, out=np.zeros(len(totals), np.float32), where=totals > 0)
        values = np.log1p(linear.data * np.repeat(factor.astype(np.float32), np.diff(linear.indptr)))
        steps = np.rint(values * np.float32(1 / self.step))
        cut: NDArray[np.uint8] = np.minimum(steps, self.n_levels - 1).astype(np.uint8)
        return cut


def to_levels(linear: sparse.csr_matrix, levels: Levels) -> TokenRows:
    """Return the tokens of cells whose values are proportional to counts.

    Each cell is brought to 10,000 counts over the genes given, so depth and ribosomal or mitochondrial content outside
    the vocabulary do not shift levels; then log(x + 1) is rounded to multiples of ``step``. Explicit zeros vanish.

    Parameters
    ----------
    linear
        (cells, vocabulary), not negative.
    levels
        Number of levels, of which the last one takes all higher values, and their width.
    """
    # A stored zero would be read as an expressed gene; the caller's matrix keeps its own.
    linear = linear.copy() if np.any(linear.data == 0) else linear
    linear.eliminate_zeros()
    return TokenRows(linear.indptr, linear.indices, levels.cut(linear))
