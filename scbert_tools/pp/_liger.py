"""LIGER: factors that all batches share, as a corrected space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from .._arguments import check_adata, check_at_least, seed_of
from .._docs import shared_docs
from .._keys import LIGER, LIGER_BASIS, LIGER_BATCH, LIGER_SHARED
from ._batches import batches_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

ALL_AT_ONCE = 100_000
"""Up to this many cells every pass takes all of them in one step."""
CELLS_PER_STEP = 5_000
CHUNK = 10_000_000


@dataclass(frozen=True, kw_only=True)
class _Factors:
    """What is written, in the order of the cells and genes of the AnnData."""

    cells: NDArray[np.float32]  # (cells, factors)
    shared: NDArray[np.float32]  # (genes, factors)
    specific: NDArray[np.float32]  # (genes, factors, batches)
    record: dict[str, Any]


@shared_docs
def liger(  # noqa: PLR0913
    adata: AnnData,
    key: str,
    *,
    n_factors: int = 20,
    lambda_: float = 5.0,
    layer: str | None = None,
    mask_var: str | None = None,
    normalize: bool | None = None,
    max_iter: int = 50,
    tolerance: float = 1e-5,
    cells_per_step: int | None = None,
    rng: int | np.random.Generator | None = None,
    random_state: int | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Describe cells by factors that all batches share, with each batch's own share of them set apart (LIGER).

    Integrative non-negative matrix factorisation (Welch et al. 2019, Cell 177, 1873), over a few cells at a time for
    large data (Gao et al. 2021, Nature Biotechnology 39, 1000), then alignment of the factors' quantiles to those of
    the largest batch. In each batch a cell's values are divided by its total and a gene's by their root mean square;
    nothing is centred, so zeros stay zero and sparse data sparse.

    Parameters
    ----------
    {adata}
    key
        Column of ``adata.obs`` with the batches.
    n_factors
        Number of factors; every batch needs at least as many cells.
    lambda_
        Penalty on what is particular to a batch; higher values align batches more.
    layer
        Layer with counts or other non-negative values, ``None`` for ``X``.
    mask_var
        Column of ``adata.var`` that is true for the genes to use. ``None`` takes ``"highly_variable"`` if it is
        there, otherwise all genes.
    normalize
        Divide the values of a cell by their total over all genes. ``None`` does so for whole numbers, that is counts.
    max_iter
        Most passes over all cells.
    tolerance
        Stop when a pass changes the objective by less than this fraction.
    cells_per_step
        Cells read between two updates of the factors. ``None`` reads all of up to 100,000 cells, otherwise 5,000.
    {rng}
    {random_state}
    {copy}

    Returns
    -------
    {returns_copy}

    ``adata.obsm["X_liger"]`` : float32, cells × factors
        Aligned loadings of the cells, for ``sc.pp.neighbors(use_rep="X_liger")``.
    ``adata.varm["liger_shared"]`` : float32, genes × factors
        Shared factors in scaled expression; zero for genes that were not used.
    ``adata.varm["liger_batch"]`` : float32, genes × factors × batches
        What each batch adds to the shared factors.
    ``adata.uns["liger"]`` : dict
        ``params`` of the call, names of the ``batches`` in the order of the last axis above, the ``reference`` batch,
        ``objective`` after each pass and for the final loadings, ``n_iter`` and whether it has ``converged``.

    Raises
    ------
    KeyError
        If ``key``, ``layer`` or ``mask_var`` is missing.
    ValueError
        If there is one batch only, a batch has fewer cells than ``n_factors``, values are negative or not finite, or
        a number is out of range. Nothing is written then.

    Examples
    --------
    >>> import scanpy as sc, scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced().raw.to_adata()
    >>> adata.obs["half"] = ["first", "second"] * 350
    >>> sbt.pp.liger(adata, "half", n_factors=8)
    >>> adata.obsm["X_liger"].shape, adata.varm["liger_batch"].shape
    ((700, 8), (765, 8, 2))
    """
    check_adata(adata)
    check_at_least(1, n_factors=n_factors, max_iter=max_iter, cells_per_step=cells_per_step or 1)
    check_at_least(0, lambda_=lambda_, tolerance=tolerance)
    batches = batches_of(adata, key)
    _check_sizes(batches, n_factors)
    genes = _genes(adata, mask_var, n_factors)
    values = _values(adata, layer)
    counted = _are_whole(values) if normalize is None else normalize
    step = CELLS_PER_STEP if cells_per_step is None and adata.n_obs > ALL_AT_ONCE else cells_per_step
    options = {"n_factors": n_factors, "lambda_": lambda_, "max_iter": max_iter, "tolerance": tolerance}
    generator = np.random.default_rng(seed_of(rng, random_state))
    matrices = list(_scaled(values, batches, genes, normalize=counted))
    factors = _integrate(matrices, batches, genes, generator, {**options, "cells_per_step": step})

    adata = adata.copy() if copy else adata
    chosen = {"key": key, "layer": layer, "normalize": counted, "cells_per_step": step, "n_genes": int(genes.sum())}
    params = {name: value for name, value in {**chosen, **options}.items() if value is not None}
    adata.obsm[LIGER_BASIS] = factors.cells
    adata.varm[LIGER_SHARED] = factors.shared
    adata.varm[LIGER_BATCH] = factors.specific
    adata.uns[LIGER] = {"params": params, **factors.record}
    return adata if copy else None


