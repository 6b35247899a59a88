"""Columns of a table in an HDF5 file: text, numbers, factors, and the missing values of R."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import h5py

R_MISSING_INTEGER = -2147483648
R_MISSING_LOGICAL = 2
R_MISSING_TEXT = "NA"


def read_column(node: h5py.Dataset | h5py.Group, *, levels: list[str] | None = None, by_r: bool = False) -> pd.Series:
    """Read one column of a table.

    Parameters
    ----------
    node
        Data set or group of the column.
    levels
        Labels of a factor whose codes the data set holds.
    by_r
        Whether R wrote plain integers for true and false.
    """
    if hasattr(node, "keys"):
        return _read_group(node)
    values = node[()]
    if values.ndim != 1:
        msg = f"column {node.name} has {values.ndim} dimensions"
        raise ValueError(msg)
    if levels is not None:
        return factor(values, levels)
    if "logical" in [text(label) for label in np.atleast_1d(node.attrs.get("s3class", ""))]:
        return logical(values)
    return plain(values, by_r=by_r)


def _read_group(node: h5py.Group) -> pd.Series:
    """Read a categorical (codes from 0), a factor of R (values from 1), or values with a mask."""
    if "codes" in node:
        ordered = bool(node.attrs.get("ordered", False))
        return factor(node["codes"][()], read_texts(node["categories"]), ordered=ordered)
    if "levels" in node:
        values = node["values"][()].astype(np.int64)
        return factor(np.where(values == R_MISSING_INTEGER, -1, values - 1), texts(node["levels"][()]))
    values, missing = node["values"][()], node["mask"][()].astype(bool)
    if values.dtype.kind in "OSU":
        return pd.Series(texts(values)).mask(missing)
    return with_gaps(pd.Series(values)).mask(missing)


def with_gaps(column: pd.Series) -> pd.Series:
    """Return whole numbers and truth values in a type that can hold missing ones beside them; others as they are."""
    known = column.dropna()
    if column.dtype.kind in "bO" and len(known) and all(isinstance(value, bool | np.bool_) for value in known):
        return column.astype("boolean")
    if column.dtype.kind in "iu" or (column.dtype.kind == "f" and len(known) and (known % 1 == 0).all()):
        return column.astype("Int64")
    return column


def factor(codes: np.ndarray[Any, Any], levels: list[str], *, ordered: bool = False) -> pd.Series:
    """Return the labels of codes that count from 0; codes outside the levels are an error, R's missing value is not."""
    if codes.dtype.kind not in "iu":
        msg = f"codes of a factor are {codes.dtype}, not integers"
        raise ValueError(msg)
    codes = np.where(codes == R_MISSING_INTEGER, -1, codes.astype(np.int64))
    if codes.size and (codes.min() < -1 or codes.max() >= len(levels)):
        msg = f"a factor has {len(levels)} labels but codes from {codes.min()} to {codes.max()}"
        raise ValueError(msg)
    # pandas wants different labels, R allows equal ones; code -1 takes the last place, which is appended.
    unique = list(dict.fromkeys(levels))
    renumbered = np.array([unique.index(level) for level in levels] + [-1], np.int64)[codes]
    return pd.Series(pd.Categorical.from_codes(renumbered, pd.Index(unique, dtype=object), ordered=ordered))


def logical(values: np.ndarray[Any, Any]) -> pd.Series:
    """Return true and false for R's 1 and 0, missing for its 2 or its missing integer."""
    missing = ~np.isin(values, (0, 1))
    if missing.any():
        return pd.Series(pd.array((values == 1) & ~missing, dtype="boolean")).mask(missing)
    return pd.Series(values == 1)


def plain(values: np.ndarray[Any, Any], *, by_r: bool = False) -> pd.Series:
    """Return text, numbers or truth values with the missing values of R made missing."""
    if values.dtype.kind in "OSU":
        words = pd.Series(texts(values), dtype=object)
        return words.mask(words == R_MISSING_TEXT)
    if values.dtype.kind not in "iu":
        return pd.Series(values)
    # Without a class, R's logicals are integers of which all are 0, 1 or 2; other numbers keep their meaning.
    if by_r and np.isin(values, (0, 1, R_MISSING_LOGICAL)).all():
        return logical(values)
    missing = values.astype(np.int64) == R_MISSING_INTEGER
    return pd.Series(values).astype("Int64").mask(missing) if missing.any() else pd.Series(values)


def read_texts(node: h5py.Dataset | h5py.Group) -> list[str]:
    """Return names or labels; anndata writes those of pandas' own text type as a group of values and their mask."""
    return texts(node["values"][()] if hasattr(node, "keys") else node[()])


def texts(values: Any) -> list[str]:
    """Return each value as text."""
    return [text(value) for value in np.atleast_1d(values).tolist()]


def text(value: object) -> str:
    """Return a value as text; bytes that are not UTF-8 are read as Latin-1."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
