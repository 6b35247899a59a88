"""Reading gene names: ids, aliases, prefixes, and what tables and spreadsheets do to a symbol."""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from .tables import (
    approved_symbols,
    current_symbol,
    ensembl_symbols,
    entrez_symbols,
    meanings,
    mouse_genes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from .vocabulary import Vocabulary

Kind = Literal["symbol", "ensembl", "entrez", "mouse symbol", "mouse ensembl", "row number"]
How = Literal["same", "id", "alias", "spelling", "ambiguous", "unknown"]

HUMAN_ID = re.compile(r"ENSG(\d{11})")
MOUSE_ID = re.compile(r"ENSMUSG(\d{11})")
# `Cd3e`, `mt-Co1`, `2610507B11Rik`. Human symbols are in capitals; `C1orf54` and its like are too few to matter.
MOUSE_SYMBOL = re.compile(r"[A-Z][a-z0-9]*[a-z]|mt-[A-Z][a-z]|\d+[A-Z]\d+Rik")
# References of two species put the genome before every gene: `GRCh38_CD3E`, `hg19-CD3E`.
PREFIX = re.compile(r"(?:GRCh\d+|hg\d+|human|GRCm\d+|mm\d+|mouse)[-_ .]+", re.IGNORECASE)
MOUSE_PREFIX = re.compile(r"(?:GRCm\d+|mm\d+|mouse)[-_ .]+", re.IGNORECASE)
# What R's `make.unique` and anndata append to a name that comes twice: `MATR3.1`, `MATR3-1`.
REPEATED = re.compile(r"(.+?)[.\-_]\d+$")
# Spreadsheets read MARCH1, SEPT2 and DEC1 as days: `1-Mar`, `Sep-2`, `2006-12-01 00:00:00`.
DATE = re.compile(r"(?P<day>\d\d?)-(?P<month>mar|sep|dec)(?:-\d+)?$", re.IGNORECASE)
MONTH_FIRST = re.compile(r"(?P<month>mar|sep|dec)-(?P<day>\d\d?)$", re.IGNORECASE)
ISO_DATE = re.compile(r"\d{4}-(?P<month>\d\d)-(?P<day>\d\d)(?: 00:00:00)?$")
MONTHS = {"mar": ("MARCH", "MARC"), "sep": ("SEPT", "SEP"), "dec": ("DEC",)}
MONTHS |= {"03": MONTHS["mar"], "09": MONTHS["sep"], "12": MONTHS["dec"]}
SEPARATORS = str.maketrans("._|/ ", "-----")
NAMES_LOOKED_AT = 2000


class Sense(NamedTuple):
    """The number of the model gene that a name stands for (-1: none), and how that was found."""

    place: int
    how: How


UNKNOWN, AMBIGUOUS = Sense(-1, "unknown"), Sense(-1, "ambiguous")


def kind_of_names(names: Sequence[str]) -> Kind:
    """Say what most of the names are.

    Examples
    --------
    >>> kind_of_names(["ENSG00000198851.10", "ENSG00000156738.17"])
    'ensembl'
    """
    # Numbers of rows count from 0 where Python made them and from 1 where R did.
    if names and all(str(number) == name for number, name in enumerate(names, start=int(names[0] == "1"))):
        return "row number"
    names = names[:: max(1, len(names) // NAMES_LOOKED_AT)]
    tests: dict[Kind, Callable[[str], object]] = {
        "ensembl": HUMAN_ID.search,
        "mouse ensembl": MOUSE_ID.search,
        "entrez": str.isdecimal,
        "mouse symbol": lambda name: MOUSE_SYMBOL.match(MOUSE_PREFIX.sub("", name)),
    }
    for kind, fits in tests.items():
        if sum(bool(fits(name)) for name in names) > 0.5 * len(names):
            return kind
    return "symbol"


class NameReader:
    """Finds the model gene of a name, trying the plain reading first and repairs last.

    Parameters
    ----------
    vocabulary
        Genes of the model.
    found
        All names of the file: a suffix such as ``.1`` is only taken off if the name without it is there too.
    """

    def __init__(self, vocabulary: Vocabulary, found: Collection[str]) -> None:
        self.vocabulary = vocabulary
        self.found = frozenset(found)

    def read(self, name: str) -> Sense:
        """Return the model gene of a human symbol or id."""
        if (place := self.vocabulary.index.get(name)) is not None:
            return Sense(place, "same")
        sense = self._known(name)
        if sense is not None:
            return sense
        if "-" in name and (date := DATE.match(name) or MONTH_FIRST.match(name) or ISO_DATE.match(name)):
            return self._of_date(date)
        # This ends: a repair is shorter than the name, or a gene of the model, which the first line finds.
        for variant in self._repairs(name):
            sense = self.read(variant)
            if sense.how != "unknown":
                return sense if sense.how == "ambiguous" else Sense(sense.place, "spelling")
        return UNKNOWN

    def read_entrez(self, name: str) -> Sense:
        """Return the model gene of an Entrez id."""
        return self._of_symbol(entrez_symbols().get(name), "id")

    def read_mouse(self, name: str) -> Sense:
        """Return the model gene of the human relative of a mouse gene; a name in capitals if no relative is listed."""
        name = MOUSE_PREFIX.sub("", name)
        genes, number = mouse_genes(), MOUSE_ID.search(name)
        if number:
            return self._of_symbol(genes.ensembl.get(number[1].lstrip("0")), "id")
        if name in genes.symbols:
            return self._of_symbol(genes.symbols[name], "id")
        return self._of_symbol(approved_symbols().get(name.upper()), "id")

    def _known(self, name: str) -> Sense | None:
        """Read ids, approved symbols and aliases; ``None`` if the name is none of them."""
        if number := HUMAN_ID.search(name):
            return self._of_symbol(ensembl_symbols().get(number[1].lstrip("0")), "id")
        capitals = name.upper()
        if approved := approved_symbols().get(capitals):
            return self._of_symbol(approved, "alias" if approved == name else "spelling")
        symbols = meanings().get(capitals, "").split("|")
        senses = [sense for sense in (self._of_symbol(symbol, "alias") for symbol in symbols) if sense.place >= 0]
        if not senses:
            return UNKNOWN if symbols[0] else None
        return senses[0] if len(symbols) == 1 else AMBIGUOUS

    def _of_date(self, date: re.Match[str]) -> Sense:
        """Find the one gene whose symbol a spreadsheet takes for this date."""
        symbols = [f"{name}{int(date['day'])}" for name in MONTHS.get(date["month"].lower(), ())]
        genes = {current_symbol(symbol) for symbol in symbols} & set(approved_symbols().values())
        return self._of_symbol(genes.pop(), "spelling") if len(genes) == 1 else AMBIGUOUS if genes else UNKNOWN

    def _of_symbol(self, symbol: str | None, how: How) -> Sense:
        """Find an approved symbol in the vocabulary, which may itself use an older name."""
        place = self._current.get(symbol, -1) if symbol else -1
        return Sense(place, how) if place >= 0 else UNKNOWN

    @cached_property
    def _current(self) -> dict[str, int]:
        """Approved symbol of every model gene → its number; a gene listed by that very symbol comes first."""
        index, approved = self.vocabulary.index, approved_symbols()
        same = {gene: place for gene, place in index.items() if approved.get(gene) == gene}
        others = {current_symbol(gene): place for gene, place in reversed(index.items()) if gene not in same}
        return {**others, **{gene: index[gene] for gene in others.keys() & index.keys()}, **same}

    @cached_property
    def _plain(self) -> dict[str, str]:
        """Model genes by their letters and digits, with every separator a dash; unclear ones are missing."""
        written = _plain("\n".join(self.vocabulary)).split("\n")
        times = Counter(written)
        return {key: gene for key, gene in zip(written, self.vocabulary, strict=False) if times[key] == 1}

    def _repairs(self, name: str) -> Iterator[str]:
        """Yield what the name may have been before a tool changed it."""
        if name != name.strip(" \t\"'"):
            yield name.strip(" \t\"'")
        if PREFIX.match(name) and not MOUSE_PREFIX.match(name):
            yield PREFIX.sub("", name, count=1)
        if repeated := REPEATED.match(name):
            yield from [repeated[1]] if repeated[1] in self.found else []
        # R's `make.names` turns dashes into dots and puts an X before a digit.
        for written in (name, name.removeprefix("X")):
            gene = self._plain.get(_plain(written))
            yield from [gene] if gene else []


def _plain(name: str) -> str:
    return name.translate(SEPARATORS).upper()
