"""log(CPM + 1) on AnnData: where it is read, where it is written, and what is refused."""

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import scbert_tools as sbt


def expected(counts):
    counts = sparse.csr_matrix(counts).toarray().astype(float)
    return np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 1e6)


def dense(x):
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
@pytest.mark.parametrize(
    "kind", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_matrix.toarray], ids=["csr", "csc", "dense"]
)
def test_x_becomes_log_cpm_of_the_same_kind(adata, kind, dtype):
    cells = ad.AnnData(kind(adata.X.astype(dtype)), var=adata.var)
    before = type(cells.X)
    sbt.pp.normalize_cpm(cells)
    assert (type(cells.X), cells.X.dtype) == (before, np.float32)
    np.testing.assert_allclose(dense(cells.X), expected(adata.X), rtol=1e-5)


@pytest.mark.parametrize(
    ("layer", "key_added", "written"),
    [(None, None, "X"), (None, "new", "new"), ("counts", None, "counts"), ("counts", "new", "new")],
)
def test_result_goes_where_it_is_asked_to(adata, layer, key_added, written):
    adata.layers["counts"] = adata.X.copy()
    counts = adata.X.copy()
    sbt.pp.normalize_cpm(adata, layer=layer, key_added=key_added)
    found = {"X": adata.X} | {name: adata.layers[name] for name in adata.layers if name}
    for name, values in found.items():
        wanted = expected(counts) if name == written else counts.toarray()
        np.testing.assert_allclose(values.toarray(), wanted, rtol=1e-5)


def test_copy_leaves_the_input_untouched(adata):
    counts = adata.X.copy()
    done = sbt.pp.normalize_cpm(adata, copy=True)
    assert (counts != adata.X).nnz == 0
    np.testing.assert_allclose(done.X.toarray(), expected(counts), rtol=1e-5)
    assert sbt.pp.normalize_cpm(adata) is None


@pytest.mark.filterwarnings("ignore:.*view")
def test_view_becomes_data_of_its_own(adata):
    counts = adata.X.copy()
    view = adata[:5]
    sbt.pp.normalize_cpm(view)
    np.testing.assert_allclose(view.X.toarray(), expected(counts[:5]), rtol=1e-5)
    assert (counts != adata.X).nnz == 0


def test_empty_cells_stay_zero(adata):
    adata.X = sparse.csr_matrix(np.where(np.arange(30)[:, None] == 3, 0, adata.X.toarray()))
    sbt.pp.normalize_cpm(adata)
    assert adata.X[3].nnz == 0
    assert np.isfinite(adata.X.data).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_impossible_values_are_refused_and_nothing_is_written(adata, value):
    x = adata.X.toarray()
    x[3, 4] = value
    adata.X = x
    with pytest.raises(ValueError, match=r"adata\.X holds .* not counts"):
        sbt.pp.normalize_cpm(adata, key_added="new")
    np.testing.assert_array_equal(adata.X, x)
    assert not adata.layers


def test_twice_is_refused(adata):
    sbt.pp.normalize_cpm(adata)
    with pytest.raises(ValueError, match=r"holds natural log of 1 \+ CPM .*`annotate` reads logarithms too"):
        sbt.pp.normalize_cpm(adata)


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        ("counts", KeyError, r"`layer` is 'counts', which is not among \['scaled'\]"),
        ("scaled", ValueError, r"adata\.layers\['scaled'\] holds (scaled|residuals)"),
    ],
    ids=["missing", "scaled"],
)
def test_layer_that_cannot_be_read_is_refused(adata, layer, error, message):
    adata.layers["scaled"] = adata.X.toarray() - adata.X.toarray().mean(axis=0)
    with pytest.raises(error, match=message):
        sbt.pp.normalize_cpm(adata, layer=layer)


def test_missing_x_is_said(adata):
    with pytest.raises(ValueError, match=r"adata\.X is empty\. Name the layer with counts"):
        sbt.pp.normalize_cpm(ad.AnnData(obs=adata.obs, var=adata.var))


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_backed_file_is_never_overwritten(adata, tmp_path, mode):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed=mode)
    with pytest.raises(ValueError, match=r"backed by a file.*to_memory"):
        sbt.pp.normalize_cpm(backed)
    backed.file.close()
    assert (ad.read_h5ad(tmp_path / "cells.h5ad").X != adata.X).nnz == 0
