"""Rebuild the table of known markers of the package: ``python marker_table.py --markers FILE``.

``FILE`` is ``cellmarkeraccordion_human.tsv.gz``, the marker table of the R package ``cellmarkeraccordion`` (MIT), which
merges 23 databases by Cell Ontology id. The result is the same, byte for byte, whenever the input is.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import pandas as pd

from scbert_tools.genes.tables import approved_symbols, current_symbol

TABLE = Path(__file__).parents[2] / "scbert_tools" / "genes" / "tables" / "markers.tsv.gz"
FEWEST_SOURCES = 2
"""Markers that a single database names are left out."""

SAME = {
    "CL:0002057": ("CL:0000860", "CL:0001054"),
    "CL:0002396": ("CL:0000875",),
    "CL:0000792": ("CL:0000815",),
    "CL:0000990": ("CL:0000782", "CL:0002399", "CL:0002394"),
    "CL:0000897": ("CL:0000904", "CL:0000905"),
    "CL:0000794": ("CL:0000913", "CL:0001050", "CL:0001062"),
    "CL:0008001": ("CL:0000037",),
    "CL:0000764": ("CL:0000232", "CL:0000765"),
}
"""Terms of the shipped models' types, and terms that databases use for the same cells or for parts of them.

CD14 and classical monocytes; CD16 and non-classical monocytes; CD25+ and regulatory T cells; conventional and myeloid
dendritic cells, CD1c+, CD141+; memory, central memory and effector memory CD4 T; cytotoxic, effector, effector memory
and terminally differentiated CD8 T; precursor and stem cells of blood; erythroid cells, erythrocytes, erythroblasts.
"""


def read_markers(path: Path) -> pd.DataFrame:
    """Return one row a cell type and gene: term, approved symbol, number of databases that agree."""
    columns = ["CL_ID", "marker", "marker_type", "ECs_global"]
    table = pd.read_csv(path, sep="\t", usecols=columns, keep_default_na=False)
    table = table[table["marker_type"] == "positive"].assign(gene=table["marker"].map(current_symbol))
    table = table[table["gene"].isin(set(approved_symbols().values()))]
    merged = [table.assign(CL_ID=term)[table["CL_ID"].isin(others)] for term, others in SAME.items()]
    table = pd.concat([table, *merged]).groupby(["CL_ID", "gene"], as_index=False)["ECs_global"].max()
    return table[table["ECs_global"] >= FEWEST_SOURCES]


def main() -> None:
    """Build the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markers", type=Path, required=True)
    table = read_markers(parser.parse_args().markers)
    rows = sorted(table.itertuples(index=False, name=None))
    text = "".join(f"{term.removeprefix('CL:')}\t{gene}\t{n}\n" for term, gene, n in rows)
    TABLE.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()
