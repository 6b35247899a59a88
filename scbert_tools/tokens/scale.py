"""Which scale a matrix is on (counts, log of which base, scaled, ...), and the way back to linear values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from ..genes.proteins import look_like_proteins
from .choice import Candidate, Choice, choose_matrix
from .log_base import fit_log
from .row_statistics import RowStatistics, without_zeros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Candidate", "Choice", "ExpressionScale", "choose_matrix", "detect_scale", "to_linear"]

Kind = Literal["counts", "linear", "log", "scaled", "residuals", "proteins", "empty", "unknown"]
USABLE = ("counts", "log", "linear")
LARGEST_LOG = 30.0
EVEN_TOTALS = 0.2
BASE_NAMES = {math.e: "natural log", 2.0: "log2", 10.0: "log10"}
TOTAL_NAMES = {1e4: "CP10k", 1e6: "CPM"}


@dataclass(frozen=True, kw_only=True)
class ExpressionScale:
    """What the values of a matrix are, and why that is believed."""

    kind: Kind
    base: float | None = None
    """Base of ``log_base(value + 1)`` for ``kind="log"``."""
    total: float | None = None
    """Sum that every cell was brought to, on the linear scale, if it is the same for all."""
    evidence: str = ""
    """The reason in a sentence."""
    certain: bool = True
    """False where another reading is possible; callers pass this on as a warning."""
    n_cells: int = 0
    n_genes: int = 0
    minimum: float = 0.0
    maximum: float = 0.0
    density: float = 0.0
    """Share of values that are not zero."""
    whole_share: float = 0.0
    """Share of the non-zero values that are whole numbers."""
    usable: bool = field(init=False)
    """Whether counts, or values proportional to them, can be had from the matrix."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "usable", self.kind in USABLE)

    def __str__(self) -> str:
        total = "" if self.total is None else TOTAL_NAMES.get(self.total, f"{self.total:,.6g} per cell")
        log = "" if self.base is None else f"{BASE_NAMES.get(self.base, f'log{self.base:g}')} of 1 +"
        words = [log, total or ("linear values" if log else ""), "" if log else self.kind]
        return " ".join(word for word in words if word)


def detect_scale(x: Any, *, names: Sequence[str] | None = None) -> ExpressionScale:
    """Say what the values of a matrix are: counts, a log of them, scaled, ...

    Every value is read, in pieces of constant size; only the base of a log is found from up to 512 cells that are
    spread over the whole matrix.

    Parameters
    ----------
    x
        Cells × genes, dense or sparse, in memory or backed by a file.
    names
        Names of the columns, to tell proteins from genes.

    Returns
    -------
    The kind with base and total where they apply, the figures it rests on, and the reason in words.

    Raises
    ------
    TypeError
        If the values are not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from scbert_tools.tokens.scale import detect_scale
    >>> detect_scale(np.array([[0, 3], [1, 2]])).kind
    'counts'
    """
    if np.dtype(x.dtype).kind not in "biuf":
        msg = f"`x` holds {x.dtype}; expression must be numbers. Convert it, e.g. with `x.astype('float32')`."
        raise TypeError(msg)
    statistics = RowStatistics(x)
    verdict = _classify(statistics, names)
    return ExpressionScale(
        **verdict,
        n_cells=statistics.n_cells,
        n_genes=statistics.n_genes,
        minimum=statistics.minimum,
        maximum=statistics.maximum,
        density=statistics.density,
        whole_share=statistics.whole_share,
    )


def to_linear(x: Any, scale: ExpressionScale) -> sparse.csr_matrix:
    """Return values proportional to counts within each cell.

    Parameters
    ----------
    x
        Cells × genes (all or some rows of the matrix that ``scale`` describes), dense or sparse.
    scale
        Result of :func:`detect_scale` for the matrix.

    Returns
    -------
    csr float32: a log undone, counts and linear values as they are.

    Raises
    ------
    ValueError
        If the values cannot be brought back (scaled, residuals, proteins, unknown), or some are negative, NaN
        or infinite.
    """
    if not scale.usable and scale.kind != "empty":
        msg = (
            f"`x` is {scale} ({scale.evidence}), which cannot be brought back to counts; "
            "give counts or log-normalised values."
        )
        raise ValueError(msg)
    values = without_zeros(x)
    _refuse_impossible(values.data)
    if scale.kind == "log":
        data = np.expm1(values.data.astype(np.float64) * math.log(scale.base or math.e))
    else:
        data = values.data
    return sparse.csr_matrix((data.astype(np.float32), values.indices, values.indptr), values.shape)


