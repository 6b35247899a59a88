"""The expression levels of the published scBERT: log2 of counts per 10,000, rounded down and capped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .levels import CANONICAL_TOTAL, Levels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse


@dataclass(frozen=True, kw_only=True)
class ScbertLevels(Levels):
    """How scBERT cuts expression: ``floor(log2(counts per 10,000 + 1))``, at most ``cap``.

    Genes that are not measured or not expressed have level 0; the network fills them in, and adds the trailing place
    that is always 0. The last of the ``n_levels`` stands for hidden genes and is never given by expression.

    Examples
    --------
    >>> from scipy import sparse
    >>> ScbertLevels().cut(sparse.csr_matrix([[1.0, 9.0, 9990.0]])).tolist()
    [1, 3, 5]
    """

    n_levels: int = 7
    step: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_levels < 3 or self.step != 1:
            msg = (
                f"scBERT needs `n_levels` of at least 3 and a `step` of 1, got {self.n_levels!r} and {self.step!r}; "
                "leave them at 7 and 1 for the published model."
            )
            raise ValueError(msg)

    @property
    def cap(self) -> int:
        """Highest level of an expressed gene."""
        return self.n_levels - 2

    def cut(self, linear: sparse.csr_matrix) -> NDArray[np.uint8]:
        """Return the level of every stored value of (cells, vocabulary), in 32 bits as the published preprocessing."""
        totals = np.asarray(linear.sum(axis=1)).ravel().astype(np.float32)
        units = np.repeat(totals / np.float32(CANONICAL_TOTAL), np.diff(linear.indptr))
        doublings = np.log1p(linear.data.astype(np.float32) / units) / np.float32(np.log(2))
        cut: NDArray[np.uint8] = np.minimum(np.floor(doublings), self.cap).astype(np.uint8)
        return cut
