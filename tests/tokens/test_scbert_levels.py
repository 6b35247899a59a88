"""Levels of the published preprocessing: counts per 10,000, log2(x + 1), rounded down, at most 5."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.tokens.levels import to_levels
from scbert_tools.tokens.scbert_levels import ScbertLevels


@pytest.mark.parametrize(
    ("per_10k", "level"),
    [(0.5, 0), (1, 1), (2, 1), (3, 2), (6.5, 2), (7, 3), (15, 4), (30, 4), (31, 5), (5000, 5)],
)
def test_level_counts_doublings(per_10k, level):
    tokens = to_levels(sparse.csr_matrix([[per_10k, 10_000 - per_10k]], dtype=np.float32), ScbertLevels())
    assert tokens.levels.tolist() == [level, 5]


@pytest.mark.parametrize("depth", [1, 7, 70, 13], ids="{}x".format)
def test_depth_does_not_shift_levels(depth):
    counts = np.array([[1, 3, 7, 0, 9989]], np.float32)
    assert to_levels(sparse.csr_matrix(depth * counts), ScbertLevels()).levels.tolist() == [1, 2, 3, 5]


def test_levels_are_those_of_scanpy(rng):
    import anndata as ad
    import scanpy as sc

    counts = sparse.csr_matrix(rng.poisson(rng.gamma(0.3, 8, (40, 90))).astype(np.float32))
    adata = ad.AnnData(counts.copy())
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata, base=2)
    expected = np.minimum(np.floor(adata.X.data), 5)
    np.testing.assert_array_equal(to_levels(counts, ScbertLevels()).levels, expected)


def test_empty_cell_has_no_tokens():
    assert to_levels(sparse.csr_matrix((2, 3), dtype=np.float32), ScbertLevels()).lengths.tolist() == [0, 0]


@pytest.mark.parametrize("sizes", [{"n_levels": 2}, {"step": 0.25}], ids=["no level but hidden", "other steps"])
def test_other_levels_are_refused(sizes):
    with pytest.raises(ValueError, match="scBERT needs `n_levels` of at least 3 and a `step` of 1"):
        ScbertLevels(**sizes)
