"""Reading a Seurat object from ``.rds``: assays of Seurat 3, 4 and 5, cells, embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from .._optional import require
from ._contents import Contents, Matrix
from ._h5ad import SPLIT
from ._h5seurat import main_assay
from ._matrices import compressed

if TYPE_CHECKING:
    from pathlib import Path

SLOTS = ("counts", "data")


def read_rds(path: Path) -> Contents:
    """Read the RNA assay with its cells and embeddings; other assays become tables of ``obsm``."""
    parsed = require("rds2py", purpose="Reading .rds files").parse_rds(str(path))
    return read_seurat_object(parsed)


def read_seurat_object(parsed: dict[str, Any]) -> Contents:
    """Read a Seurat object from the nested dictionaries that ``rds2py.parse_rds`` returns."""
    if parsed.get("class_name") != "Seurat":
        msg = f"it holds an R object of class {parsed.get('class_name')!r}, not Seurat"
        raise ValueError(msg)
    slots = parsed["attributes"]
    contents = Contents(format="rds", obs=data_frame(slots["meta.data"]))
    assays = _named(slots["assays"])
    main = main_assay(list(assays), slots["active.assay"]["data"][0])
    for name, assay in assays.items():
        _read_assay(name, assay, contents, is_main=name == main)
    identity = pd.Series(vector(slots["active.ident"])).to_numpy() if "active.ident" in slots else np.array([])
    if "active.ident" not in contents.obs and len(identity) == len(contents.obs):
        contents.obs["active.ident"] = identity
    for name, reduction in _named(slots["reductions"]).items():
        contents.obsm[name] = _array(reduction["attributes"]["cell.embeddings"])
    return contents


def data_frame(node: dict[str, Any]) -> pd.DataFrame:
    """Return a data frame of R with its row names as text."""
    rows = [str(name) for name in node["attributes"]["row.names"]["data"]]
    columns = {name: vector(column) for name, column in _named(node).items()}
    return pd.DataFrame(columns).set_axis(rows, axis=0) if columns else pd.DataFrame(index=rows)


def vector(node: dict[str, Any]) -> pd.Series:
    """Return a vector of R: factors as categories, dates as dates, missing values as missing."""
    values, attributes = node["data"], node.get("attributes") or {}
    classes = attributes.get("class", {}).get("data", [])
    if "levels" in attributes:
        # Factors of R count from 1; missing becomes 0 and then -1, as pandas has it.
        codes = pd.Series(values, dtype=float).fillna(0).astype(int).to_numpy() - 1
        levels = pd.Index(list(attributes["levels"]["data"]), dtype=object)
        return pd.Series(pd.Categorical.from_codes(codes, levels, ordered="ordered" in classes))
    if "Date" in classes:
        return pd.Series(pd.to_datetime(np.asarray(values, float), unit="D").strftime("%Y-%m-%d"), dtype=object)
    if node["type"] == "string":
        return pd.Series(list(values), dtype=object)
    series = pd.Series(np.asarray(values).tolist(), dtype=object)
    if series.isna().any() and node["type"] in ("boolean", "integer"):
        return series.convert_dtypes() if series.notna().any() else series
    return pd.Series(np.asarray(values))


def _named(node: dict[str, Any]) -> dict[str, Any]:
    names = (node.get("attributes") or {}).get("names", {}).get("data", [])
    return dict(zip(names, node["data"], strict=True)) if len(names) else {}


def _array(node: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(node["data"], float).reshape(node["attributes"]["dim"]["data"], order="F")


def _read_assay(name: str, assay: dict[str, Any], contents: Contents, *, is_main: bool) -> None:
    slots = assay["attributes"]
    layers = _layers(slots, contents) if "layers" in slots else _slots(slots)
    if not is_main:
        layers = {slot: matrix for slot, matrix in layers.items() if slot == "counts"}
    for slot, (values, genes) in layers.items():
        if values.shape != (len(contents.obs), len(genes)):
            contents.doubts.append(f"{name}/{slot} was left out: shape {values.shape}")
        elif is_main:
            contents.matrices.append(Matrix(slot, values, pd.DataFrame(index=genes)))
        else:
            contents.assays[name] = pd.DataFrame(values.toarray(), index=contents.obs.index, columns=genes)


def _slots(slots: dict[str, Any]) -> dict[str, tuple[sparse.csr_matrix, list[str]]]:
    """Return the matrices of an assay of Seurat 3 and 4."""
    found = {}
    for slot in SLOTS:
        node = slots.get(slot, {})
        if node.get("class_name") == "dgCMatrix":
            found[slot] = (_matrix(node), list(node["attributes"]["Dimnames"]["data"][0]["data"]))
    return found


def _layers(slots: dict[str, Any], contents: Contents) -> dict[str, tuple[sparse.csr_matrix, list[str]]]:
    """Return the matrices of an assay of Seurat 5, those that hold some cells each put together."""
    genes, layers = _members(slots["features"]), _named(slots["layers"])
    cells = _members(slots["cells"])
    rows_of = {name: np.flatnonzero(cells[name].to_numpy()) for name in layers}
    found: dict[str, tuple[sparse.csr_matrix, list[str]]] = {}
    for slot in SLOTS:
        parts = [name for name in layers if name == slot or ((m := SPLIT.match(name)) and m[1] == slot)]
        total = sparse.csr_matrix((len(cells), len(genes)))
        for part in parts:
            total = total + _placed(_matrix(layers[part]), rows_of[part], np.flatnonzero(genes[part]), total.shape)
        if parts:
            found[slot] = (sparse.csr_matrix(total), genes.index.tolist())
        if len(parts) > 1:
            contents.repairs.append(f"{', '.join(parts)} were joined to {slot}")
    return found


def _members(node: dict[str, Any]) -> pd.DataFrame:
    """Return which cells or genes each layer holds."""
    rows, columns = (names["data"] for names in node["attributes"]["dimnames"]["data"])
    return pd.DataFrame(_array(node) == 1, index=list(rows), columns=list(columns))


def _placed(
    values: sparse.csr_matrix, rows: np.ndarray[Any, Any], columns: np.ndarray[Any, Any], shape: tuple[int, int]
) -> sparse.csr_matrix:
    """Return a layer at its cells and genes of the whole."""
    part = values.tocoo()
    return sparse.csr_matrix((part.data, (rows[part.row], columns[part.col])), shape)


def _matrix(node: dict[str, Any]) -> sparse.csr_matrix:
    """Return a dgCMatrix, genes × cells, as cells × genes."""
    slots = node["attributes"]
    rows, columns = (int(n) for n in slots["Dim"]["data"])
    parts = (np.asarray(slots[part]["data"]) for part in ("x", "i", "p"))
    return compressed(*parts, shape=(rows, columns), by_column=True).transpose().tocsr()
