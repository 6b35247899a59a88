import logging

import anndata as ad
import harmonypy
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

from scbert_tools.pp._harmony import harmony


@pytest.fixture
def cells(rng: np.random.Generator) -> ad.AnnData:
    """300 cells in 6 dimensions: two cell types, and two batches that lie apart."""
    obs = pd.DataFrame({"type": ["a", "b"] * 150, "batch": ["x", "x", "y", "y", "y"] * 60, "run": [1, 2, 3] * 100})
    obs.index = obs.index.astype(str)
    positions = rng.normal(size=(300, 6)) + 6 * np.eye(6)[(obs["type"] == "b").astype(int)]
    positions += 2 * np.eye(6)[3] * (obs["batch"] == "y").to_numpy()[:, None]
    counts = rng.poisson(1.0, size=(300, 20)).astype(np.float32)
    return ad.AnnData(counts, obs=obs, obsm={"X_pca": positions.astype(np.float32), "X_scbert": positions[:, :4]})


@pytest.mark.parametrize("key", ["batch", ["batch", "run"]], ids=["one column", "two columns"])
@pytest.mark.parametrize("basis", ["X_pca", "X_scbert"])
def test_result_is_that_of_harmonypy(cells: ad.AnnData, key: str | list[str], basis: str) -> None:
    harmony(cells, key, basis=basis, adjusted_basis="corrected", theta=1.5, rng=3)
    expected = harmonypy.run_harmony(cells.obsm[basis], cells.obs, key, theta=1.5, random_state=3, verbose=False)
    np.testing.assert_allclose(cells.obsm["corrected"], expected.Z_corr, atol=1e-5)


def test_as_many_cells_as_dimensions_keep_their_orientation(cells: ad.AnnData, rng: np.random.Generator) -> None:
    square = cells[:60].copy()
    wide = square.obsm["X_pca"] @ rng.normal(size=(6, 60))
    square.obsm["X_wide"], square.obsm["X_padded"] = wide, np.hstack([wide, np.zeros((60, 1))])
    for basis in ("X_wide", "X_padded"):
        harmony(square, "batch", basis=basis, adjusted_basis=f"{basis}_h")
    np.testing.assert_allclose(square.obsm["X_wide_h"], square.obsm["X_padded_h"][:, :60], atol=1e-4)


def test_batches_meet(cells: ad.AnnData) -> None:
    harmony(cells, "batch")
    means = pd.DataFrame(cells.obsm["X_pca_harmony"]).groupby(cells.obs["batch"].to_numpy()).mean()
    assert abs(means.loc["x", 3] - means.loc["y", 3]) < 0.5


def test_run_is_recorded(cells: ad.AnnData) -> None:
    harmony(cells, "batch", ridge_lambda=1.0, max_iter=4)
    record = cells.uns["X_pca_harmony"]
    assert record["params"].items() >= {"key": ["batch"], "basis": "X_pca", "ridge_lambda": 1.0, "max_iter": 4}.items()
    assert record["n_iter"] == len(record["objective"]) - 1 <= 4
    assert isinstance(record["converged"], bool)


def test_missing_pca_is_computed_as_scanpy_does(cells: ad.AnnData) -> None:
    cells.var["highly_variable"] = np.arange(20) < 12
    expected = sc.pp.pca(cells, copy=True)
    del cells.obsm["X_pca"]
    with pytest.warns(UserWarning, match="X_pca.*is missing: computing it with `scanpy.pp.pca`"):
        harmony(cells, "batch")
    np.testing.assert_allclose(cells.obsm["X_pca"], expected.obsm["X_pca"], atol=1e-5)
    assert cells.varm["PCs"].shape == (20, 11)


@pytest.mark.parametrize("copy", [False, True], ids=["in place", "copy"])
def test_copy_is_the_only_switch_on_what_is_returned(cells: ad.AnnData, copy: bool) -> None:
    returned = harmony(cells, "batch", copy=copy)
    assert (returned is not None, "X_pca_harmony" in cells.obsm) == (copy, not copy)


def test_nothing_is_logged_and_the_logger_is_left_as_it_was(cells: ad.AnnData, capfd: pytest.CaptureFixture) -> None:
    handlers = list(logging.getLogger("harmonypy").handlers)
    harmony(cells, "batch")
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("harmonypy").handlers == handlers


@pytest.mark.parametrize(
    "seeds",
    [({"rng": 5}, {"random_state": 5}), [{"rng": np.random.default_rng(5)} for _ in range(2)], ({}, {"rng": 0})],
    ids=["both names", "generator", "default is 0"],
)
def test_same_seed_gives_the_same_result(cells: ad.AnnData, seeds: tuple) -> None:
    first, second = (harmony(cells, "batch", copy=True, **seed) for seed in seeds)
    np.testing.assert_array_equal(first.obsm["X_pca_harmony"], second.obsm["X_pca_harmony"])


def test_few_cells_are_enough(cells: ad.AnnData) -> None:
    few = cells[:8].copy()
    harmony(few, "batch")
    assert np.isfinite(few.obsm["X_pca_harmony"]).all()


@pytest.mark.parametrize(
    ("change", "arguments", "error", "message"),
    [
        ({}, {"key": "donor"}, KeyError, "`key` must name a column of `adata.obs`, got 'donor'"),
        ({"batch": "x"}, {}, ValueError, "must hold at least 2 batches, got \\['x'\\]"),
        ({"batch": [None, *"xy" * 149, "x"]}, {}, ValueError, "1 cells without a batch"),
        ({}, {"basis": "X_umap"}, KeyError, "`basis` must name an entry of `adata.obsm`, got 'X_umap'"),
        ({}, {"basis": "X_nan"}, ValueError, "NaN or infinite values in 1 cells"),
        ({}, {"basis": "X_words"}, ValueError, "must be a dense numeric matrix"),
        ({}, {"sigma": 0.0}, ValueError, "`sigma` must be a positive number, got 0.0"),
        ({}, {"theta": [1.0, -1.0]}, ValueError, "`theta` must be at least 0, got -1.0"),
        ({}, {"ridge_lambda": float("nan")}, ValueError, "`ridge_lambda` must be at least 0, got nan"),
        ({}, {"max_iter": 0}, ValueError, "`max_iter` must be at least 1, got 0"),
        ({}, {"rng": 1, "random_state": 1}, ValueError, "two names of one thing"),
    ],
    ids=[
        "no column",
        "one batch",
        "missing",
        "no basis",
        "NaN",
        "words",
        "sigma",
        "theta",
        "lambda",
        "rounds",
        "seeds",
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(cells, change, arguments, error, message: str) -> None:
    cells.obs = cells.obs.assign(**change)
    cells.obsm["X_nan"] = np.where(np.eye(300, 3) == 1, [np.nan, 0, 0], 1)
    cells.obsm["X_words"] = np.full((300, 2), "word")
    with pytest.raises(error, match=message):
        harmony(cells, **{"key": "batch", **arguments})
    assert "X_pca_harmony" not in cells.obsm
    assert not cells.uns
