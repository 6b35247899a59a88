"""What a model remembers of the cells it knows, to tell when a new cell is unlike all of them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

STORED_AS = {"profiles": np.float16, "markers": np.float16}
"""What is large, or small whole numbers, is stored with half the digits."""


@dataclass(frozen=True, kw_only=True)
class UsualNovelty:
    """How odd cells of data sets are that the network had not seen."""

    usual: NDArray[np.float32]
    """(signs, classes, 3) each sign of novelty in held-out cells: height, slope in log genes, spread."""
    depths: NDArray[np.float32]
    """(2,) fewest and most expressed genes among held-out cells, but for 1 % at either end."""
    novelty: NDArray[np.float32]
    """(n,) novelty of held-out cells beside the bulk of their data set, sorted."""
    bulks: NDArray[np.float32] | None = None
    """(sets,) median novelty of each held-out data set; ``None`` if the model judges cells by themselves."""
    novelty_together: NDArray[np.float32] | None = None
    """(n,) novelty of held-out cells averaged over their neighbours, sorted; ``None`` if there was no graph of them."""
    surplus_together: NDArray[np.float32] | None = None
    """(n,) surplus of markers in the neighbours of held-out cells beside the bulk of their data set, sorted."""
    surplus_bulks: NDArray[np.float32] | None = None
    """(sets,) median of the same in each held-out data set."""


@dataclass(frozen=True, kw_only=True)
class KnownCells(UsualNovelty):
    """Arrays stored beside the weights, in ``known.safetensors``.

    ``profiles`` and ``n_genes`` describe training cells, the others cells of data sets that the network had not seen.
    """

    profiles: NDArray[np.float32]
    """(classes, genes) mean log(CP10k + 1) of every class; zero for genes never measured."""
    doublet: NDArray[np.float32]
    """(n,) doublet score of held-out cells, sorted."""
    set_scores: NDArray[np.float32]
    """(names, n) 1 - probability of the true label in held-out cells, sorted; NaN where there are fewer. Raised to what
    the data set says in which the label is hardest to find."""
    n_genes: NDArray[np.float32]
    """(n,) expressed genes per training cell where most genes were measured, at evenly spaced quantiles."""
    set_pooled: NDArray[np.float32] | None = None
    """(names, n) the same as they were; ``None`` if the model does not leave out odd cells from sets."""
    markers: NDArray[np.float32] | None = None
    """(genes,) what each gene counts as a known marker, mostly zero; ``None`` if the model looks at none."""

    def __post_init__(self) -> None:
        if len(self.profiles) != self.usual.shape[1]:
            msg = (
                f"`profiles` are of {len(self.profiles)} classes and `usual` of {self.usual.shape[1]}; use one model's."
            )
            raise ValueError(msg)

    @property
    def marker_columns(self) -> NDArray[np.int64]:
        """Places of the known markers among the genes."""
        return np.flatnonzero(0 if self.markers is None else self.markers)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return every array as it is stored."""
        every = {one.name: getattr(self, one.name) for one in fields(self)}
        found = {name: x for name, x in every.items() if x is not None}
        return {name: np.ascontiguousarray(x, STORED_AS.get(name, np.float32)) for name, x in found.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> KnownCells:
        """Return what :meth:`arrays` described.

        Raises
        ------
        TypeError
            If arrays are missing or unknown.
        """
        return cls(**{name: np.asarray(x, np.float32) for name, x in arrays.items()})
