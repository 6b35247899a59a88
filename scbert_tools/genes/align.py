"""From the gene names of any file to the columns of a model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class GeneMatch:
    """Which model gene each column of a matrix belongs to, and how that was found out."""

    target: NDArray[np.int64]
    """Number of the model gene of each column, -1 where the column is not used; (columns,)."""
    n_model_genes: int
    kind: str = "symbol"
    """What the names are: ``"symbol"``, ``"ensembl"``, ``"entrez"``, ``"mouse symbol"`` or ``"mouse ensembl"``."""
    renamed: tuple[tuple[str, str], ...] = ()
    """Pairs of the name in the file and the model gene it stands for, where the two differ."""
    ambiguous: tuple[str, ...] = ()
    """Names that may mean several genes: left out."""
    summed: tuple[str, ...] = ()
    """Names of further columns of a gene that already had one: their values are added."""

    @cached_property
    def n_found(self) -> int:
        """Number of model genes with at least one column."""
        return int(np.unique(self.target[self.target >= 0]).size)

    @property
    def coverage(self) -> float:
        """Share of the model genes that were found, 0 to 1."""
        return self.n_found / max(self.n_model_genes, 1)

    def __str__(self) -> str:
        parts = [f"{self.n_found:,} of {self.n_model_genes:,} model genes found"]
        parts += [f"{len(self.renamed):,} renamed"] if self.renamed else []
        parts += [f"{len(self.ambiguous):,} ambiguous"] if self.ambiguous else []
        parts += [f"{len(self.summed):,} summed"] if self.summed else []
        return "; ".join(parts)


def match_genes(found: Sequence[str], vocabulary: Vocabulary) -> GeneMatch:
    """Find the model gene of every name.

    Parameters
    ----------
    found
        Names of the columns of a matrix, in any of the usual spellings.
    vocabulary
        Genes of the model.

    Returns
    -------
    The number of the model gene of each name, with the report; names without a model gene are not an error.

    Examples
    --------
    >>> from scbert_tools.genes import Vocabulary, match_genes
    >>> print(match_genes(["CD3E", "MS4A1", "CD3E"], Vocabulary(("MS4A1", "NKG7", "CD3E"))))
    2 of 3 model genes found; 1 summed
    """
    target = vocabulary.positions(str(name) for name in found)
    return GeneMatch(target=target, n_model_genes=len(vocabulary), summed=_repeated(found, target))


def align_columns(x: Any, match: GeneMatch) -> sparse.csr_matrix:
    """Return the matrix in model order: repeated genes added, absent genes zero.

    Parameters
    ----------
    x
        Cells × columns, dense or sparse of any format and number type.
    match
        Result of :func:`match_genes` for the names of these columns.

    Returns
    -------
    Cells × model genes, float32, with sorted indices; built by one sparse product.

    Raises
    ------
    ValueError
        If ``x`` has another number of columns than ``match`` has names.
    """
    if x.shape[1] != match.target.size:
        msg = f"`x` has {x.shape[1]} columns but `match` was made for {match.target.size} names; match its own names."
        raise ValueError(msg)
    used = np.flatnonzero(match.target >= 0)
    ones = np.ones(used.size, np.float32)
    selector = sparse.csr_matrix((ones, (used, match.target[used])), (x.shape[1], match.n_model_genes))
    aligned = sparse.csr_matrix(sparse.csr_matrix(x).astype(np.float32) @ selector)
    aligned.sort_indices()
    return aligned


def _repeated(found: Sequence[str], target: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the names of the second and later columns of each model gene."""
    used = np.flatnonzero(target >= 0)
    first = np.unique(target[used], return_index=True)[1]
    return tuple(str(found[column]) for column in np.delete(used, first).tolist())
