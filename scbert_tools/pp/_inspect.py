"""What the matrices of a data set hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from .._arguments import check_adata
from .._docs import shared_docs
from ..tokens.scale import Candidate, Choice, choose_matrix, detect_scale

if TYPE_CHECKING:
    from anndata import AnnData

COLUMNS = ["holds", "certain", "whole numbers", "smallest", "largest", "not zero", "genes", "why"]


@dataclass(frozen=True)
class Inspection:
    """What each matrix holds and which one ``annotate`` will read; prints as a table."""

    table: pd.DataFrame
    """One row a matrix: what it holds, the figures this rests on, and the reason."""
    choice: Choice | None
    """The matrix that ``annotate`` will read, ``None`` if none can be used."""
    verdict: str
    """The choice, or why there is none, in a sentence."""

    def __str__(self) -> str:
        shown = self.table.drop(columns="why").to_string(float_format=lambda value: f"{value:.4g}")
        reasons = "\n".join(f"{name}: {why}" for name, why in self.table["why"].items())
        return f"{shown}\n\n{reasons}\n\n{self.verdict}"

    def __repr__(self) -> str:
        return str(self)


@shared_docs
def inspect(adata: AnnData, *, layer: str | None = None) -> Inspection:
    """Say what ``X``, ``raw`` and every layer hold, and which of them ``annotate`` will read.

    Told apart are counts, logarithms (of which base, and of which total per cell), linear values such as CPM or TPM,
    scaled values, residuals or integrated values, and proteins. All values are read, in pieces of constant size;
    ``adata`` is not changed.

    Parameters
    ----------
    {adata}
    {layer}

    Returns
    -------
    Result that prints as a table; its ``table`` is a DataFrame, its ``choice`` names the matrix, scale and reason.

    Raises
    ------
    TypeError
        If a matrix does not hold numbers.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> found = sbt.pp.inspect(sc.datasets.pbmc68k_reduced())
    >>> found.choice.name
    'raw'
    >>> found.table["holds"].tolist()
    ['scaled', 'natural log of 1 + linear values']
    """
    check_adata(adata)
    candidates = [_candidate(name, x, names) for name, x, names in _matrices(adata)]
    try:
        choice = choose_matrix(candidates, layer=layer)
    except (KeyError, ValueError) as error:
        return Inspection(_table(candidates), None, f"`annotate` will refuse this: {str(error).strip(chr(34))}")
    return Inspection(_table(candidates), choice, f"`annotate` will read {choice.name}: {choice.reason}.")


def _matrices(adata: AnnData) -> list[tuple[str, Any, list[str]]]:
    """Return name, values and gene names of each matrix, in order of preference."""
    found = [] if adata.X is None else [("X", adata.X, list(adata.var_names))]
    found += [(name, values, list(adata.var_names)) for name, values in adata.layers.items() if name is not None]
    return found + ([] if adata.raw is None else [("raw", adata.raw.X, list(adata.raw.var_names))])


def _candidate(name: str, values: Any, names: list[str]) -> Candidate:
    return Candidate(name, detect_scale(values, names=names))


def _table(candidates: list[Candidate]) -> pd.DataFrame:
    rows = [
        (str(s), s.certain, s.whole_share, s.minimum, s.maximum, s.density, s.n_genes, s.evidence)
        for s in (candidate.scale for candidate in candidates)
    ]
    return pd.DataFrame(rows, columns=COLUMNS, index=[candidate.name for candidate in candidates])
