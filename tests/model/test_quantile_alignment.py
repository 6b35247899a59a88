import numpy as np
import pytest

from scbert_tools.model import quantile_alignment
from scbert_tools.model.quantile_alignment import align_quantiles, group_by_factor


@pytest.fixture
def loadings(rng: np.random.Generator) -> np.ndarray:
    """300 cells in three groups, each strong in one factor."""
    return (rng.gamma(2, 0.1, size=(300, 3)) + np.repeat(2 * np.eye(3), 100, axis=0)).astype(np.float32)


@pytest.mark.parametrize("distort", [lambda h: 4 * h, np.square], ids=["scaled", "squared"])
def test_a_distorted_batch_gets_the_quantiles_of_the_reference(loadings, distort, rng: np.random.Generator) -> None:
    aligned = align_quantiles([loadings, distort(loadings)], reference=0, rng=rng)
    np.testing.assert_allclose(aligned.loadings[1], loadings, atol=0.15)


def test_the_reference_is_left_as_it_is_and_is_the_largest_batch(
    loadings: np.ndarray, rng: np.random.Generator
) -> None:
    aligned = align_quantiles([2 * loadings[::2], loadings], rng=rng)
    assert aligned.reference == 1
    np.testing.assert_array_equal(aligned.loadings[1], loadings)


def test_small_groups_are_left_as_they_are(loadings: np.ndarray, rng: np.random.Generator) -> None:
    few = 3 * loadings[:10]
    aligned = align_quantiles([loadings, few], min_cells=20, rng=rng)
    np.testing.assert_array_equal(aligned.loadings[1], few)


def test_a_factor_absent_from_the_reference_becomes_zero(loadings: np.ndarray, rng: np.random.Generator) -> None:
    silent = loadings * [1, 1, 0]
    aligned = align_quantiles([silent.astype(np.float32), loadings], n_neighbors=0, reference=0, rng=rng)
    assert aligned.loadings[1][:200, 2].max() == 0


@pytest.mark.parametrize("n_neighbors", [0, 20], ids=["own strongest", "neighbours vote"])
def test_cells_are_grouped_by_their_factor(loadings, n_neighbors: int, rng: np.random.Generator) -> None:
    groups = group_by_factor(loadings, n_neighbors=n_neighbors, rng=rng)
    np.testing.assert_array_equal(groups, np.repeat([0, 1, 2], 100))


def test_many_cells_vote_through_a_sample(loadings, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.setattr(quantile_alignment, "MAX_ANCHORS", 90)
    np.testing.assert_array_equal(group_by_factor(loadings, n_neighbors=10, rng=rng), np.repeat([0, 1, 2], 100))


@pytest.mark.parametrize(
    ("n_factors", "reference", "message"),
    [(2, None, "same factors, got \\[2, 3\\]"), (3, 2, "index of one of the 2 batches, got 2")],
    ids=["factors differ", "no such reference"],
)
def test_batches_that_cannot_be_aligned_are_refused(loadings, n_factors, reference, message: str, rng) -> None:
    with pytest.raises(ValueError, match=message):
        align_quantiles([loadings, loadings[:, :n_factors]], reference=reference, rng=rng)
