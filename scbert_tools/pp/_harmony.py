"""Harmony: move cells of all batches together in a space such as PCA."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from .._arguments import check_adata, check_at_least, seed_of
from .._docs import shared_docs
from .._keys import HARMONY_BASIS
from ._batches import batches_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

SETTLED = 1e-2
"""Relative change of Harmony's objective at which harmonypy stops."""
CELLS_PER_CLUSTER = 30
MAX_CLUSTERS = 100


@shared_docs
def harmony(  # noqa: PLR0913
    adata: AnnData,
    key: str | Sequence[str],
    *,
    basis: str = "X_pca",
    adjusted_basis: str = HARMONY_BASIS,
    theta: float | Sequence[float] | None = None,
    sigma: float = 0.1,
    ridge_lambda: float | Sequence[float] | None = None,
    max_iter: int = 10,
    rng: int | np.random.Generator | None = None,
    random_state: int | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Correct a basis for batches with Harmony, so that cells of one type meet whatever batch they came from.

    Harmony (Korsunsky et al. 2019, Nature Methods 16, 1289) clusters cells softly, favouring clusters that mix the
    batches, and moves each cell by its clusters' batch effects. It runs in `harmonypy` with its own defaults.

    Parameters
    ----------
    {adata}
    key
        Column of ``adata.obs`` with the batches, or several columns to be corrected for together.
    basis
        Name in ``adata.obsm`` of what to correct, cells × dimensions: ``"X_pca"``, ``"X_scbert"``. If ``"X_pca"`` is
        missing it is computed by :func:`scanpy.pp.pca` with scanpy's defaults, and a warning says so.
    adjusted_basis
        Name of the corrected basis, and of the record of the run.
    theta
        How strongly clusters must mix batches, from 0 (not at all): one number, one per column of ``key``, or one per
        batch. ``None`` is 2.
    sigma
        Width of the soft clusters, in cosine distance.
    ridge_lambda
        Penalty on the size of the correction, given like ``theta``; higher values correct less. ``None`` estimates it
        in each cluster.
    max_iter
        Most rounds of clustering and correction.
    {rng}
    {random_state}
    {copy}

    Returns
    -------
    {returns_copy}

    ``adata.obsm[adjusted_basis]`` : float32, cells × dimensions
        The corrected basis.
    ``adata.uns[adjusted_basis]`` : dict
        ``params`` of the call, ``objective`` after each round (the first value precedes them), ``n_iter`` and whether
        it has ``converged``.
    ``adata.obsm["X_pca"]``, ``adata.varm["PCs"]``, ``adata.uns["pca"]``
        Only if the PCA was missing.

    Raises
    ------
    KeyError
        If ``key`` is not in ``obs``, or ``basis`` is not in ``obsm`` and is not ``"X_pca"``.
    ValueError
        If a column of ``key`` has one level or cells without one, if the basis has values that are not finite, or if
        a number is out of range. Nothing is written then.

    Examples
    --------
    >>> import scanpy as sc, scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> adata.obs["half"] = ["first", "second"] * 350
    >>> sbt.pp.harmony(adata, "half")
    >>> adata.obsm["X_pca_harmony"].shape
    (700, 50)
    >>> sc.pp.neighbors(adata, use_rep="X_pca_harmony")
    """
    check_adata(adata)
    check_at_least(1, max_iter=max_iter)
    _check_numbers(sigma=sigma, ridge_lambda=ridge_lambda, theta=theta)
    columns = [key] if isinstance(key, str) else list(key)
    for column in columns:
        batches_of(adata, column)
    seed = seed_of(rng, random_state)
    source = _with_basis(adata, basis)
    options: dict[str, Any] = {
        "theta": theta,
        "sigma": sigma,
        "ridge_lambda": ridge_lambda,
        "max_iter": max_iter,
        "random_state": seed,
    }
    corrected, record = _run(_positions(source, basis), adata.obs[columns], **options)

    adata = adata.copy() if copy else adata
    if basis not in adata.obsm:
        _adopt_pca(adata, source)
    params = {name: value for name, value in options.items() if value is not None}
    adata.obsm[adjusted_basis] = corrected
    adata.uns[adjusted_basis] = {"params": {"key": columns, "basis": basis, **params}, **record}
    return adata if copy else None


def _check_numbers(*, sigma: float, **amounts: float | Sequence[float] | None) -> None:
    """Refuse a width that is not positive, and penalties below zero."""
    if not (np.isfinite(sigma) and sigma > 0):
        msg = f"`sigma` must be a positive number, got {sigma}."
        raise ValueError(msg)
    for name, amount in amounts.items():
        for value in np.atleast_1d(0 if amount is None else amount):
            check_at_least(0, **{name: value})


def _with_basis(adata: AnnData, basis: str) -> AnnData:
    """Return ``adata``, or if it lacks a PCA a bare companion that has one."""
    if basis in adata.obsm:
        return adata
    if basis != "X_pca":
        msg = f"`basis` must name an entry of `adata.obsm`, got {basis!r}; compute it first. There are {[*adata.obsm]}."
        raise KeyError(msg)
    import scanpy as sc
    from anndata import AnnData as Bare

    warnings.warn("`adata.obsm['X_pca']` is missing: computing it with `scanpy.pp.pca`.", UserWarning, stacklevel=3)
    companion = Bare(adata.X, obs=adata.obs[[]], var=adata.var)
    sc.pp.pca(companion)
    return companion


def _adopt_pca(adata: AnnData, source: AnnData) -> None:
    """Copy what scanpy's PCA wrote."""
    adata.obsm["X_pca"] = source.obsm["X_pca"]
    adata.varm["PCs"] = source.varm["PCs"]
    adata.uns["pca"] = source.uns["pca"]


def _positions(adata: AnnData, basis: str) -> NDArray[np.float64]:
    """Return the basis as a matrix of finite numbers (cells, dimensions)."""
    positions = np.asarray(adata.obsm[basis])
    if positions.ndim != 2 or positions.dtype.kind not in "fiu":
        msg = f"`adata.obsm[{basis!r}]` must be a dense numeric matrix, got {type(adata.obsm[basis]).__name__}."
        raise ValueError(msg)
    bad = int((~np.isfinite(positions)).any(axis=1).sum())
    if bad:
        msg = f"`adata.obsm[{basis!r}]` has NaN or infinite values in {bad} cells. Remove these cells or recompute it."
        raise ValueError(msg)
    return positions.astype(np.float64)


def _run(
    positions: NDArray[np.float64], batches: pd.DataFrame, *, ridge_lambda: Any, max_iter: int, **options: Any
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Call harmonypy; return the corrected positions and how the run went."""
    import harmonypy

    n_clusters = max(1, min(round(len(positions) / CELLS_PER_CLUSTER), MAX_CLUSTERS))
    options |= {"lamb": ridge_lambda, "max_iter_harmony": max_iter, "nclust": n_clusters}
    with _progress(max_iter):
        # Dimensions first: harmonypy takes a square matrix for that.
        result = harmonypy.run_harmony(positions.T, batches, list(batches), verbose=True, **options)
    corrected = np.asarray(result.Z_corr, dtype=np.float32)
    if corrected.shape != positions.shape:
        msg = f"harmonypy returned {corrected.shape} for cells × dimensions {positions.shape}: install `harmonypy>=2`."
        raise RuntimeError(msg)
    objective = np.asarray(result.objective_harmony, dtype=np.float64)
    # harmonypy notes the objective once before the first round.
    n_iter = len(objective) - 1
    settled = abs(objective[-2] - objective[-1]) < SETTLED * abs(objective[-2])
    return corrected, {"objective": objective, "n_iter": n_iter, "converged": bool(settled)}


class _Rounds(logging.Handler):
    """Moves a progress bar by harmonypy's messages, and keeps them from the screen."""

    def __init__(self, bar: tqdm[Any]) -> None:
        super().__init__()
        self.bar = bar

    def emit(self, record: logging.LogRecord) -> None:
        """Count one round."""
        if record.getMessage().startswith("Iteration"):
            self.bar.update()


@contextmanager
def _progress(max_iter: int) -> Iterator[None]:
    """Turn harmonypy's log into a progress bar while it runs."""
    logger = logging.getLogger("harmonypy")
    handlers, propagate = logger.handlers, logger.propagate
    with tqdm(total=max_iter, desc="Harmony", unit="round", delay=2, leave=False) as bar:
        logger.handlers, logger.propagate = [_Rounds(bar)], False
        try:
            yield
        finally:
            logger.handlers, logger.propagate = handlers, propagate
