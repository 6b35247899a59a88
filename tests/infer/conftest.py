"""Cells that several tests of inference read."""

import pytest

from scbert_tools.data.batches import pad
from scbert_tools.tokens.levels import Levels, to_levels


@pytest.fixture
def batch(adata):
    """Cells of two lengths, so that some are padded."""
    values = adata.X.copy()
    values.data[values.indptr[0] + 3 : values.indptr[1]] = 0
    values.eliminate_zeros()
    return pad(to_levels(values, Levels()))
