"""What a file was found to hold, whatever its format, before it becomes an AnnData."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy import sparse


@dataclass(frozen=True)
class Matrix:
    """Cells × genes, with the table of its genes; their names are the index."""

    name: str
    values: sparse.csr_matrix
    genes: pd.DataFrame


@dataclass(kw_only=True)
class Contents:
    """All that could be read of a file, and what had to be repaired or left out for it."""

    format: str
    obs: pd.DataFrame = field(default_factory=pd.DataFrame)
    matrices: list[Matrix] = field(default_factory=list)
    obsm: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    assays: dict[str, pd.DataFrame] = field(default_factory=dict)
    """Counts of further assays (antibodies, hashtags), cells × features."""
    repairs: list[str] = field(default_factory=list)
    """What was put right, for the report."""
    doubts: list[str] = field(default_factory=list)
    """What the user has to know: lost labels, matrices left out."""
