"""Cells that several tests of inference read."""

import numpy as np
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


@pytest.fixture
def cells():
    """Draw cells of three labels."""

    def drawn(rng, n_cells, *, noise):
        """Return probabilities and true labels of cells whose rare third class is hard to tell."""
        code = rng.choice(3, n_cells, p=[0.6, 0.35, 0.05])
        logits = rng.normal(0, noise, (n_cells, 3))
        logits[np.arange(n_cells), code] += np.array([2.0, 2.0, 0.5])[code]
        likely = np.exp(logits)
        return (likely / likely.sum(axis=1, keepdims=True)).astype(np.float32), code

    return drawn
