"""Whether enough genes of a model were found to trust its answer."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .align import GeneMatch

FEWEST_GENES = 50
"""Below so many genes of the model (or half of them, for a small model) an answer would be noise."""
LOW_COVERAGE = 0.2


def check_coverage(match: GeneMatch, *, n_taught: int | None = None, callers: int = 1) -> None:
    """Refuse names that leave too few genes of the model; warn where few are left or the species differs.

    Parameters
    ----------
    match
        Result of :func:`match_genes`.
    n_taught
        Genes that the cells expressed from which the model learned, all genes of the model by default: one that
        learned from a panel needs no more than the panel.
    callers
        Functions of the package between this one and the user's line, which a warning points at.

    Raises
    ------
    ValueError
        If fewer than 50 genes of the model (or half of a smaller model) were found.

    Examples
    --------
    >>> from scbert_tools.genes import Vocabulary, check_coverage, match_genes
    >>> check_coverage(match_genes(["CD3E", "MS4A1"], Vocabulary(("MS4A1", "NKG7", "CD3E"))))
    """
    floor = max(1, min(FEWEST_GENES, match.n_model_genes // 2))
    if match.n_found < floor:
        msg = f"{match}; at least {floor} are needed. {_remedy(match)}"
        raise ValueError(msg)
    if match.kind.startswith("mouse"):
        msg = f"{match}; they were mapped to their human relatives, for the model knows human cells only."
        warnings.warn(msg, UserWarning, stacklevel=callers + 2)
    if match.n_found < LOW_COVERAGE * (n_taught or match.n_model_genes):
        msg = f"{match}, less than {LOW_COVERAGE:.0%}: expect doubtful labels. Give all genes, not only variable ones."
        warnings.warn(msg, UserWarning, stacklevel=callers + 2)


def _remedy(match: GeneMatch) -> str:
    if match.kind == "row number":
        return "The gene names were lost when the file was made: look for them in a column of `adata.var`."
    return "Are `adata.var_names` gene symbols or ids of human or mouse genes, one for every gene measured?"
