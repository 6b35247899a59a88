"""Reading single-cell files as they come from R."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from .._settings import logger
from ._assemble import assemble

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import anndata as ad

    from ._contents import Contents

DAMAGE = (
    OSError, KeyError, ValueError, TypeError, IndexError, RuntimeError, AttributeError, ArithmeticError, EOFError,
    MemoryError, StopIteration, zlib.error,
)  # fmt: skip
EXPORT = (
    'In R: obj[["RNA"]] <- as(JoinLayers(obj[["RNA"]]), "Assay"); DefaultAssay(obj) <- "RNA"; '
    'sceasy::convertFormat(obj, from = "seurat", to = "anndata", main_layer = "counts", outFile = "fixed.h5ad")'
)


def read_seurat(path: str | os.PathLike[str]) -> ad.AnnData:
    """Read a file made from a Seurat object, by whatever tool, and repair what the way did to it.

    Understood are ``.h5ad`` of SeuratDisk, sceasy, MuDataSeurat, anndataR and zellkonverter (also those that anndata
    itself refuses), ``.h5Seurat``, ``.h5mu``, ``.rds`` (with the extra ``seurat``), ``.loom``, Cell Ranger's ``.h5``
    and folder, a folder of ``.mtx`` and ``.csv``, and tables of text with genes in rows. The file is only read.

    Parameters
    ----------
    path
        File or folder.

    Returns
    -------
    AnnData with

    - ``X``: counts (cells × genes, sparse) if the file has them or if they follow with certainty from log-normalised
      values; else the best matrix there is;
    - ``layers``: the other matrices of the same genes, ``"lognorm"`` for log-normalised values;
    - ``obs``: factors with their labels, truth values and missing values as R had them;
    - ``obsm``: embeddings by scanpy's names, further assays (ADT, HTO) as tables by the names of the assays;
    - ``uns["seurat_import"]``: which matrix was taken and why, what was repaired and what was left out.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, of an unknown kind, or holds no matrix of the genes that can be used (only scaled or
        integrated values), with the line of R that exports the object properly.

    Examples
    --------
    >>> import scbert_tools as sbt
    >>> adata = sbt.io.read_seurat("pbmc.h5ad")  # doctest: +SKIP
    >>> adata.uns["seurat_import"]["X"]  # doctest: +SKIP
    'counts recovered from natural log of 1 + CP10k'
    """
    path = Path(path)
    if not path.exists():
        msg = f"`path` is {str(path)!r}, which does not exist."
        raise FileNotFoundError(msg)
    try:
        contents = _read(path)
        adata = assemble(contents)
    except DAMAGE as error:
        reason = str(error).strip("'\"") or type(error).__name__
        msg = f"`path` is {str(path)!r}, which cannot be used: {reason}. Export the object again. {EXPORT}"
        raise ValueError(msg) from error
    for doubt in contents.doubts:
        warnings.warn(f"{path.name}: {doubt}", UserWarning, stacklevel=2)
    for repair in contents.repairs:
        logger.info("%s: %s", path.name, repair)
    return adata


def _read(path: Path) -> Contents:
    """Choose the reader by what the file is, not only by its name."""
    if path.is_dir():
        return _read_folder(path)
    import h5py

    if h5py.is_hdf5(path):
        return _read_hdf5(path)
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".rds"):
        from ._rds import read_rds

        return read_rds(path)
    if name.endswith((".csv", ".tsv", ".txt")):
        from ._text import read_text

        return read_text(path)
    msg = "it is not an HDF5 file (.h5ad, .h5Seurat, .h5mu, .loom, .h5), .rds, .csv, .tsv or .txt"
    raise ValueError(msg)


def _read_folder(path: Path) -> Contents:
    from ._tenx import read_tenx_folder
    from ._text import read_written_by_hand

    by_cell_ranger = any(path.glob("barcodes.tsv*"))
    return (read_tenx_folder if by_cell_ranger else read_written_by_hand)(path)


def _read_hdf5(path: Path) -> Contents:
    """Read an HDF5 file; which kind it is shows in its groups."""
    import h5py

    from ._h5ad import read_h5ad, read_h5mu
    from ._h5seurat import read_h5seurat
    from ._loom import read_loom
    from ._tenx import genomes_of, read_tenx

    kinds: dict[str, Callable[[h5py.File], Contents]] = {
        "assays": read_h5seurat,
        "mod": read_h5mu,
        "col_attrs": read_loom,
        "matrix": read_tenx,
    }
    with h5py.File(path, "r") as file:
        other = read_tenx if genomes_of(file) else read_h5ad
        return next((reader for group, reader in kinds.items() if group in file), other)(file)
