"""Reading text: a table of genes × cells, or a folder of files written by hand from R."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from ._columns import with_gaps
from ._contents import Contents, Matrix
from ._tenx import read_mtx

if TYPE_CHECKING:
    from pathlib import Path


def read_text(path: Path) -> Contents:
    """Read a table of numbers by commas or tabs, genes in rows; a header one field short is understood."""
    plain = path.name.lower().removesuffix(".gz")
    separator = "," if plain.endswith(".csv") else "\t"
    header = pd.read_csv(path, sep=separator, nrows=1, header=None, dtype=str, keep_default_na=False).iloc[0].tolist()
    body = pd.read_csv(path, sep=separator, skiprows=1, header=None, index_col=0, keep_default_na=False)
    cells = header[len(header) - body.shape[1] :]  # R's write.table names no column for the row names
    if not cells or len(cells) != body.shape[1] or not all(dtype.kind in "iuf" for dtype in body.dtypes):
        msg = f"it is not a table of numbers with genes in rows: {len(header)} names over {body.shape[1]} columns"
        raise ValueError(msg)
    values, genes = sparse.csr_matrix(body.to_numpy().T), body.index.astype(str)
    return Contents(
        format="text", obs=pd.DataFrame(index=cells), matrices=[Matrix("X", values, pd.DataFrame(index=genes))]
    )


def read_written_by_hand(folder: Path) -> Contents:
    """Read a folder with one ``.mtx``, a table of cells and a list of genes; other tables of numbers are embeddings."""
    tables = {path.stem: path for path in sorted(folder.glob("*.csv"))}
    genes = pd.read_csv(_named(tables, "gene", "feature"), header=None, dtype=str, keep_default_na=False).iloc[:, -1]
    obs = pd.read_csv(_named(tables, "meta", "obs", "cell"), index_col=0, na_values=["NA"], keep_default_na=False)
    obs.index = obs.index.astype(str)
    stored = sorted([*folder.glob("*.mtx"), *folder.glob("*.mtx.gz")])
    if not stored:
        msg = "the folder has no .mtx"
        raise ValueError(msg)
    values = sparse.csr_matrix(read_mtx(stored[0]))
    # Genes × cells is tried first, since R writes so; a square matrix does not show it.
    if values.shape == (len(genes), len(obs)):
        values = values.T.tocsr()
    if values.shape != (len(obs), len(genes)):
        msg = f"the matrix is {values.shape[0]} × {values.shape[1]} for {len(genes)} genes and {len(obs)} cells"
        raise ValueError(msg)
    matrix = Matrix("X", values, pd.DataFrame(index=genes.to_numpy()))
    contents = Contents(format="mtx folder", obs=obs.apply(with_gaps), matrices=[matrix])
    for name, path in tables.items():
        table = pd.read_csv(path, index_col=0) if name.lower() in ("pca", "umap", "tsne", "spatial") else pd.DataFrame()
        if table.index.astype(str).equals(obs.index) and len(table):
            contents.obsm[name] = table.to_numpy(np.float64)
    return contents


def _named(tables: dict[str, Path], *words: str) -> Path:
    for name, path in tables.items():
        if any(word in name.lower() for word in words):
            return path
    msg = f"the folder has no .csv with {' or '.join(words)} in its name"
    raise ValueError(msg)
