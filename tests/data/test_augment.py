"""Augmentation: what is summed with what, what thinning may do, and how many genes a panel keeps."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.data.augment import Augmentation, Kin, augment, log_uniform, pool_cells, restrict_panel, thin

GROUP = np.array([2, 0, 1, 0, 2, 0])
OFF = Augmentation(max_pooled=1, min_kept=1.0, panel_share=0.0)


@pytest.fixture
def one_hot():
    """Cells that express one gene each, that of their own number."""
    return sparse.identity(6, np.float32, format="csr")


@pytest.fixture
def counts(rng):
    return sparse.csr_matrix(rng.poisson(3.0, (6, 400)).astype(np.float32))


@pytest.mark.parametrize("row", range(6))
def test_pooling_sums_relatives_only(one_hot, rng, row):
    pooled = pool_cells(one_hot, np.full(50, row), n_pooled=np.full(50, 4), kin=Kin(GROUP), rng=rng).toarray()
    assert (pooled.sum(axis=1) == 4).all()
    assert (pooled[:, row] >= 1).all()
    assert set(np.flatnonzero(pooled.sum(axis=0))) == set(np.flatnonzero(GROUP[row] == GROUP))


@pytest.mark.parametrize("n_pooled", [1, 3])
def test_each_cell_is_pooled_as_often_as_asked(one_hot, rng, n_pooled):
    pooled = pool_cells(one_hot, np.array([0, 1]), n_pooled=np.array([1, n_pooled]), kin=Kin(GROUP), rng=rng)
    assert np.asarray(pooled.sum(axis=1)).ravel().tolist() == [1, n_pooled]


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_thinning_keeps_the_expectation_and_never_adds(rng, kept):
    before = sparse.csr_matrix(rng.poisson(5.0, (200, 200)).astype(np.float32))
    after = thin(before.copy(), np.full(200, kept), rng)
    assert (before - after).min() >= 0
    assert after.sum() == pytest.approx(kept * before.sum(), rel=0.02)
    assert (after.data > 0).all()


def test_cells_that_keep_everything_are_not_thinned(counts, rng):
    after = thin(counts.copy(), np.array([1, 0.5, 1, 1, 1, 1]), rng)
    changed = np.asarray(abs(counts - after).sum(axis=1)).ravel() > 0
    assert changed.tolist() == [False, True, False, False, False, False]


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_panel_keeps_its_share_of_the_genes_with_their_counts(counts, rng, share):
    seen = restrict_panel(counts.copy(), np.full(6, share), rng)
    assert seen.nnz == pytest.approx(share * counts.nnz, rel=0.15)
    assert (seen != counts.multiply(seen > 0)).nnz == 0


def test_log_uniform_numbers_are_as_often_below_as_above_the_geometric_mean(rng):
    drawn = log_uniform(0.04, 10_000, rng)
    assert (drawn.min() >= 0.04, drawn.max() <= 1) == (True, True)
    assert (drawn < 0.2).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("strength", [OFF, Augmentation(untouched=1.0, panel_share=0.0)], ids=["off", "untouched"])
def test_nothing_happens_where_nothing_is_asked_for(counts, rng, strength):
    seen = augment(counts, np.array([3, 3, 5]), kin=Kin(GROUP), strength=strength, rng=rng)
    assert (seen != counts[[3, 3, 5]]).nnz == 0


def test_same_generator_gives_the_same_cells_and_another_one_others(counts):
    one, same, other = (
        augment(counts, np.arange(6), kin=Kin(GROUP), strength=Augmentation(), rng=np.random.default_rng(seed))
        for seed in (0, 0, 1)
    )
    assert (one != same).nnz == 0
    assert (one != other).nnz > 0


def test_depth_grows_and_falls_and_the_reference_stays(counts, rng):
    before = counts.copy()
    totals = augment(
        counts, np.zeros(500, int) + 1, kin=Kin(GROUP), strength=Augmentation(panel_share=0.0), rng=rng
    ).sum(axis=1)
    assert totals.max() > 3 * counts[1].sum()
    assert totals.min() < 0.5 * counts[1].sum()
    assert (before != counts).nnz == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_pooled": 0}, "`max_pooled` must be at least 1, got 0"),
        ({"min_kept": 0.0}, "`min_kept` must be above 0 and at most 1, got 0.0"),
        ({"min_panel": 1.5}, "`min_panel` must be above 0 and at most 1, got 1.5"),
        ({"panel_share": -0.1}, "`panel_share` must lie between 0 and 1, got -0.1"),
        ({"untouched": 2}, "`untouched` must lie between 0 and 1, got 2"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_impossible_strengths_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**values)
