"""Toy cells that were annotated and explained, and figures that are closed afterwards."""

import matplotlib.pyplot as plt
import pytest

import scbert_tools as sbt


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def explained(adata, trained):
    sbt.tl.annotate(adata, model=trained)
    sbt.tl.attention(adata, model=trained, genes=["CD3E", "MS4A1", "CD79A", "LYZ"])
    sbt.tl.attribute(adata, model=trained, per_cell=True)
    return adata
