"""From what a file holds to an AnnData that every tool accepts and that can be written again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd

from .._keys import IMPORT_REPORT
from ..tokens.recover_counts import recover_counts
from ..tokens.scale import Candidate, ExpressionScale, choose_matrix, detect_scale, to_linear

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from ._contents import Contents, Matrix

LAYER_NAMES = {
    "log": "lognorm",
    "scaled": "scaled",
    "residuals": "residuals",
    "counts": "counts",
    "linear": "normalized",
}
# Column names that anndata refuses to write, or that a file cannot hold.
RESERVED = {"_index": "index_in_file", "": "unnamed"}
ORDER = ("counts", "X", "raw")


def assemble(contents: Contents) -> ad.AnnData:
    """Build the AnnData: counts in ``X`` where there are any, other matrices of the same genes in ``layers``."""
    if not contents.matrices:
        found = f" ({'; '.join(contents.doubts)})" if contents.doubts else ""
        msg = f"it holds no matrix of all its cells and genes{found}"
        raise ValueError(msg)
    if not len(contents.obs):
        msg = "it holds no cells"
        raise ValueError(msg)
    matrices = {matrix.name: matrix for matrix in sorted(contents.matrices, key=_order)}
    scales = {name: detect_scale(matrix.values, names=list(matrix.genes.index)) for name, matrix in matrices.items()}
    chosen = _chosen(scales)
    matrix, scale = matrices[chosen], scales[chosen]
    values, how = _counts(matrix, scale, contents)
    if scale.kind in ("counts", "log"):
        contents.doubts += _contradictions(chosen, values, matrices, scales)
        contents.doubts += _other_totals(values, contents.obs) if scale.kind == "counts" else []
    adata = ad.AnnData(values, obs=writable(contents.obs), var=writable(matrix.genes))
    for name, other in matrices.items():
        if other.values.shape == values.shape and list(other.genes.index) == list(matrix.genes.index):
            _add_layer(adata, name, other, scales[name], is_x=name == chosen and how == "read")
    for name, array in contents.obsm.items():
        adata.obsm[embedding_name(name)] = np.asarray(array)
    for name, table in contents.assays.items():
        unique = table.set_axis(ad.utils.make_index_unique(pd.Index(table.columns.astype(str))), axis=1)
        adata.obsm[name] = writable(unique).set_axis(adata.obs_names, axis=0)
    adata.uns[IMPORT_REPORT] = _report(contents, chosen, scale, how)
    return adata


def _order(matrix: Matrix) -> int:
    return ORDER.index(matrix.name) if matrix.name in ORDER else len(ORDER)


def _chosen(scales: dict[str, ExpressionScale]) -> str:
    """Choose as ``annotate`` would; proteins are passed on for the caller to warn of."""
    proteins = [name for name, scale in scales.items() if scale.kind == "proteins"]
    if len(proteins) == len(scales):
        return max(proteins, key=lambda name: scales[name].whole_share)
    return choose_matrix([Candidate(name, scale) for name, scale in scales.items()]).name


def _counts(matrix: Matrix, scale: ExpressionScale, contents: Contents) -> tuple[sparse.csr_matrix, str]:
    """Return the values to put in ``X``: as read, or counts recovered from their log."""
    if scale.kind == "proteins":
        contents.doubts.append(f"{matrix.name} holds proteins, not genes: {scale.evidence}")
        return matrix.values, "read"
    if not scale.certain:
        contents.doubts.append(f"{matrix.name}: {scale.evidence}")
    if scale.kind != "log":
        return matrix.values, "read"
    if "whole numbers" in scale.evidence:
        # SCTransform's `data` is the log of its corrected counts: undone, it is whole but for rounding.
        corrected = to_linear(matrix.values, scale)
        corrected.data = np.rint(corrected.data)
        return corrected, "recovered"
    counts = recover_counts(matrix.values, scale, totals=_totals(contents.obs))
    return (matrix.values, "read") if counts is None else (counts, "recovered")


def _contradictions(
    chosen: str, values: sparse.csr_matrix, matrices: dict[str, Matrix], scales: dict[str, ExpressionScale]
) -> list[str]:
    """Name other counts of the same cells and genes that are not the same."""
    return [
        f"{name} holds other counts than {chosen}, which was taken"
        for name, other in matrices.items()
        if name != chosen and scales[name].kind == "counts" and other.values.shape == values.shape
        if (other.values != values).nnz
    ]


def _other_totals(values: sparse.csr_matrix, obs: pd.DataFrame) -> list[str]:
    """Say if cells have more counts than Seurat noted; fewer is what a choice of genes makes."""
    totals = _totals(obs)
    if totals is None:
        return []
    # Half a count of room, since totals may have been rounded on the way.
    n_more = int(np.count_nonzero(np.asarray(values.sum(axis=1)).ravel() > totals + 0.5))
    return [f"{n_more} cells have more counts than were noted when the object was made"] if n_more else []


def _totals(obs: pd.DataFrame) -> NDArray[np.float64] | None:
    """Return the counts of each cell that Seurat noted down."""
    name = next((name for name in ("nCount_RNA", "nCount_Spatial", "nUMI") if name in obs), None)
    return None if name is None else pd.to_numeric(obs[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)


def _add_layer(adata: ad.AnnData, name: str, matrix: Matrix, scale: ExpressionScale, *, is_x: bool) -> None:
    if is_x or scale.kind in ("empty", "unknown"):
        return
    layer = LAYER_NAMES.get(scale.kind, name) if name in ("X", "raw") else name
    if layer not in adata.layers and not (layer == "counts" and (matrix.values != adata.X).nnz == 0):
        adata.layers[layer] = matrix.values


def embedding_name(name: str) -> str:
    """Return the name that scanpy expects: ``X_pca`` for ``PCA``, ``pca`` or ``X_pca``; ``spatial`` as it is."""
    plain = name.removeprefix("X_")
    return "spatial" if plain.lower() == "spatial" else f"X_{plain.lower() if plain.isupper() else plain}"


def writable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with names and values that both HDF5 and zarr can hold."""
    table = table.copy()
    table.index = pd.Index(table.index.astype(str).to_numpy(), dtype=object)
    plain = [str(name).replace("/", "|") for name in table.columns]
    table.columns = pd.Index([RESERVED.get(name, name) for name in plain], dtype=object)
    table = table.loc[:, ~table.columns.duplicated()]
    return table.apply(_writable_column) if len(table.columns) else table


def _writable_column(column: pd.Series) -> pd.Series:
    """Return text as categories; a column without any value as missing numbers."""
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return column
    if column.isna().all():
        return column.astype(float)
    return column.where(column.isna(), column.astype(str)).astype("category")


def _report(contents: Contents, chosen: str, scale: ExpressionScale, how: str) -> dict[str, object]:
    """Return the report as plain values that can be written."""
    state = str(scale) if how == "read" else f"counts recovered from {scale}"
    return {
        "format": contents.format,
        "matrix": chosen,
        "X": state,
        "evidence": scale.evidence,
        "repairs": "\n".join(contents.repairs),
        "warnings": "\n".join(contents.doubts),
    }
