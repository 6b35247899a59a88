"""The offline table of known markers: which genes the literature names for which cell type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .names import HUMAN_ID
from .tables import current_symbol, ensembl_symbols, marker_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIN_SOURCES = 3
"""Databases that must agree before a gene counts as a known marker."""


def known_markers(ontology_id: str, *, min_sources: int = MIN_SOURCES) -> frozenset[str]:
    """Return the approved symbols of the known markers of a cell type; empty for a type that is not listed.

    Parameters
    ----------
    ontology_id
        Cell Ontology id, such as ``"CL:0000236"``.
    min_sources
        Databases that must agree, at least 2.

    Examples
    --------
    >>> from scbert_tools.genes.markers import known_markers
    >>> {"MS4A1", "CD79A"} <= known_markers("CL:0000236")
    True
    """
    sources = marker_sources().get(ontology_id, {})
    return frozenset(gene for gene, n_sources in sources.items() if n_sources >= min_sources)


def are_markers(genes: Sequence[str], ontology_id: str, *, min_sources: int = MIN_SOURCES) -> NDArray[np.bool_]:
    """Return which genes are known markers of a cell type, older symbols and ids understood: (genes,).

    Parameters
    ----------
    genes
        Human gene symbols or Ensembl ids.
    ontology_id, min_sources
        As in :func:`known_markers`.
    """
    known = known_markers(ontology_id, min_sources=min_sources)
    return np.fromiter((gene in known or _symbol(gene) in known for gene in genes), bool, len(genes))


def _symbol(name: str) -> str:
    """Return the approved symbol of a name or id."""
    number = HUMAN_ID.search(name)
    return ensembl_symbols().get(number[1].lstrip("0"), name) if number else current_symbol(name)
