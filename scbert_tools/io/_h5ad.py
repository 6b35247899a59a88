"""Reading ``.h5ad`` and ``.h5mu`` by HDF5 alone, so that a file that anndata refuses can still be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from ._contents import Contents, Matrix
from ._matrices import read_matrix
from ._tables import named_genes, read_table

if TYPE_CHECKING:
    import h5py

RNA_NAMES = ("rna", "gex", "gene expression", "x")
SPLIT = re.compile(r"(counts|data)\.(.+)$")


def read_h5ad(file: h5py.File | h5py.Group) -> Contents:
    """Read every matrix, table and embedding of an AnnData; what is damaged is left out with a doubt."""
    contents = Contents(format="h5ad")
    if "obs" not in file or "var" not in file:
        missing = " and ".join(f"`{name}`" for name in ("obs", "var") if name not in file)
        msg = f"the writer stopped before {missing}"
        raise ValueError(msg)
    contents.obs = read_table(file["obs"], doubts=contents.doubts, repairs=contents.repairs)
    genes = read_table(file["var"], doubts=contents.doubts)
    for name, node, table in _matrices(file, genes, contents):
        try:
            values = read_matrix(node)
            genes_of = named_genes(table, values.shape[1], repairs=contents.repairs)
            contents.matrices.append(Matrix(name, values, genes_of))
        except (ValueError, KeyError, TypeError, OSError) as error:
            contents.doubts.append(f"{name} was left out: {error}")
    _keep_matching_rows(contents)
    _read_obsm(file, contents)
    return contents


def _matrices(
    file: h5py.Group, genes: pd.DataFrame, contents: Contents
) -> list[tuple[str, h5py.Group | h5py.Dataset, pd.DataFrame]]:
    """Return name, place and gene table of each matrix."""
    found = [("X", file["X"], genes)] if "X" in file else []
    layers = file.get("layers", {})
    found += [(name, layers[name], genes) for name in layers]
    if "raw" in file and "X" in file["raw"]:
        table = read_table(file["raw"]["var"], doubts=contents.doubts) if "var" in file["raw"] else genes
        found.append(("raw", file["raw"]["X"], table))
    elif "raw.X" in file:
        found.append(("raw", file["raw.X"], read_table(file["raw.var"], doubts=contents.doubts)))
    return found


def _keep_matching_rows(contents: Contents) -> None:
    """Join layers that hold some cells each, then leave out matrices with another number of cells."""
    n_cells = len(contents.obs)
    groups: dict[str, list[Matrix]] = {}
    for matrix in contents.matrices:
        if split := SPLIT.match(matrix.name):
            groups.setdefault(split[1], []).append(matrix)
    for name, parts in groups.items():
        if name not in [matrix.name for matrix in contents.matrices]:
            contents.matrices += _joined(name, parts, n_cells, contents)
    if isinstance(contents.obs.index, pd.RangeIndex) and n_cells:
        contents.doubts.append("the cells have no names; they were numbered")
    for matrix in contents.matrices:
        if matrix.values.shape[0] != n_cells and not SPLIT.match(matrix.name):
            contents.doubts.append(f"{matrix.name} was left out: {matrix.values.shape[0]} rows for {n_cells} cells")
    contents.matrices = [matrix for matrix in contents.matrices if matrix.values.shape[0] == n_cells]


def _joined(name: str, parts: list[Matrix], n_cells: int, contents: Contents) -> list[Matrix]:
    names = ", ".join(part.name for part in parts)
    if all(part.values.shape[0] == n_cells for part in parts):  # zero in the cells of other parts
        values = sum((part.values for part in parts[1:]), start=parts[0].values)
    elif (n_rows := sum(part.values.shape[0] for part in parts)) == n_cells:
        # Which cells a part holds is not in the file; Seurat's order of the cells is that of the parts joined.
        values = sparse.vstack([part.values for part in parts])
        contents.doubts.append(f"{names} were joined in this order; check that the cells are in it too")
    else:
        contents.doubts.append(f"{names} were left out: {n_rows} rows together for {n_cells} cells")
        return []
    contents.repairs.append(f"{names} were joined to {name}")
    return [Matrix(name, sparse.csr_matrix(values), parts[0].genes)]


def _read_obsm(file: h5py.Group, contents: Contents) -> None:
    """Read embeddings and coordinates: arrays, or tables of numbers."""
    for name, node in file.get("obsm", {}).items():
        try:
            values = read_table(node, doubts=[]).to_numpy(np.float64) if hasattr(node, "keys") else node[()]
        except (ValueError, KeyError, TypeError, OSError) as error:
            contents.doubts.append(f"obsm {name!r} was left out: {error}")
            continue
        if values.ndim == 2 and values.shape[0] == len(contents.obs) and values.dtype.kind in "iuf":
            contents.obsm[name] = values
        else:
            contents.doubts.append(f"obsm {name!r} was left out: it has shape {values.shape}")


def read_h5mu(file: h5py.File) -> Contents:
    """Read the RNA of a MuData file; the other modalities become tables of ``obsm``."""
    names = list(file["mod"])
    main = next((name for name in names if name.lower() in RNA_NAMES), names[0] if names else None)
    if main is None:
        msg = "it holds no modality"
        raise ValueError(msg)
    contents = read_h5ad(file["mod"][main])
    contents.format = "h5mu"
    for name in names:
        if name != main:
            _add_modality(name, read_h5ad(file["mod"][name]), contents)
    return contents


def _add_modality(name: str, other: Contents, contents: Contents) -> None:
    whole = [matrix for matrix in other.matrices if matrix.name in ("counts", "raw", "X")]
    if not whole:
        contents.doubts.append(f"modality {name!r} was left out: no matrix")
        return
    best = min(whole, key=lambda matrix: ("counts", "raw", "X").index(matrix.name))
    table = pd.DataFrame(best.values.toarray(), index=other.obs.index, columns=best.genes.index.astype(str))
    contents.assays[name] = table.reindex(contents.obs.index)
