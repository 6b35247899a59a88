"""From the gene names of any file to the columns of a model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from .names import AMBIGUOUS, UNKNOWN, NameReader, Sense, kind_of_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .names import Kind
    from .vocabulary import Vocabulary

CHANGED = ("alias", "spelling")


def _no_gene(reader: NameReader, name: str) -> Sense:
    """Row numbers name no gene."""
    del reader, name
    return UNKNOWN


_READ: dict[Kind, Callable[[NameReader, str], Sense]] = {
    "symbol": NameReader.read,
    "ensembl": NameReader.read,
    "entrez": NameReader.read_entrez,
    "mouse symbol": NameReader.read_mouse,
    "mouse ensembl": NameReader.read_mouse,
    "row number": _no_gene,
}
NAMED = {
    "ensembl": "Ensembl ids",
    "entrez": "Entrez ids",
    "mouse symbol": "mouse symbols",
    "mouse ensembl": "mouse Ensembl ids",
    "row number": "row numbers, not genes",
}


@dataclass(frozen=True, kw_only=True)
class GeneMatch:
    """Which model gene each column of a matrix belongs to, and how that was found out."""

    target: NDArray[np.int64]
    """Number of the model gene of each column, -1 where the column is not used; (columns,)."""
    n_model_genes: int
    kind: Kind = "symbol"
    """What most of the names are."""
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

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(model genes,) which genes of the model were found."""
        found = np.zeros(self.n_model_genes, bool)
        found[self.target[self.target >= 0]] = True
        return found

    def __str__(self) -> str:
        parts = [f"{self.n_found:,} of {self.n_model_genes:,} model genes found"]
        parts += [f"{len(self.renamed):,} renamed"] if self.renamed else []
        parts += [f"{len(self.ambiguous):,} ambiguous"] if self.ambiguous else []
        parts += [f"{len(self.summed):,} summed"] if self.summed else []
        parts += [f"names are {NAMED[self.kind]}"] if self.kind in NAMED else []
        return "; ".join(parts)


def match_genes(found: Sequence[str], vocabulary: Vocabulary) -> GeneMatch:
    """Find the model gene of every name.

    Understood are symbols, previous symbols and aliases, Ensembl ids with or without version, Entrez ids, mouse
    symbols and ids (by their human relatives), prefixes such as ``hg19_``, suffixes that made names unique, dots and
    underscores for dashes, other capitals, and dates that were symbols. A name that may mean several genes is left
    out, and so is an alias of a gene that has a column under its own name.

    Parameters
    ----------
    found
        Names of the columns of a matrix.
    vocabulary
        Genes of the model.

    Returns
    -------
    The number of the model gene of each name, with the report; names without a model gene are not an error.

    Examples
    --------
    >>> from scbert_tools.genes import Vocabulary, match_genes
    >>> print(match_genes(["CD3E", "MS4A1", "CD3E.1", "PD1"], Vocabulary(("MS4A1", "NKG7", "CD3E", "PDCD1"))))
    2 of 4 model genes found; 1 renamed; 1 ambiguous; 1 summed
    """
    names = [str(name) for name in found]
    kind = kind_of_names(names)
    read, reader = _READ[kind], NameReader(vocabulary, names)
    # Most names are those of the model: an object for each would make Python look through all there are for garbage.
    target = vocabulary.positions(names) if read is NameReader.read else np.full(len(names), -1)
    senses = {column: read(reader, names[column]) for column in np.flatnonzero(target < 0).tolist()}
    taken = set(target.tolist())
    senses = {column: AMBIGUOUS if _shadowed(sense, taken) else sense for column, sense in senses.items()}
    target[list(senses)] = [sense.place for sense in senses.values()]
    changed = [(names[column], sense.place) for column, sense in senses.items() if sense.how in CHANGED]
    return GeneMatch(
        target=target,
        n_model_genes=len(vocabulary),
        kind=kind,
        renamed=tuple((name, vocabulary.genes[place]) for name, place in changed),
        ambiguous=tuple(names[column] for column, sense in senses.items() if sense.how == "ambiguous"),
        summed=_repeated(names, target),
    )


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
    Cells × model genes, float32, every gene of a cell stored once; their order within a cell is that of ``x``.

    Raises
    ------
    ValueError
        If ``x`` has another number of columns than ``match`` has names.
    """
    if x.shape[1] != match.target.size:
        msg = f"`x` has {x.shape[1]} columns but `match` was made for {match.target.size} names; match its own names."
        raise ValueError(msg)
    values = sparse.csr_matrix(x).astype(np.float32)  # a copy
    values.sum_duplicates()
    # Dropping and renaming entries is far cheaper than a product of matrices.
    place = match.target.astype(values.indices.dtype)[values.indices]
    if match.summed:
        _add_up(values, place, match)
    kept = np.flatnonzero(place >= 0)
    parts = values.data.take(kept), place.take(kept), np.searchsorted(kept, values.indptr)
    return sparse.csr_matrix(parts, (values.shape[0], match.n_model_genes))


def _add_up(values: sparse.csr_matrix, place: NDArray[np.integer[Any]], match: GeneMatch) -> None:
    """Move what a row holds of a gene in several columns, which few have, to one entry; others lose their place."""
    columns = np.bincount(match.target[match.target >= 0], minlength=match.n_model_genes)
    entry = np.flatnonzero(((match.target >= 0) & (columns[match.target] > 1))[values.indices])
    row = np.searchsorted(values.indptr, entry, side="right") - 1
    _, first, same = np.unique(row * match.n_model_genes + place[entry], return_index=True, return_inverse=True)
    values.data[entry[first]] = np.bincount(same, values.data[entry])
    place[np.delete(entry, first)] = -1


def _shadowed(sense: Sense, taken: set[int]) -> bool:
    """Return whether a name is the alias of a gene that has a column under its own name."""
    return sense.how == "alias" and sense.place in taken


def _repeated(found: Sequence[str], target: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the names of the second and later columns of each model gene."""
    used = np.flatnonzero(target >= 0)
    first = np.unique(target[used], return_index=True)[1]
    return tuple(str(found[column]) for column in np.delete(used, first).tolist())
