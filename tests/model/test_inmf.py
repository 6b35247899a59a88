import numpy as np
import pytest
from scipy import sparse

from scbert_tools.model.inmf import Factorization, factorize

LAMBDA = 2.0


@pytest.fixture
def matrices(rng: np.random.Generator) -> list[sparse.csr_matrix]:
    """Two batches made of three shared factors of 8 genes each; the second has a factor of its own."""
    shared = np.kron(np.eye(3), np.ones(8))
    batches = [rng.gamma(0.3, size=(n, 3)) @ shared for n in (90, 60)]
    batches[1][:, :4] += rng.random((60, 1))
    return [sparse.csr_matrix(batch.astype(np.float32)) for batch in batches]


def objective(matrices: list[sparse.csr_matrix], found: Factorization) -> float:
    """Value of the objective, straight from its definition."""
    value = 0.0
    for matrix, own, loadings in zip(matrices, found.specific, found.loadings, strict=True):
        value += np.square(matrix - loadings @ (found.shared + own)).sum()
        value += LAMBDA * np.square(loadings @ own).sum()
    return float(value)


@pytest.mark.parametrize("cells_per_step", [None, 40, 1], ids=["all at once", "minibatches", "cell by cell"])
def test_reported_objective_is_the_one_of_the_result(matrices: list, cells_per_step: int | None, rng) -> None:
    found = factorize(matrices, n_factors=3, lambda_=LAMBDA, max_iter=5, cells_per_step=cells_per_step, rng=rng)
    assert found.objective[-1] == pytest.approx(objective(matrices, found), rel=1e-3)


def test_objective_never_rises(matrices: list, rng: np.random.Generator) -> None:
    found = factorize(matrices, n_factors=3, tolerance=0, max_iter=30, rng=rng)
    assert np.all(np.diff(found.objective) <= 1e-4 * np.array(found.objective[:-1]))


@pytest.mark.parametrize("cells_per_step", [None, 30], ids=["all at once", "minibatches"])
def test_shared_factors_are_recovered(matrices: list, cells_per_step: int | None, rng: np.random.Generator) -> None:
    found = factorize(matrices, n_factors=3, max_iter=200, cells_per_step=cells_per_step, rng=rng)
    truth = np.kron(np.eye(3), np.ones(8)) / np.sqrt(8)
    likeness = (found.shared / np.linalg.norm(found.shared, axis=1, keepdims=True)) @ truth.T
    assert sorted(likeness.argmax(axis=1)) == [0, 1, 2]
    assert likeness.max(axis=1).min() > 0.95


def test_factors_have_length_one_and_nothing_is_negative(matrices: list, rng: np.random.Generator) -> None:
    found = factorize(matrices, n_factors=3, rng=rng)
    lengths = np.linalg.norm(found.shared + found.specific, axis=2).mean(axis=0)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)
    assert all(part.min() >= 0 for part in (found.shared, found.specific, *found.loadings))


@pytest.mark.parametrize("tolerance", [10.0, 0.0], ids=["loose", "never"])
def test_convergence_is_reported(matrices: list, tolerance: float, rng: np.random.Generator) -> None:
    found = factorize(matrices, n_factors=3, tolerance=tolerance, max_iter=4, rng=rng)
    assert (found.converged, len(found.objective)) == ((True, 3) if tolerance else (False, 5))


def test_same_seed_gives_the_same_factors(matrices: list) -> None:
    first, second = (factorize(matrices, n_factors=3, rng=np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first.shared, second.shared)


def test_cells_and_genes_without_counts_get_zero(matrices: list, rng: np.random.Generator) -> None:
    values = matrices[0].toarray()
    values[:, 5], values[7] = 0, 0
    found = factorize([sparse.csr_matrix(values), matrices[1]], n_factors=3, rng=rng)
    assert found.loadings[0][7].max() == 0
    assert np.isfinite(found.shared).all()


@pytest.mark.parametrize(
    ("second", "message"),
    [((60, 20), "must all have the same genes"), ((2, 24), "has 2 cells, fewer than `n_factors=3`")],
    ids=["other genes", "few cells"],
)
def test_batches_that_cannot_be_factorised_are_refused(matrices: list, second, message: str, rng) -> None:
    with pytest.raises(ValueError, match=message):
        factorize([matrices[0], sparse.csr_matrix(second, dtype=np.float32)], n_factors=3, rng=rng)
