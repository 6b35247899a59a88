"""One or many data sets, in memory or as files that are read in pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np

from .._optional import require
from ._cells import find_cells

if TYPE_CHECKING:
    from ..data.chunks import ChunkedCells
    from ..genes.vocabulary import Vocabulary

READABLE = (".h5ad", ".zarr")


def open_all(data: Any) -> list[ad.AnnData]:
    """Return every data set, files opened without reading their values.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If there is no data set, or a file is of another kind.
    TypeError
        If something is neither an AnnData nor a path.
    """
    single = isinstance(data, ad.AnnData | str | PathLike)
    every = [data] if single else list(data) if isinstance(data, Sequence) else [data]
    if not every:
        msg = "`data` is empty; give an AnnData, a path, or several of them."
        raise ValueError(msg)
    return [one if isinstance(one, ad.AnnData) else _open(one) for one in every]


def _open(path: Any) -> ad.AnnData:
    """Open an h5ad or zarr file; its values stay where they are."""
    if not isinstance(path, str | PathLike):
        msg = f"`data` must be AnnData objects or paths, got {type(path).__name__}."
        raise TypeError(msg)
    path = Path(path)
    if path.suffix not in READABLE:
        msg = f"`data` names {str(path)!r}; files must end in {' or '.join(READABLE)}."
        raise ValueError(msg)
    if not path.exists():
        msg = f"`data` names {str(path)!r}, which does not exist; check the path."
        raise FileNotFoundError(msg)
    return ad.read_h5ad(path, backed="r") if path.suffix == ".h5ad" else _open_zarr(path)


def _open_zarr(path: Path) -> ad.AnnData:
    """Open a zarr folder; a sparse or dense ``X`` is read by slices."""
    group = require("zarr", purpose="Reading zarr files").open_group(path, mode="r")
    x = group["X"] if hasattr(group["X"], "shape") else ad.io.sparse_dataset(group["X"])
    return ad.AnnData(x, obs=ad.io.read_elem(group["obs"]), var=ad.io.read_elem(group["var"]))


def genes_in_common(sets: list[ad.AnnData]) -> list[str]:
    """Return the genes that at least half of the data sets list, in the order in which they are met."""
    counted = Counter(str(name) for adata in sets for name in dict.fromkeys(adata.var_names))
    return [name for name, n in counted.items() if 2 * n >= len(sets) and name.strip()]


def chunked(sets: list[ad.AnnData], vocabulary: Vocabulary, *, layer: str | None) -> ChunkedCells:
    """Return the cells of all sets in the genes of a vocabulary, to be read in blocks."""
    from ..data.chunks import ChunkedCells

    sources = [find_cells(adata, vocabulary, layer=layer) for adata in sets]
    measured = np.stack([source.match.measured for source in sources])
    return ChunkedCells([source.rows for source in sources], [source.n_cells for source in sources], measured)
