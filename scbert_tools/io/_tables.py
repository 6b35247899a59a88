"""Tables of cells and genes in an HDF5 file, in each of the ways they have been written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._columns import plain, read_column, read_texts, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    import h5py

INDEX_COLUMNS = ("_index", "index", "features", "rownames", "cell_names", "CellID", "barcodes")
NAME_COLUMNS = ("_index", "features", "gene_symbols", "gene_symbol", "gene_names", "gene_name", "gene_short_name")
LABELS = "__categories"


def read_table(node: h5py.Group | h5py.Dataset, *, doubts: list[str], repairs: list[str] | None = None) -> pd.DataFrame:
    """Read a table of cells or genes; a column that cannot be read is left out with a doubt.

    Parameters
    ----------
    node
        Group with one data set a column, or the compound data set of files from before 2019.
    doubts
        Receives a line for each column left out.
    repairs
        Receives a line for each kind of column that got back what it meant.

    Returns
    -------
    The table, with the names as text in its index; row numbers if the file has no names.
    """
    if not hasattr(node, "keys"):
        return _read_compound(node)
    index = _index_name(node)
    names = read_texts(node[index]) if index in node else []
    columns = {}
    for name in _ordered(node):
        if name in (index, LABELS):
            continue
        try:
            column = _read(node, name)
            columns[name] = _fitting(column, names)
        except (ValueError, KeyError, TypeError, OSError) as error:
            doubts.append(f"column {name!r} was left out: {error}")
    table = pd.DataFrame(columns)
    doubts += [f"column {name!r} is listed but not in the file" for name in _listed(node) if name not in node]
    _doubt_codes(table, doubts, labelled=len(node.get(LABELS, ())) > 0)
    if repairs is not None:
        repairs += _put_right(node, table)
    if not names:
        return table
    return table.set_axis(names, axis=0) if len(table.columns) else pd.DataFrame(index=names)


def _put_right(node: h5py.Group, table: pd.DataFrame) -> list[str]:
    """Say which factors got back their labels, and which numbers their meaning of true and false."""
    labels = node.get(LABELS, ())
    factors = [str(name) for name in table if name in labels]
    whole = [str(name) for name in table if getattr(getattr(node[name], "dtype", None), "kind", "") in ("i", "u")]
    flags = [name for name in whole if pd.api.types.is_bool_dtype(table[name])]
    said = [f"{', '.join(factors)}: codes got back their labels"] if factors else []
    return said + ([f"{', '.join(flags)}: 0, 1 and 2 are FALSE, TRUE and NA of R"] if flags else [])


def _doubt_codes(table: pd.DataFrame, doubts: list[str], *, labelled: bool) -> None:
    """Name the columns of a Seurat object that look like factors without their labels."""
    if labelled or not any(str(name).startswith("nCount_") for name in table):
        return
    codes = [str(name) for name, column in table.items() if _like_codes(column)]
    if codes:
        doubts.append(f"{', '.join(codes)} hold whole numbers from 0: if they were factors, their labels are lost")


def _like_codes(column: pd.Series) -> bool:
    """Whether the values are 0, 1, 2, ... without a gap, each for several cells on average."""
    if not pd.api.types.is_integer_dtype(column):
        return False
    found = np.sort(column.dropna().unique().astype(np.int64))
    return 1 < found.size <= len(column) / 3 and np.array_equal(found, np.arange(found.size))


def _read(node: h5py.Group, name: str) -> pd.Series:
    labels = node.get(LABELS)
    levels = texts(labels[name][()]) if labels is not None and name in labels else None
    by_r = labels is not None and len(labels) > 0 and "encoding-type" not in node[name].attrs
    return read_column(node[name], levels=levels, by_r=by_r)


def _fitting(column: pd.Series, names: list[str]) -> pd.Series:
    if names and len(column) != len(names):
        msg = f"it has {len(column)} rows instead of {len(names)}"
        raise ValueError(msg)
    return column


def _index_name(node: h5py.Group) -> str:
    named = texts(node.attrs.get("_index", ""))[0]
    return next((name for name in (named, *INDEX_COLUMNS) if name and name in node), named)


def _ordered(node: h5py.Group) -> Iterable[str]:
    """Return the names of the columns in the order of the table, unlisted ones last."""
    return dict.fromkeys([name for name in _listed(node) if name in node] + list(node))


def _listed(node: h5py.Group) -> list[str]:
    return [name for attribute in ("column-order", "colnames") for name in texts(node.attrs.get(attribute, []))]


def _read_compound(node: h5py.Dataset) -> pd.DataFrame:
    values = node[()]
    if values.dtype.names is None:
        msg = f"{node.name} is not a table"
        raise ValueError(msg)
    columns = {name: plain(values[name]) for name in values.dtype.names}
    index = next((name for name in INDEX_COLUMNS if name in columns), values.dtype.names[0])
    names = [text(name) for name in columns.pop(index)]
    return pd.DataFrame(columns).set_axis(names, axis=0)


def named_genes(table: pd.DataFrame, n_genes: int, *, repairs: list[str]) -> pd.DataFrame:
    """Return the table with gene names in its index, from another column if the index holds row numbers.

    Parameters
    ----------
    table
        The genes.
    n_genes
        Columns of the matrix they belong to.
    repairs
        Receives a line if the names came from a column.

    Raises
    ------
    ValueError
        If the table has another length, or no names.
    """
    if len(table) != n_genes:
        msg = f"it has {n_genes} columns but {len(table)} genes are listed"
        raise ValueError(msg)
    if not _numbers_of_rows(table.index):
        return table
    for name in NAME_COLUMNS:
        if name in table and not _numbers_of_rows(table[name]):
            said = f"genes were numbered; they got their names from column {name!r}"
            repairs += [said] if said not in repairs else []  # matrices share the table
            return table.set_axis(table[name].astype(str).to_numpy(), axis=0)
    msg = "the names of the genes are not in the file"
    raise ValueError(msg)


def _numbers_of_rows(names: Any) -> bool:
    """Whether names are missing: none at all, or 0, 1, 2, ... or 1, 2, 3, ..."""
    found = np.asarray(names).astype(str)
    return any(np.array_equal(found, np.arange(first, first + found.size).astype(str)) for first in (0, 1))
