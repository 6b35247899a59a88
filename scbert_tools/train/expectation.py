"""Votes expected before any cell was seen: genes that the literature names as markers speak for their cell types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..genes.tables import marker_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..model.labels import LabelTree

MARKER_VOTE = 0.06
"""What a marker's vote is worth for every doubling of the databases that name it."""


def expected_votes(genes: Sequence[str], tree: LabelTree) -> NDArray[np.float32]:
    """Return the votes that the table of known markers lets expect: (genes, leaves) float32, rows summing to zero.

    A marker of an inner node of the tree speaks for all leaves below it. Types without a Cell Ontology id, and genes
    that no two databases name, start without votes.

    Parameters
    ----------
    genes
        Approved symbols, in the order of the vocabulary.
    tree
        Labels with their Cell Ontology ids.
    """
    place = {gene: row for row, gene in enumerate(genes)}
    votes = np.zeros((len(genes), len(tree.leaves)), np.float32)
    for name, term in tree.ontology.items():
        below = tree.membership([name])[0].astype(np.float32)
        for gene, n_sources in marker_sources().get(term, {}).items():
            if gene in place:
                votes[place[gene]] += np.log2(n_sources) * below
    return np.asarray(MARKER_VOTE * (votes - votes.mean(axis=1, keepdims=True)), np.float32)
