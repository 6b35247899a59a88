"""Integrative non-negative matrix factorisation: factors that batches share, and what each adds to them.

For batches ``X_i`` (cells, genes) of non-negative values, find non-negative loadings ``H_i`` (cells, factors), shared
factors ``W`` (factors, genes) and batch-specific factors ``V_i`` (factors, genes) with the least

    sum over batches of  |X_i - H_i (W + V_i)|² + lambda |H_i V_i|²

Welch et al. 2019 (Cell 177, 1873) state the problem and alternate between H, V and W. Gao et al. 2021 (Nature
Biotechnology 39, 1000) visit a few cells at a time: of the cells, V and W need only ``Hᵀ H`` and ``Hᵀ X``, which are
kept as running sums. Here both are one loop, since taking all cells in one step is the first method. A cell visited
again replaces what it gave before, so the sums never hold stale cells. Each part is improved one factor at a time
(hierarchical alternating least squares; Gillis and Glineur 2012, Neural Computation 24, 1085).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from .least_squares import SWEEPS, TINY, solve_nonnegative
from .parallel import one_core_each

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from scipy import sparse
    from torch import Tensor

FINAL_SWEEPS = 50
"""Passes over the factors of the last loadings, enough to be exact in single precision."""


@dataclass(frozen=True, kw_only=True)
class Factorization:
    """Factors of several batches of cells, as NumPy arrays of float32.

    Every factor has length 1 on average over the batches, so loadings compare between factors.

    Parameters
    ----------
    shared
        W, the factors common to all batches (factors, genes).
    specific
        V, what each batch adds to the shared factors (batches, factors, genes).
    loadings
        H of each batch (cells, factors), exact for the factors above.
    objective
        Value of the objective after each pass over the cells; the last one belongs to the loadings above.
    converged
        Whether the last pass changed the objective by less than the tolerance.
    """

    shared: NDArray[np.float32]
    specific: NDArray[np.float32]
    loadings: tuple[NDArray[np.float32], ...]
    objective: tuple[float, ...]
    converged: bool


@dataclass
class _Batch:
    """One batch of cells and the sums over its cells that the factors are computed from."""

    matrix: sparse.csr_matrix  # X (cells, genes)
    specific: Tensor  # V (factors, genes)
    loadings: Tensor  # Hᵀ (factors, cells)
    gram: Tensor  # Hᵀ H (factors, factors)
    cross: Tensor  # Hᵀ X (factors, genes)
    norm: float  # |X|²


@one_core_each()
def factorize(
    matrices: Sequence[sparse.csr_matrix],
    *,
    n_factors: int = 20,
    lambda_: float = 5.0,
    max_iter: int = 50,
    tolerance: float = 1e-5,
    cells_per_step: int | None = None,
    rng: np.random.Generator,
) -> Factorization:
    """Find the factors that batches of cells share, those of each batch, and every cell's loadings.

    Memory beyond ``matrices`` is that of the loadings, and of ``cells_per_step`` rows.

    Parameters
    ----------
    matrices
        One float32 matrix per batch, each (cells, genes), non-negative; scale the genes beforehand.
    n_factors
        Number of factors.
    lambda_
        Weight of the penalty on batch-specific factors; higher values leave less to the batches.
    max_iter
        Most passes over all cells.
    tolerance
        Stop when a pass changes the objective by less than this fraction.
    cells_per_step
        Cells, drawn from all batches in proportion, between two updates of the factors. ``None`` takes all cells.
    rng
        Draws the initial factors and the order of cells.

    Raises
    ------
    ValueError
        If the matrices disagree about the genes, or one has fewer cells than there are factors.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> rng = np.random.default_rng(0)
    >>> batches = [sparse.random(60, 30, 0.2, format="csr", dtype=np.float32, random_state=seed) for seed in (1, 2)]
    >>> result = factorize(batches, n_factors=4, rng=rng)
    >>> result.shared.shape, result.specific.shape, result.loadings[0].shape
    ((4, 30), (2, 4, 30), (60, 4))
    """
    _check(matrices, n_factors)
    shared, batches = _start(matrices, n_factors, rng)
    objective: list[float] = []
    converged = False
    for _ in tqdm(range(max_iter), desc="Factorising", unit="pass", delay=2, leave=False):
        for rows in _steps([matrix.shape[0] for matrix in matrices], cells_per_step, rng):
            _improve(shared, batches, rows, lambda_)
        objective.append(_objective(shared, batches, lambda_))
        if converged := _has_settled(objective, tolerance):
            break
    for batch, matrix in zip(batches, matrices, strict=True):
        _load(batch, shared, np.arange(matrix.shape[0]), lambda_, n_sweeps=FINAL_SWEEPS)
    objective.append(_objective(shared, batches, lambda_))
    return _result(shared, batches, objective=tuple(objective), converged=converged)


def _check(matrices: Sequence[sparse.csr_matrix], n_factors: int) -> None:
    """Refuse batches that cannot be factorised together."""
    n_genes = {matrix.shape[1] for matrix in matrices}
    if len(n_genes) != 1:
        msg = f"`matrices` must all have the same genes, got {sorted(n_genes)} columns. Select the genes in common."
        raise ValueError(msg)
    smallest = min(matrix.shape[0] for matrix in matrices)
    if smallest < n_factors:
        msg = f"A batch has {smallest} cells, fewer than `n_factors={n_factors}`. Drop it or ask for fewer factors."
        raise ValueError(msg)


def _start(
    matrices: Sequence[sparse.csr_matrix], n_factors: int, rng: np.random.Generator
) -> tuple[Tensor, list[_Batch]]:
    """Return random shared factors, and the batches with random factors of their own and no loadings."""
    n_genes = matrices[0].shape[1]

    def draw() -> Tensor:
        return torch.from_numpy(rng.random((n_factors, n_genes), dtype=np.float32))

    shared = draw()
    batches = [
        _Batch(
            matrix=matrix,
            specific=draw(),
            loadings=torch.zeros(n_factors, matrix.shape[0]),
            gram=torch.zeros(n_factors, n_factors),
            cross=torch.zeros(n_factors, n_genes),
            norm=float(np.square(matrix.data, dtype=np.float64).sum()),
        )
        for matrix in matrices
    ]
    return shared, batches


def _steps(
    n_cells: Sequence[int], cells_per_step: int | None, rng: np.random.Generator
) -> Iterator[list[NDArray[np.int64]]]:
    """Yield for each step the rows of each batch to visit, so that every cell is visited once."""
    total = sum(n_cells)
    if cells_per_step is None or cells_per_step >= total:
        yield [np.arange(n) for n in n_cells]
        return
    n_steps = -(-total // cells_per_step)
    parts = [np.array_split(rng.permutation(n), n_steps) for n in n_cells]
    yield from (list(rows) for rows in zip(*parts, strict=True))


def _improve(shared: Tensor, batches: Sequence[_Batch], rows: Sequence[NDArray[np.int64]], lambda_: float) -> None:
    """Update the loadings of some rows, then every batch's own factors, then the shared ones."""
    for batch, chosen in zip(batches, rows, strict=True):
        _load(batch, shared, chosen, lambda_)
        solve_nonnegative((1 + lambda_) * batch.gram, batch.cross - batch.gram @ shared, batch.specific)
    gram = torch.stack([batch.gram for batch in batches]).sum(dim=0)
    left = torch.stack([batch.cross - batch.gram @ batch.specific for batch in batches]).sum(dim=0)
    solve_nonnegative(gram, left, shared)