def _refuse_impossible(data: NDArray[Any]) -> None:
    n_missing = int(np.count_nonzero(~np.isfinite(data)))
    if n_missing:
        msg = (
            f"`x` holds {n_missing:,} NaN or infinite values; expression must be finite. "
            "Drop those cells or genes, or go back to the counts."
        )
        raise ValueError(msg)
    if data.size and data.min() < 0:
        msg = (
            f"`x` holds negative values (smallest {data.min():.4g}); counts or log-normalised values are needed. "
            "Scaled values cannot be used: go back to the counts, often kept in `adata.raw` or a layer."
        )
        raise ValueError(msg)


def _classify(statistics: RowStatistics, names: Sequence[str] | None) -> dict[str, Any]:
    """Return kind, base, total, evidence and certainty; the first reading that fits."""
    # The order matters: each test takes for granted that those above it did not fit.
    if not statistics.n_nonzero.any():
        return {"kind": "empty", "evidence": "no value differs from zero"}
    if statistics.n_missing:
        return {"kind": "unknown", "evidence": f"{statistics.n_missing:,} values are NaN or infinite"}
    if names is not None and look_like_proteins(names):
        return {"kind": "proteins", "evidence": f"the {len(names):,} names are those of antibodies, not of genes"}
    if statistics.n_negative:
        return _classify_signed(statistics)
    if statistics.n_whole.sum() == statistics.n_nonzero.sum():
        return _classify_counts(statistics)
    if n_counted := _mixed(statistics):
        evidence = f"{n_counted:,} of {statistics.n_cells:,} cells hold whole numbers, the others do not"
        return {"kind": "unknown", "evidence": f"{evidence}: two scales joined"}
    return _classify_fractions(statistics)


def _mixed(statistics: RowStatistics) -> int:
    """Return how many well-filled cells hold whole numbers from one up, unless that is all or next to none."""
    # A cell of few genes may come out whole by chance, so it does not testify.
    filled = statistics.n_nonzero >= 20
    counted = filled & (statistics.n_whole == statistics.n_nonzero) & (statistics.smallest == 1)
    n_counted, n_filled = int(np.count_nonzero(counted)), int(np.count_nonzero(filled))
    return n_counted if 0.01 * n_filled <= n_counted < n_filled else 0


def _classify_signed(statistics: RowStatistics) -> dict[str, Any]:
    sample = statistics.sample.toarray()
    centre, spread = float(np.median(np.abs(sample.mean(axis=0)))), float(np.median(sample.std(axis=0)))
    figures = f"{statistics.n_negative:,} negative values, gene means near {centre:.2g}, gene spreads near {spread:.2g}"
    # Seurat's ScaleData cuts at 10 unless told otherwise, and scanpy's tutorials do the same.
    at_limit = abs(statistics.maximum - 10) < 1e-6
    if at_limit or (centre < 0.1 and 0.8 < spread < 1.25):
        return {
            "kind": "scaled",
            "evidence": f"{figures}{', cut at 10' if at_limit else ''}: genes scaled to unit variance",
        }
    return {"kind": "residuals", "evidence": f"{figures}: residuals or integrated values"}


def _classify_counts(statistics: RowStatistics) -> dict[str, Any]:
    filled = statistics.total[statistics.n_nonzero > 0]
    spread = float(filled.std() / filled.mean())
    evidence = f"all values whole, {filled.min():,.0f} to {filled.max():,.0f} per cell"
    # Totals of a few cells may be alike by chance.
    if filled.size < 50 or spread > EVEN_TOTALS:
        return {"kind": "counts", "evidence": evidence}
    doubt = f"; totals differ by only {spread:.0%}, as after SCTransform or down-sampling"
    return {"kind": "counts", "evidence": evidence + doubt, "certain": False}


def _classify_fractions(statistics: RowStatistics) -> dict[str, Any]:
    fit = fit_log(statistics.sample, try_log=statistics.maximum <= LARGEST_LOG)
    if fit.base is None:
        return {"kind": "linear", "total": fit.total, "evidence": fit.evidence, "certain": fit.certain}
    return {"kind": "log", "base": fit.base, "total": fit.total, "evidence": fit.evidence, "certain": fit.certain}
