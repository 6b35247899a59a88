"""The doctor names what each matrix holds and what `annotate` will read."""

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from scbert_tools.pp._inspect import inspect


@pytest.fixture
def data(rng):
    """Scaled values of 20 genes in X, counts in a layer, log values of all 60 genes in raw."""
    counts = rng.poisson(rng.lognormal(0, 0.5, (80, 1)) * 3, (80, 60)) + 1
    logged = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    whole = ad.AnnData(sparse.csr_matrix(logged))
    scaled = (logged - logged.mean(axis=0)) / logged.std(axis=0)
    data = ad.AnnData(scaled[:, :20], layers={"counts": counts[:, :20]})
    data.raw = whole
    return data


def test_every_matrix_is_named(data):
    found = inspect(data)
    assert found.table["holds"].to_dict() == {"X": "scaled", "counts": "counts", "raw": "natural log of 1 + CP10k"}
    assert found.choice.name == "raw"
    assert "more than the other matrices" in found.verdict
    assert str(found) == repr(found)


def test_a_layer_can_be_asked_for(data):
    assert inspect(data, layer="counts").choice.name == "counts"


@pytest.mark.parametrize(
    ("layer", "verdict"),
    [("X", "refuse this.*holds scaled"), ("absent", "refuse this.*not in the data")],
)
def test_a_refusal_is_told_beforehand(data, layer, verdict):
    import re

    found = inspect(data, layer=layer)
    assert found.choice is None
    assert re.search(verdict, found.verdict)


def test_values_that_are_not_numbers_are_refused():
    with pytest.raises(TypeError, match="expression must be numbers"):
        inspect(ad.AnnData(layers={"words": np.array([["a", "b"]], dtype=object)}, shape=(1, 2)))


def test_a_file_can_be_inspected_without_reading_it_whole(data, tmp_path):
    data.write_h5ad(tmp_path / "data.h5ad")
    backed = ad.read_h5ad(tmp_path / "data.h5ad", backed="r")
    assert inspect(backed).choice.name == "raw"