def _load(batch: _Batch, shared: Tensor, rows: NDArray[np.int64], lambda_: float, *, n_sweeps: int = SWEEPS) -> None:
    """Update the loadings of some cells, and replace what these cells gave to the sums before."""
    everything = rows.size == batch.matrix.shape[0]
    where = slice(None) if everything else torch.from_numpy(rows)
    matrix = batch.matrix if everything else batch.matrix[rows]
    factors = shared + batch.specific
    gram = factors @ factors.T + lambda_ * (batch.specific @ batch.specific.T)
    target = torch.from_numpy(np.ascontiguousarray((matrix @ factors.T.numpy()).T))
    old = batch.loadings[:, where]
    new = solve_nonnegative(gram, target, old.clone(), n_sweeps=n_sweeps)

    batch.gram += new @ new.T - old @ old.T
    batch.cross += torch.from_numpy((matrix.T @ (new - old).T.numpy()).T)
    batch.loadings[:, where] = new


def _objective(shared: Tensor, batches: Sequence[_Batch], lambda_: float) -> float:
    """Compute the objective from the sums, in double precision, without touching the cells."""
    return sum(_misfit(batch, shared, lambda_) for batch in batches)


def _misfit(batch: _Batch, shared: Tensor, lambda_: float) -> float:
    """Return |X - H(W + V)|² + λ|HV|² of a batch as |X|² - 2⟨HᵀX, W + V⟩ + ⟨HᵀH, (W + V)(W + V)ᵀ + λVVᵀ⟩."""
    specific = batch.specific.double()
    factors = shared.double() + specific
    gram = factors @ factors.T + lambda_ * (specific @ specific.T)
    return float(batch.norm - 2 * (batch.cross * factors).sum() + (batch.gram * gram).sum())


def _result(
    shared: Tensor, batches: Sequence[_Batch], *, objective: tuple[float, ...], converged: bool
) -> Factorization:
    """Bring every factor to length 1, the mean over batches, and the loadings to match."""
    specific = torch.stack([batch.specific for batch in batches])
    length = (shared + specific).norm(dim=2).mean(dim=0).clamp(min=TINY)  # (factors,)
    return Factorization(
        shared=(shared / length[:, None]).numpy(),
        specific=(specific / length[:, None]).numpy(),
        loadings=tuple((batch.loadings.T * length).contiguous().numpy() for batch in batches),
        objective=objective,
        converged=converged,
    )


def _has_settled(objective: Sequence[float], tolerance: float) -> bool:
    """Tell whether the last pass changed the objective by less than a fraction of it."""
    return len(objective) > 1 and abs(objective[-2] - objective[-1]) <= tolerance * objective[-1]
