"""Which labels the known markers in a cell speak for, however little the network thinks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..genes.markers import are_markers
from .profiles import LEAST
from .surplus import FEWEST_SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from ..model.labels import LabelTree

CLEARLY_MORE = 1.0
"""Difference of the square roots of log-expression: about a transcript that no other label explains."""


def markers_of(names: Sequence[str], tree: LabelTree, genes: Sequence[str]) -> NDArray[np.bool_]:
    """Return which genes databases agree on as markers of each label: (names, genes).

    Parameters
    ----------
    names
        Labels.
    tree
        Their tree, which knows their Cell Ontology ids; a label without one has no markers.
    genes
        Symbols.
    """
    ids = [tree.ontology.get(name, "") for name in names]
    return np.array([are_markers(genes, each, min_sources=FEWEST_SOURCES) for each in ids])


def borne_out(
    observed: sparse.csr_matrix,
    likely: NDArray[np.float32],
    expected: NDArray[np.float32],
    *,
    own: NDArray[np.bool_],
    members: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return which labels a cell holds a marker of that no other label it may have explains: (cells, names).

    Parameters
    ----------
    observed
        (cells, markers) log-expression.
    likely
        (cells, classes) probabilities.
    expected
        (classes, markers) what is expected of the classes, from :func:`~scbert_tools.infer.surplus.expected_on`.
    own
        (names, markers) markers of each label, from :func:`markers_of`.
    members
        (names, classes) classes that stand under each label.
    """
    found = np.zeros((len(likely), len(own)), bool)
    for place in np.flatnonzero(own.any(axis=1)):
        others = likely * ~members[place]
        others /= np.maximum(others.sum(axis=1, keepdims=True), LEAST)
        more = np.sqrt(observed[:, own[place]].toarray()) - np.sqrt(others @ expected[:, own[place]])
        found[:, place] = (more >= CLEARLY_MORE).any(axis=1)
    return found
