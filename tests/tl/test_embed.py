"""Cell vectors for AnnData in every form."""

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from sklearn.neighbors import kneighbors_graph

import scbert_tools as sbt
from scbert_tools.infer import forward


@pytest.fixture
def expected(adata, trained):
    return sbt.tl.embed(adata, model=trained, copy=True).obsm["X_scbert"]


@pytest.mark.filterwarnings("ignore:.*not unique", "ignore:.*view", "ignore:Transforming to str")
def test_every_form_of_the_same_cells_gives_the_same_vectors(form, expected, trained):
    sbt.tl.embed(form, model=trained)
    np.testing.assert_allclose(form.obsm["X_scbert"], expected, atol=1e-4)
    assert form.obsm["X_scbert"].dtype == np.float32


@pytest.mark.filterwarnings("ignore:.*not unique")
def test_bad_input_is_refused_before_any_compute_and_left_alone(bad, trained, monkeypatch):
    cells, message = bad
    monkeypatch.setattr(forward, "read_cells", lambda *_, **__: pytest.fail("computed"))
    with pytest.raises(ValueError, match=message):
        sbt.tl.embed(cells, model=trained)
    assert (list(cells.obsm), list(cells.uns)) == ([], [])


def test_layer_that_is_not_there_is_said(adata, trained):
    with pytest.raises(KeyError, match="`layer` is 'counts', which is not in the data"):
        sbt.tl.embed(adata, model=trained, layer="counts")


def test_vectors_are_those_of_annotate(adata, expected, trained):
    sbt.tl.annotate(adata, model=trained)
    np.testing.assert_array_equal(adata.obsm["X_scbert"], expected)


def test_cells_of_a_type_lie_together(adata, trained):
    sbt.tl.embed(adata, model=trained, key_added="mine")
    nearest = kneighbors_graph(adata.obsm["X_mine"], 4).tocoo()
    types = adata.obs["cell_type"].to_numpy()
    assert (types[nearest.row] == types[nearest.col]).mean() > 0.95


def test_cells_without_genes_of_the_model_are_zero(adata, trained):
    adata.X = sparse.csr_matrix(np.where(np.arange(30)[:, None] == 3, 0, adata.X.toarray()))
    sbt.tl.embed(adata, model=trained)
    assert (np.abs(adata.obsm["X_scbert"]).sum(axis=1) == 0).nonzero()[0].tolist() == [3]


def test_copy_leaves_the_input_untouched(adata, trained):
    done = sbt.tl.embed(adata, model=trained, copy=True)
    assert "X_scbert" not in adata.obsm
    assert list(done.obs) == list(adata.obs)
    assert sbt.tl.embed(adata, model=trained) is None


def test_copy_of_backed_cells_is_in_memory(adata, expected, trained, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    done = sbt.tl.embed(backed, model=trained, copy=True)
    np.testing.assert_allclose(done.obsm["X_scbert"], expected, atol=1e-5)
    backed.file.close()
