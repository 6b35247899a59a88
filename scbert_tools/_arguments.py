"""Checks of arguments that many functions share, in one wording."""

from __future__ import annotations

from numbers import Integral, Real
from os import PathLike

import numpy as np


def check_adata(adata: object) -> None:
    """Refuse what is not an AnnData, most often the path of its file or its matrix.

    Raises
    ------
    TypeError
        If it is something else; the message says how to come by an AnnData.
    """
    # By what it has, not by its class: subclasses and classes like AnnData are welcome, and anndata is not imported.
    if all(hasattr(type(adata), name) for name in ("X", "obs", "var", "uns")):
        return
    got, remedy = type(adata).__name__, "Make one of a matrix: `anndata.AnnData(matrix)`, cells in rows, genes named."
    if isinstance(adata, str | PathLike):
        got, remedy = f"the path {str(adata)!r}", f"Read the file first: `scanpy.read_h5ad({str(adata)!r})`."
    elif hasattr(adata, "mod"):
        remedy = 'Give the modality with the expression of genes: `mdata["rna"]`.'
    msg = f"`adata` must be an AnnData, got {got}. {remedy}"
    raise TypeError(msg)


def check_at_least(least: float, **values: float) -> None:
    """Refuse the first argument that is below the least accepted value, or not a number."""
    for name, value in values.items():
        if not isinstance(value, Real) or not value >= least:
            msg = f"`{name}` must be at least {least}, got {value if isinstance(value, Real) else repr(value)}."
            raise ValueError(msg)


def check_list(**values: object) -> None:
    """Refuse the first argument that is one text where several are wanted, which would be read letter by letter."""
    for name, value in values.items():
        if isinstance(value, str):
            msg = f"`{name}` must be a list, got the one name {value!r}; write `{name}=[{value!r}]`."
            raise TypeError(msg)


def seed_of(rng: int | np.random.Generator | None, random_state: int | None) -> int:
    """Return the seed given by either argument, 0 if neither is.

    Raises
    ------
    ValueError
        If both are given, or a seed is below 0.
    TypeError
        If what is given is neither a whole number nor a generator.
    """
    if rng is not None and random_state is not None:
        msg = f"`rng` and `random_state` are two names of one thing, got {rng!r} and {random_state!r}. Give one."
        raise ValueError(msg)
    name, given = ("random_state", random_state) if rng is None else ("rng", rng)
    if isinstance(given, np.random.Generator):
        return int(given.integers(2**31))  # torch takes seeds of 64 bits, older generators of 32
    if given is not None and (isinstance(given, bool) or not isinstance(given, Integral)):
        msg = f"`{name}` must be a whole number, or `rng` a `numpy.random.Generator`, got {given!r}."
        raise TypeError(msg)
    if given is not None and given < 0:
        msg = f"`{name}` must be at least 0, got {given!r}."
        raise ValueError(msg)
    return int(given or 0)
