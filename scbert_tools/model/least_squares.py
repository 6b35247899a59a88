"""Non-negative least squares for many right-hand sides, one row of the solution at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SWEEPS = 5
"""Passes over the factors that are enough when the start is near the solution."""
TINY = 1e-12


def solve_nonnegative(gram: Tensor, target: Tensor, solution: Tensor, *, n_sweeps: int = SWEEPS) -> Tensor:
    """Improve ``solution`` towards the non-negative minimum of ``tr(Sᵀ G S) / 2 - tr(Sᵀ T)``, in place.

    Hierarchical alternating least squares (Gillis and Glineur 2012, Neural Computation 24, 1085): a row is solved
    exactly while the others are fixed, which never makes the solution worse.

    Parameters
    ----------
    gram
        G, symmetric and positive (factors, factors).
    target
        T (factors, columns).
    solution
        S, the non-negative start (factors, columns).
    n_sweeps
        Passes over the factors; each factor's row is solved exactly with the others fixed.

    Examples
    --------
    >>> import torch
    >>> gram, target = torch.tensor([[2.0, 1.0], [1.0, 2.0]]), torch.tensor([[4.0], [-1.0]])
    >>> solve_nonnegative(gram, target, torch.zeros(2, 1)).flatten().tolist()
    [2.0, 0.0]
    """
    diagonal = gram.diagonal().clamp(min=TINY)
    # Coordinate descent: the best value of one row given all others is known in closed form, and later rows see it.
    for _ in range(n_sweeps):
        for factor in range(len(gram)):
            slope = target[factor] - gram[factor] @ solution
            solution[factor].add_(slope, alpha=1 / float(diagonal[factor])).clamp_(min=0)
    return solution
