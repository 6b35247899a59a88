from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scbert_tools.pp import _liger
from scbert_tools.pp._liger import liger


def as_dense(x: sparse.csr_matrix) -> np.ndarray:
    return x.toarray()


def with_duplicates(x: sparse.csr_matrix) -> sparse.csr_matrix:
    """The same matrix with every entry stored as two halves, columns unsorted."""
    coo = x.tocoo()
    halves, rows, columns = (np.concatenate([part, part[::-1]]) for part in (coo.data / 2, coo.row, coo.col))
    order = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[order], np.arange(x.shape[0] + 1))
    return sparse.csr_matrix((halves[order], columns[order], starts), shape=x.shape)


def test_results_are_written_with_their_shapes(adata: ad.AnnData) -> None:
    liger(adata, "donor", n_factors=3)
    written = {"cells": adata.obsm["X_liger"], "shared": adata.varm["liger_shared"], "own": adata.varm["liger_batch"]}
    assert {name: value.shape for name, value in written.items()} == {
        "cells": (30, 3),
        "shared": (12, 3),
        "own": (12, 3, 2),
    }
    assert {str(value.dtype) for value in written.values()} == {"float32"}
    assert list(adata.uns["liger"]["batches"]) == ["d1", "d2"]


def test_cells_of_one_type_share_their_strongest_factor(adata: ad.AnnData) -> None:
    liger(adata, "donor", n_factors=3)
    factors = pd.Series(adata.obsm["X_liger"].argmax(axis=1)).groupby(adata.obs["cell_type"].to_numpy())
    assert factors.nunique().tolist() == [1, 1, 1]
    assert factors.first().nunique() == 3


@pytest.mark.parametrize(
    "convert",
    [as_dense, sparse.csc_matrix, sparse.csr_array, with_duplicates, lambda x: x.astype(np.int64)],
    ids=["dense", "csc", "csr array", "duplicates", "integers"],
)
def test_result_does_not_depend_on_how_values_are_stored(adata: ad.AnnData, convert) -> None:
    other = adata.copy()
    other.X = convert(adata.X)
    for one in (adata, other):
        liger(one, "donor", n_factors=3, normalize=True)
    np.testing.assert_allclose(other.obsm["X_liger"], adata.obsm["X_liger"], rtol=1e-3, atol=1e-4)


def test_a_gene_unit_in_one_batch_changes_nothing(adata: ad.AnnData) -> None:
    rescaled = adata.copy()
    rescaled.X = rescaled.X.multiply(np.where(adata.obs["donor"] == "d1", 5, 1)[:, None]).tocsr()
    for one in (adata, rescaled):
        liger(one, "donor", n_factors=3, normalize=False)
    np.testing.assert_allclose(rescaled.obsm["X_liger"], adata.obsm["X_liger"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("values", "divided"), [(1.0, True), (0.5, False)], ids=["counts", "not whole"])
def test_only_counts_are_divided_by_their_total(adata: ad.AnnData, values: float, divided: bool) -> None:
    adata.layers["scaled"] = adata.X * values
    liger(adata, "donor", n_factors=3, layer="scaled")
    assert adata.uns["liger"]["params"]["normalize"] is divided
    assert adata.uns["liger"]["params"]["layer"] == "scaled"


@pytest.mark.parametrize("mask_var", [None, "chosen"], ids=["highly variable", "named"])
def test_genes_left_out_get_zero(adata: ad.AnnData, mask_var: str | None) -> None:
    adata.var[mask_var or "highly_variable"] = np.arange(12) < 8
    liger(adata, "donor", n_factors=3, mask_var=mask_var)
    assert np.flatnonzero(adata.varm["liger_shared"].any(axis=1)).tolist() == list(range(8))


def test_cells_without_counts_get_finite_loadings(adata: ad.AnnData) -> None:
    adata.X = sparse.diags_array(np.arange(30.0) % 7).sign() @ adata.X
    liger(adata, "donor", n_factors=3)
    assert np.isfinite(adata.obsm["X_liger"]).all()


def test_many_cells_are_read_in_steps(adata: ad.AnnData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_liger, "ALL_AT_ONCE", 20)
    liger(adata, "donor", n_factors=3)
    assert adata.uns["liger"]["params"]["cells_per_step"] == 5000


@pytest.mark.parametrize("copy", [False, True], ids=["in place", "copy"])
def test_copy_is_the_only_switch_on_what_is_returned(adata: ad.AnnData, copy: bool) -> None:
    returned = liger(adata, "donor", n_factors=3, copy=copy)
    assert (returned is not None, "X_liger" in adata.obsm) == (copy, not copy)


def test_input_values_are_left_alone_and_the_file_can_be_read_back(adata: ad.AnnData, tmp_path: Path) -> None:
    before = adata.X.copy()
    liger(adata, "donor", n_factors=3, random_state=1)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    again = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    liger(again, "donor", n_factors=3, rng=1)
    assert (before != adata.X).nnz == 0
    np.testing.assert_array_equal(again.obsm["X_liger"], adata.obsm["X_liger"])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"key": "sample"}, KeyError, "`key` must name a column of `adata.obs`, got 'sample'"),
        ({"key": "same"}, ValueError, "must hold at least 2 batches"),
        ({"n_factors": 20}, ValueError, "Batches need at least `n_factors=20` cells, got {'d1': 15, 'd2': 15}"),
        ({"n_factors": 13}, ValueError, "`n_factors=13` needs at least as many genes, got 12"),
        ({"layer": "counts"}, KeyError, "`layer` must name a layer of `adata`, got 'counts'"),
        ({"layer": "negative"}, ValueError, "must not be negative, got -1: scaled data"),
        ({"layer": "nan"}, ValueError, "has NaN or infinite values"),
        ({"mask_var": "chosen"}, KeyError, "`mask_var` must name a column of `adata.var`"),
        ({"lambda_": -1}, ValueError, "`lambda_` must be at least 0, got -1"),
        ({"cells_per_step": -5}, ValueError, "`cells_per_step` must be at least 1, got -5"),
        ({"rng": 1, "random_state": 2}, ValueError, "two names of one thing, got 1 and 2"),
    ],
    ids=["column", "one batch", "cells", "genes", "layer", "negative", "NaN", "mask", "lambda", "step", "seeds"],
)
def test_bad_input_is_refused_and_nothing_is_written(adata, arguments, error, message: str) -> None:
    adata.obs["same"] = "one"
    adata.layers["negative"] = adata.X - sparse.eye_array(30, 12, format="csr") * (adata.X.diagonal().max() + 1)
    adata.layers["negative"] = sparse.csr_matrix(np.sign(adata.layers["negative"].toarray()))
    adata.layers["nan"] = np.full((30, 12), np.nan)
    with pytest.raises(error, match=message):
        liger(adata, **{"key": "donor", "n_factors": 3, **arguments})
    assert not adata.obsm
    assert not adata.uns
