"""The offline lists of gene names that come with the package, read when first needed."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class MouseGenes:
    """The human gene of each mouse gene that has human relatives, ``""`` where it is not clear which."""

    symbols: dict[str, str]
    ensembl: dict[str, str]


@cache
def approved_symbols() -> dict[str, str]:
    """Map symbols in capitals to symbols as approved; 64,798 genes."""
    text = _text("symbols.tsv.gz")
    return dict(zip(text.upper().split("\n"), text.split("\n"), strict=True))


@cache
def meanings() -> dict[str, str]:
    """Map previous symbols and aliases, in capitals, to the gene they stand for, or to several joined by ``|``."""
    return _pairs("aliases.tsv.gz")


@cache
def ensembl_symbols() -> dict[str, str]:
    """Map the number of an Ensembl id, without leading zeros, to its symbol."""
    return _pairs("ensembl.tsv.gz")


@cache
def entrez_symbols() -> dict[str, str]:
    """Map Entrez ids to symbols."""
    return _pairs("entrez.tsv.gz")


@cache
def mouse_genes() -> MouseGenes:
    """Read the mouse table: about 20,000 genes with human relatives."""
    genes = MouseGenes({}, {})
    for symbol, number, human in (line.split("\t") for line in _lines("mouse.tsv.gz")):
        genes.ensembl[number] = human
        genes.symbols[symbol] = genes.symbols.get(symbol) or human
    return genes


@cache
def marker_sources() -> dict[str, dict[str, int]]:
    """Map Cell Ontology ids to symbols and how many databases call the gene a marker of the type: at least 2.

    Built from the Cell Marker Accordion (MIT), which merges 23 databases, by ``tutorials/recipes/marker_table.py``.
    """
    table: dict[str, dict[str, int]] = {}
    for number, gene, n_sources in (line.split("\t") for line in _lines("markers.tsv.gz")):
        table.setdefault(f"CL:{number}", {})[gene] = int(n_sources)
    return table


def current_symbol(name: str) -> str:
    """Return the approved symbol of a gene that is known by another name; the name itself if that is unclear.

    Examples
    --------
    >>> from scbert_tools.genes.tables import current_symbol
    >>> current_symbol("FAM96A"), current_symbol("PD1"), current_symbol("CD3E")
    ('CIAO2A', 'PD1', 'CD3E')
    """
    capitals = name.upper()
    if capitals in approved_symbols():
        return approved_symbols()[capitals]
    meaning = meanings().get(capitals, "")
    return meaning if meaning and "|" not in meaning else name


def _pairs(table: str) -> dict[str, str]:
    fields = _text(table).replace("\n", "\t").split("\t")
    return dict(zip(fields[::2], fields[1::2], strict=True))


def _lines(table: str) -> list[str]:
    return _text(table).split("\n")


def _text(table: str) -> str:
    packed = files(__package__).joinpath("tables", table).read_bytes()
    return gzip.decompress(packed).decode().removesuffix("\n")
