import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from scbert_tools.model.least_squares import solve_nonnegative


@pytest.mark.parametrize("n_factors", [1, 3, 8], ids=["one factor", "three", "eight"])
def test_enough_sweeps_give_the_exact_solution(n_factors: int, rng: np.random.Generator) -> None:
    design, values = rng.random((30, n_factors)), rng.normal(size=(30, 5))
    gram, target = torch.from_numpy(design.T @ design), torch.from_numpy(design.T @ values)
    found = solve_nonnegative(gram, target, torch.zeros(n_factors, 5, dtype=torch.float64), n_sweeps=2000)
    exact = np.column_stack([nnls(design, column)[0] for column in values.T])
    np.testing.assert_allclose(found.numpy(), exact, atol=1e-6)


def test_a_factor_without_weight_stays_as_it_is() -> None:
    gram = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    found = solve_nonnegative(gram, torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [0.0]]))
    assert found.flatten().tolist() == [3.0, 2.0]