def _check_sizes(batches: pd.Categorical, n_factors: int) -> None:
    """Refuse batches with fewer cells than factors."""
    n_cells = batches.value_counts()
    small = {str(name): int(n) for name, n in n_cells.items() if n < n_factors}
    if small:
        msg = f"Batches need at least `n_factors={n_factors}` cells, got {small}. Drop them or ask for fewer factors."
        raise ValueError(msg)


def _genes(adata: AnnData, mask_var: str | None, n_factors: int) -> NDArray[np.bool_]:
    """Return which genes to use."""
    if mask_var is not None and mask_var not in adata.var:
        msg = f"`mask_var` must name a column of `adata.var`, got {mask_var!r}; there are {list(adata.var.columns)}."
        raise KeyError(msg)
    column = mask_var or "highly_variable"
    genes = np.asarray(adata.var[column], dtype=bool) if column in adata.var else np.ones(adata.n_vars, dtype=bool)
    if genes.sum() < n_factors:
        msg = f"`n_factors={n_factors}` needs at least as many genes, got {genes.sum()}. Use fewer factors."
        raise ValueError(msg)
    return genes


def _values(adata: AnnData, layer: str | None) -> Any:
    """Return the matrix to read (cells, genes), sparse by rows or dense, known to be finite and non-negative."""
    if layer is not None and layer not in adata.layers:
        msg = f"`layer` must name a layer of `adata`, got {layer!r}; there are {[*filter(None, adata.layers)]}."
        raise KeyError(msg)
    values = adata.X if layer is None else adata.layers[layer]
    values = values.to_memory() if hasattr(values, "to_memory") else values
    values = _by_rows(values) if sparse.issparse(values) else np.asarray(values)
    where = "adata.X" if layer is None else f"adata.layers[{layer!r}]"
    if not all(np.isfinite(part).all() for part in _parts(values)):
        msg = f"`{where}` has NaN or infinite values. Remove them, or name another matrix with `layer`."
        raise ValueError(msg)
    lowest = min((part.min() for part in _parts(values)), default=0)
    if lowest < 0:
        msg = f"`{where}` must not be negative, got {lowest:.3g}: scaled data? Name counts or log values with `layer`."
        raise ValueError(msg)
    return values


def _by_rows(values: Any) -> Any:
    """Return a sparse matrix by rows in which no entry is stored twice; the given one is left alone."""
    rows = values.tocsr()
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    return rows


def _parts(values: Any) -> Iterator[NDArray[Any]]:
    """Yield the stored numbers in pieces, so that a check needs little memory."""
    stored = values.data if sparse.issparse(values) else values.reshape(-1)
    yield from (stored[start : start + CHUNK] for start in range(0, stored.size, CHUNK))


def _are_whole(values: Any) -> bool:
    """Tell whether all numbers are whole, as counts are."""
    return all(np.array_equal(part, np.rint(part)) for part in _parts(values))


def _scaled(
    values: Any, batches: pd.Categorical, genes: NDArray[np.bool_], *, normalize: bool
) -> Iterator[sparse.csr_matrix]:
    """Yield each batch (cells, genes used) with cells brought to one total and genes to one root mean square."""
    for code in range(len(batches.categories)):
        cells = sparse.csr_matrix(values[np.flatnonzero(batches.codes == code)], dtype=np.float32)
        totals = np.asarray(cells.sum(axis=1, dtype=np.float64)).ravel() if normalize else np.ones(cells.shape[0])
        chosen = cells[:, np.flatnonzero(genes)]
        chosen.data *= np.repeat(_inverse(totals), np.diff(chosen.indptr))
        # Scaled but not centred: factors need values that are not negative.
        squares = np.bincount(chosen.indices, weights=np.square(chosen.data), minlength=chosen.shape[1])
        chosen.data *= _inverse(np.sqrt(squares / chosen.shape[0]))[chosen.indices]
        yield chosen


def _inverse(scale: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return 1 / scale, 0 where the scale is 0."""
    return np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0).astype(np.float32)


def _integrate(
    matrices: Sequence[sparse.csr_matrix],
    batches: pd.Categorical,
    genes: NDArray[np.bool_],
    rng: np.random.Generator,
    options: dict[str, Any],
) -> _Factors:
    """Factorise, align the loadings, and put cells and genes back where they were."""
    from ..model.inmf import factorize
    from ..model.quantile_alignment import align_quantiles

    found = factorize(matrices, rng=rng, **options)
    aligned = align_quantiles(found.loadings, rng=rng)
    cells = np.empty((len(batches), options["n_factors"]), dtype=np.float32)
    for code, loadings in enumerate(aligned.loadings):
        cells[batches.codes == code] = loadings
    names = np.array(batches.categories, dtype=object)
    history = {"objective": np.array(found.objective), "n_iter": len(found.objective) - 1, "converged": found.converged}
    return _Factors(
        cells=cells,
        shared=_at_genes(found.shared.T, genes),
        specific=_at_genes(found.specific.transpose(2, 1, 0), genes),
        record={"batches": names, "reference": names[aligned.reference], **history},
    )


def _at_genes(used: NDArray[np.float32], genes: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return rows for all genes, zero where a gene was not used."""
    everywhere = np.zeros((genes.size, *used.shape[1:]), dtype=np.float32)
    everywhere[genes] = used
    return everywhere
