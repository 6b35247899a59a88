"""What the batch corrections share: reading batch columns and the two names of a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData


def batches_of(adata: AnnData, key: str) -> pd.Categorical:
    """Return one batch column of ``obs``, its levels those that occur, or say what is wrong with it."""
    if key not in adata.obs:
        msg = f"`key` must name a column of `adata.obs`, got {key!r}; there are {list(adata.obs.columns)}."
        raise KeyError(msg)
    column = adata.obs[key]
    if column.isna().any():
        msg = f"`adata.obs[{key!r}]` has {column.isna().sum()} cells without a batch. Label those cells or remove them."
        raise ValueError(msg)
    batches = pd.Categorical(column.astype(str))
    if len(batches.categories) < 2:
        msg = f"`adata.obs[{key!r}]` must hold at least 2 batches, got {list(batches.categories)}. Name another column."
        raise ValueError(msg)
    return batches


def one_seed(
    rng: int | np.random.Generator | None, random_state: int | np.random.Generator | None
) -> int | np.random.Generator:
    """Return whichever of the two was given, 0 if neither was."""
    if rng is not None and random_state is not None:
        msg = f"`rng` and `random_state` are two names of one thing, got {rng!r} and {random_state!r}. Give one."
        raise ValueError(msg)
    given = random_state if rng is None else rng
    return 0 if given is None else given


def check_at_least(least: float, **values: float) -> None:
    """Refuse the first argument that is below the least accepted value, or not a number."""
    for name, value in values.items():
        if not value >= least:
            msg = f"`{name}` must be at least {least}, got {value}."
            raise ValueError(msg)
