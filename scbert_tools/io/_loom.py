"""Reading ``.loom``: genes × cells, attributes of rows and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from scipy import sparse

from ._columns import read_column, texts
from ._contents import Contents, Matrix

if TYPE_CHECKING:
    import h5py

CELLS = ("CellID", "cell_names", "obs_names")
GENES = ("Gene", "gene_names", "var_names")


def read_loom(file: h5py.File) -> Contents:
    """Read the matrix and the layers; factors that were written as numbers stay numbers, with a doubt."""
    contents = Contents(format="loom")
    cells, genes = _names(file["col_attrs"], CELLS), _names(file["row_attrs"], GENES)
    contents.obs = pd.DataFrame(index=cells)
    for name, node in file["col_attrs"].items():
        if name not in CELLS:
            _read_attribute(name, node, contents)
    # LoomR writes a factor as its codes in one byte; a plain whole number takes four.
    coded = [name for name, node in file["col_attrs"].items() if str(getattr(node, "dtype", "")) == "uint8"]
    if coded:
        contents.doubts.append(f"{', '.join(coded)} hold the numbers of labels; the labels are not in the file")
    nodes = {"X": file["matrix"], **dict(file.get("layers", {}).items())}
    for name, node in nodes.items():
        values = sparse.csr_matrix(node[()].T)
        if values.shape != (len(cells), len(genes)):
            msg = f"{name} has shape {values.shape} for {len(cells)} cells and {len(genes)} genes"
            raise ValueError(msg)
        contents.matrices.append(Matrix(name, values, pd.DataFrame(index=genes)))
    return contents


def _read_attribute(name: str, node: h5py.Dataset | h5py.Group, contents: Contents) -> None:
    """Read a column of cells, or an embedding, which loom keeps beside the columns."""
    n_cells = len(contents.obs)
    if len(getattr(node, "shape", ())) == 2 and node.shape[0] == n_cells and node.dtype.kind in "iuf":
        contents.obsm[name] = node[()]
        return
    try:
        column = read_column(node)
    except (ValueError, KeyError, TypeError, OSError) as error:
        contents.doubts.append(f"column {name!r} was left out: {error}")
        return
    if len(column) == n_cells:
        contents.obs[name] = column.to_numpy() if column.dtype == object else column.array
    else:
        contents.doubts.append(f"column {name!r} was left out: it has {len(column)} rows instead of {n_cells}")


def _names(node: h5py.Group, candidates: tuple[str, ...]) -> list[str]:
    name = next((name for name in candidates if name in node), None)
    if name is None:
        msg = f"none of {', '.join(candidates)} is in {node.name}"
        raise ValueError(msg)
    return texts(node[name][()])
