"""Reading ``.h5Seurat``: a Seurat object as it is, genes × cells by columns, factors counted from 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._columns import read_column, texts
from ._contents import Contents, Matrix
from ._matrices import read_matrix
from ._tables import read_table

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

ASSAYS = ("RNA", "Spatial", "SCT")
SLOTS = ("counts", "data")
PIXELS = ("imagecol", "imagerow")
"""Columns of an image's coordinates: x and y."""


def read_h5seurat(file: h5py.File) -> Contents:
    """Read the RNA assay with its cells and embeddings; other assays become tables of ``obsm``."""
    contents = Contents(format="h5Seurat")
    cells = texts(file["cell.names"][()])
    contents.obs = read_table(file["meta.data"], doubts=contents.doubts)
    contents.obs = (
        contents.obs.set_axis(cells, axis=0) if len(contents.obs) == len(cells) else pd.DataFrame(index=cells)
    )
    if "active.ident" in file and "active.ident" not in contents.obs:
        contents.obs["active.ident"] = read_column(file["active.ident"]).to_numpy()
    main = main_assay(list(file["assays"]), texts(file.attrs.get("active.assay", ""))[0])
    for name in file["assays"]:
        _read_assay(name, file["assays"][name], contents, is_main=name == main)
    for name, node in file.get("reductions", {}).items():
        if "cell.embeddings" in node:
            _add_embedding(name, np.asarray(node["cell.embeddings"][()]).T, contents)
    _read_images(list(file.get("images", {}).values()), contents)
    return contents


def _add_embedding(name: str, values: NDArray[np.float64], contents: Contents) -> None:
    if values.ndim == 2 and len(values) == len(contents.obs):
        contents.obsm[name] = values
    else:
        contents.doubts.append(f"reduction {name!r} was left out: shape {values.shape}")


def _read_images(images: list[h5py.Group], contents: Contents) -> None:
    """Read where the cells lie on their slide, x and y in pixels of the full image; NaN where a cell has no place."""
    tables = [read_table(image["coordinates"], doubts=contents.doubts) for image in images if "coordinates" in image]
    placed = [table[list(PIXELS)] for table in tables if set(PIXELS) <= set(table)]
    if placed:
        everywhere = pd.concat(placed)
        first = everywhere[~everywhere.index.duplicated()]
        contents.obsm["spatial"] = first.reindex(contents.obs.index).to_numpy(float)


def main_assay(names: list[str], active: str) -> str:
    """Return the assay with the expression of genes: RNA if there, else the active one."""
    for name in (*ASSAYS, active):  # the active one last: it is often "integrated", of some genes, or of proteins
        if name in names:
            return name
    if not names:
        msg = "the object holds no assay"
        raise ValueError(msg)
    return names[0]


def _read_assay(name: str, node: h5py.Group, contents: Contents, *, is_main: bool) -> None:
    genes = texts(node["features"][()])
    for slot in SLOTS:
        if slot not in node:
            continue
        values = read_matrix(node[slot], genes_first=True)
        if values.shape != (len(contents.obs), len(genes)):
            contents.doubts.append(f"{name}/{slot} was left out: shape {values.shape}")
        elif is_main:
            contents.matrices.append(Matrix(slot, values, _gene_table(node, genes, contents)))
        elif slot == "counts":
            contents.assays[name] = pd.DataFrame(values.toarray(), index=contents.obs.index, columns=genes)


def _gene_table(node: h5py.Group, genes: list[str], contents: Contents) -> pd.DataFrame:
    table = read_table(node["meta.features"], doubts=contents.doubts) if "meta.features" in node else pd.DataFrame()
    return table.set_axis(genes, axis=0) if len(table) == len(genes) else pd.DataFrame(index=genes)
