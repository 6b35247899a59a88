"""What the batch corrections share: reading batch columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
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
