"""A batch column is read as levels that occur, or refused with what to do."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scbert_tools.pp._batches import batches_of


def with_batches(values):
    """Return cells with a column of batches."""
    return ad.AnnData(
        np.ones((len(values), 1)), obs=pd.DataFrame({"batch": values}, [f"c{i}" for i in range(len(values))])
    )


@pytest.mark.parametrize(
    "values",
    [["a", "b", "a"], [1, 2, 1], [True, False, True], pd.Categorical(["a", "b", "a"], categories=["z", "b", "a"])],
    ids=["text", "numbers", "booleans", "unused level"],
)
def test_levels_are_those_that_occur(values):
    batches = batches_of(with_batches(values), "batch")
    assert len(batches.categories) == 2
    assert batches[0] == batches[2] != batches[1]


@pytest.mark.parametrize(
    ("values", "key", "error", "said"),
    [
        (["a", "b"], "donor", KeyError, r"got 'donor'; there are \['batch'\]"),
        (["a", None], "batch", ValueError, "has 1 cells without a batch"),
        ([1.0, np.nan, np.nan], "batch", ValueError, "has 2 cells without a batch"),
        (["a", "a"], "batch", ValueError, r"at least 2 batches, got \['a'\]"),
    ],
    ids=["no column", "missing", "missing numbers", "one batch"],
)
def test_a_column_of_no_use_is_refused(values, key, error, said):
    with pytest.raises(error, match=said):
        batches_of(with_batches(values), key)
