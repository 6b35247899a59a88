"""Reading what Cell Ranger writes: one ``.h5`` file, or a folder with a matrix, barcodes and features."""

from __future__ import annotations

import gzip
from inspect import signature
from io import BytesIO
from typing import TYPE_CHECKING

import pandas as pd
from scipy import sparse
from scipy.io import mmread

from ._columns import texts
from ._contents import Contents, Matrix
from ._matrices import compressed

if TYPE_CHECKING:
    from pathlib import Path

    import h5py

GENE_EXPRESSION = "Gene Expression"
AS_MATRIX: dict[str, bool] = {"spmatrix": True} if "spmatrix" in signature(mmread).parameters else {}
"""SciPy 1.18 wants to be told which kind of sparse matrix is meant, and 1.13 cannot be told."""


def read_tenx(file: h5py.File) -> Contents:
    """Read the counts of a Cell Ranger file of version 2 or 3; antibody counts become tables of ``obsm``."""
    genomes = ["matrix"] if "matrix" in file else genomes_of(file)
    group = file[genomes[0]]
    features = group.get("features", group)
    shape = tuple(int(n) for n in group["shape"][()])
    parts = (group[part][()] for part in ("data", "indices", "indptr"))
    genes_first = compressed(*parts, shape=(shape[0], shape[1]), by_column=True)
    names = texts(features["name" if "name" in features else "gene_names"][()])
    ids = texts(features["id" if "id" in features else "genes"][()])
    kinds = texts(features["feature_type"][()]) if "feature_type" in features else [GENE_EXPRESSION] * len(ids)
    table = pd.DataFrame({"gene_ids": ids, "feature_types": kinds}, index=names)
    contents = _by_kind("10x h5", genes_first.transpose().tocsr(), texts(group["barcodes"][()]), table)
    contents.doubts += [f"genome {name!r} was left out: {genomes[0]!r} was read" for name in genomes[1:]]
    return contents


def genomes_of(file: h5py.File) -> list[str]:
    """Return the groups in which Cell Ranger 2 wrote one matrix for each genome."""
    return [name for name, node in file.items() if hasattr(node, "keys") and {"barcodes", "indptr"} <= set(node)]


def read_tenx_folder(folder: Path) -> Contents:
    """Read ``matrix.mtx``, ``barcodes.tsv`` and ``features.tsv`` (or ``genes.tsv``), gzipped or not."""
    features = _columns(_one(folder, "features.tsv", "genes.tsv"))
    cells = _columns(_one(folder, "barcodes.tsv"))[0].tolist()
    table = pd.DataFrame({"gene_ids": features[0].to_numpy()}, index=features[min(1, features.shape[1] - 1)].to_numpy())
    table["feature_types"] = features[2].to_numpy() if features.shape[1] > 2 else GENE_EXPRESSION
    return _by_kind("10x folder", read_mtx(_one(folder, "matrix.mtx")).T.tocsr(), cells, table)


def read_mtx(path: Path) -> sparse.coo_matrix:
    """Read a Matrix Market file, gzipped or not."""
    packed = path.read_bytes()
    plain = BytesIO(gzip.decompress(packed) if path.suffix == ".gz" else packed)
    return sparse.coo_matrix(mmread(plain, **AS_MATRIX))


def _columns(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False)  # "NA" may be a name


def _one(folder: Path, *names: str) -> Path:
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    msg = f"the folder has no {' or '.join(names)}"
    raise ValueError(msg)


def _by_kind(name: str, values: sparse.csr_matrix, cells: list[str], table: pd.DataFrame) -> Contents:
    if values.shape != (len(cells), len(table)):
        msg = f"the matrix is {values.shape[1]} × {values.shape[0]} for {len(table)} genes and {len(cells)} cells"
        raise ValueError(msg)
    contents = Contents(format=name, obs=pd.DataFrame(index=cells))
    kinds = table["feature_types"].to_numpy()
    genes = kinds == GENE_EXPRESSION
    contents.matrices.append(Matrix("X", values[:, genes], table[genes]))
    for kind in sorted(set(kinds) - {GENE_EXPRESSION}):
        chosen = kinds == kind
        contents.assays[kind] = pd.DataFrame(values[:, chosen].toarray(), index=cells, columns=table.index[chosen])
    return contents
