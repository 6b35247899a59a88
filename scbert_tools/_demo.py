"""The demonstration on real blood cells: whose labels they carry, and how ours compare."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from anndata import AnnData

AUTHORS_KEY = "bulk_labels"

ABOUT_CELLS = (
    "pbmc68k_reduced, shipped with scanpy: 700 blood cells of one donor (10x Genomics, Zheng et al. 2017); "
    "of every cell, log-normalised values of 765 genes."
)
ABOUT_LABELS = (
    "The authors' labels are themselves computed: each cell was given the name of the sorted population whose bulk "
    "profile it correlates with best. Where the two sides differ, either may be wrong. Of the cells called "
    "CD14+ Monocyte, 96 % express FCGR3A, the gene of CD16; of those called Dendritic, 20 % express it and lack "
    "FCER1A; of those called CD19+ B, 32 % express MZB1 and IGJ and lack MS4A1, as plasma cells do."
)

AUTHORS = {
    "CD14+ Monocyte": "CD14 monocyte",
    "CD19+ B": "B cell",
    "CD34+": "HSPC",
    "CD4+/CD25 T Reg": "Treg",
    "CD4+/CD45RA+/CD25- Naive T": "naive CD4 T",
    "CD4+/CD45RO+ Memory": "memory CD4 T",
    "CD56+ NK": "NK cell",
    "CD8+ Cytotoxic T": "cytotoxic CD8 T",
    "CD8+/CD45RA+ Naive Cytotoxic": "naive CD8 T",
    "Dendritic": "dendritic cell",
}
"""Name that the authors gave, and the class of ours that says the same."""

LINEAGES = {
    "T cell": ["CD4 T", "CD8 T", "naive CD4 T", "memory CD4 T", "Treg", "naive CD8 T", "cytotoxic CD8 T"],
    "B cell": ["plasma cell"],
    "monocyte": ["CD14 monocyte", "CD16 monocyte"],
    "dendritic cell": ["cDC", "pDC"],
}
"""Coarse name, and the finer names that belong to it; a name in neither place is its own lineage."""

_LINEAGE_OF = {name: lineage for lineage, names in LINEAGES.items() for name in names}


def load_cells() -> AnnData:
    """Return the cells that scanpy ships; nothing is downloaded."""
    import scanpy as sc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file was written by an early version of anndata
        return sc.datasets.pbmc68k_reduced()


def compare_labels(ours: pd.Series[Any], authors: pd.Series[Any]) -> pd.DataFrame:
    """Tabulate, for each label of the authors, how often ours says the same.

    Parameters
    ----------
    ours
        Our label of each cell.
    authors
        The authors' label of each cell, a key of ``AUTHORS``.

    Returns
    -------
    One row per label and a last one over all cells, with the columns ``cells``; ``lineage``, ``subtype`` and
    ``unassigned`` (shares from 0 to 1) and ``mostly``, our most frequent name.
    """
    named, expected = ours.astype(str), authors.astype(str).map(AUTHORS)
    lineage = named.replace(_LINEAGE_OF)
    cells = pd.DataFrame(
        {
            "lineage": lineage == expected.replace(_LINEAGE_OF),
            "subtype": (named == expected) | (lineage == expected),
            "unassigned": named == "unassigned",
            "mostly": named,
        }
    )
    rows = {label: _summarise(group) for label, group in cells.groupby(authors.astype(str))}
    return pd.DataFrame.from_dict(rows | {"all cells": _summarise(cells)}, orient="index")


def _summarise(cells: pd.DataFrame) -> dict[str, object]:
    """Count the cells of one row of the table and average their shares."""
    shares = {name: cells[name].mean() for name in ("lineage", "subtype", "unassigned")}
    return {"cells": len(cells), **shares, "mostly": cells["mostly"].mode().iloc[0]}
