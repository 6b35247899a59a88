"""What all tests share: a toy data set, real cells, a seeded generator, and default settings around each test."""

import os
from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scbert_tools as sbt

mpl.use("agg")

MARKERS = {
    "T cell": ["CD3D", "CD3E", "IL7R", "TRAC"],
    "B cell": ["MS4A1", "CD79A", "CD79B", "CD19"],
    "monocyte": ["LYZ", "CD14", "S100A8", "FCN1"],
}
GENES = [gene for genes in MARKERS.values() for gene in genes]
SHARED = Path(os.environ.get("SCBERT_TOOLS_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need the shared data sets where those are missing."""
    if SHARED.is_dir():
        return
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(pytest.mark.skip(reason=f"needs the shared data sets in {SHARED}"))


@pytest.fixture(autouse=True)
def _default_settings() -> Iterator[None]:
    yield
    sbt.settings.reset()


@pytest.fixture
def rng() -> np.random.Generator:
    """Seeded generator, new for every test."""
    return np.random.default_rng(0)


@pytest.fixture
def adata(rng: np.random.Generator) -> ad.AnnData:
    """30 cells × 12 genes of counts: three cell types, each with four marker genes, from two donors."""
    cell_type = np.repeat(list(MARKERS), 10)
    rates = np.array([[20.0 if gene in MARKERS[name] else 1.0 for gene in GENES] for name in cell_type])
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical(cell_type), "donor": pd.Categorical(np.tile(["d1", "d2"], 15))},
        index=[f"cell{i}" for i in range(30)],
    )
    counts = sparse.csr_matrix(rng.poisson(rates).astype(np.float32))
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES))


@pytest.fixture(scope="session")
def _pbmc68k() -> ad.AnnData:
    from scbert_tools._demo import load_cells

    return load_cells()


@pytest.fixture
def pbmc68k(_pbmc68k: ad.AnnData) -> ad.AnnData:
    """700 real blood cells; `raw` holds log-normalised values, `X` is scaled."""
    return _pbmc68k.copy()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the shared data sets; tests that use it carry the marker `shared`."""
    return SHARED
