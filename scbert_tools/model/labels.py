"""Cell types as a tree: leaves are what the network tells apart, inner nodes what it may fall back to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

UNASSIGNED = "unassigned"
"""Label of a cell for which no node of the tree is likely enough."""

EITHER = "|"
"""Stands between the names of a label that leaves open which of them it is."""


@dataclass(frozen=True)
class LabelTree:
    """Names of cell types, who stands under whom, and their Cell Ontology ids.

    Parameters
    ----------
    parents
        From every name to the one above it; names at the top map to ``None``.
    ontology
        From names to Cell Ontology ids; names may be missing.

    Raises
    ------
    ValueError
        If a parent is not a name, a name is ``"unassigned"`` or holds ``"|"``, the tree has a circle, or there is a
        single leaf. A tree without any names is that of a model that has not learned to name cells yet.

    Examples
    --------
    >>> tree = LabelTree({"T cell": None, "CD4 T": "T cell", "CD8 T": "T cell", "B cell": None})
    >>> tree.leaves
    ('CD4 T', 'CD8 T', 'B cell')
    """

    parents: Mapping[str, str | None]
    ontology: Mapping[str, str]

    def __init__(self, parents: Mapping[str, str | None], ontology: Mapping[str, str] | None = None) -> None:
        object.__setattr__(self, "parents", dict(parents))
        object.__setattr__(self, "ontology", dict(ontology or {}))
        unknown = {above for above in parents.values() if above is not None and above not in parents}
        reserved = {name for name in parents if name == UNASSIGNED or EITHER in name}
        if odd := sorted(unknown | reserved):
            msg = f"`parents` names {odd}, which cannot be a cell type of the tree; add or rename it."
            raise ValueError(msg)
        # Following every line to its top refuses circles.
        for name in parents:
            self.lineage(name)
        # No leaves at all are right: such a model is pretrained only.
        if len(self.leaves) == 1:
            msg = f"`parents` must hold at least two leaves to tell apart, got {self.leaves}."
            raise ValueError(msg)

    @classmethod
    def flat(cls, names: Iterable[str]) -> LabelTree:
        """Return a tree of leaves only."""
        return cls(dict.fromkeys(names))

    def lineage(self, name: str) -> tuple[str, ...]:
        """Return ``name`` and everything above it, the top last."""
        line = [name]
        while (above := self.parents[line[-1]]) is not None:
            if above in line:
                msg = f"`parents` runs in a circle: {' → '.join([*line, above])}."
                raise ValueError(msg)
            line.append(above)
        return tuple(line)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names, in the order given."""
        return tuple(self.parents)

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """Names without any below them: the classes of the network."""
        inner = set(self.parents.values())
        return tuple(name for name in self.parents if name not in inner)

    @cached_property
    def depth(self) -> NDArray[np.int64]:
        """Steps from the top for each of ``names``."""
        return np.array([len(self.lineage(name)) for name in self.names])

    def membership(self, labels: Iterable[str]) -> NDArray[np.bool_]:
        """Return which leaves each label allows: (labels, leaves).

        Parameters
        ----------
        labels
            Names of the tree; ``"A|B"`` allows the leaves of both.

        Raises
        ------
        ValueError
            If a label is not in the tree.
        """
        labels = list(labels)
        unknown = sorted({part for label in labels for part in label.split(EITHER)} - set(self.names))
        if unknown:
            msg = f"`labels` holds {unknown}, but the tree knows only {list(self.names)}; rename or leave them out."
            raise ValueError(msg)
        below = {leaf: set(self.lineage(leaf)) for leaf in self.leaves}
        return np.array([[bool(below[leaf] & set(label.split(EITHER))) for leaf in self.leaves] for label in labels])

    def to_json(self) -> list[dict[str, Any]]:
        """Return one record per name: name, parent, ontology id."""
        return [{"name": n, "parent": p, "ontology_id": self.ontology.get(n)} for n, p in self.parents.items()]

    @classmethod
    def from_json(cls, records: Iterable[Mapping[str, Any]]) -> LabelTree:
        """Return the tree that :meth:`to_json` described."""
        records = list(records)
        ontology = {r["name"]: r["ontology_id"] for r in records if r.get("ontology_id")}
        return cls({r["name"]: r["parent"] for r in records}, ontology)
