"""Genes come in the order of the model, under whatever names they were."""

import anndata as ad
import numpy as np
import pytest

from scbert_tools.genes import Vocabulary
from scbert_tools.pp._align_genes import align_genes

MODEL = Vocabulary(("CD3E", "MS4A1", "CIAO2A", "NKG7"))


def cells(names, values=None):
    values = np.array([[1.0, 2.0, 3.0], [0.0, 4.0, 5.0]]) if values is None else values
    adata = ad.AnnData(values, obsm={"X_pca": np.ones((2, 2))})
    adata.var_names = names
    adata.obs["donor"] = ["a", "b"]
    return adata


@pytest.mark.parametrize(
    "names",
    [
        ["MS4A1", "FAM96A", "CD3E"],
        ["ENSG00000156738.1", "ENSG00000166797", "ENSG00000198851.2"],
        ["hg19_MS4A1", "hg19_CIAO2A", "hg19_CD3E"],
    ],
    ids=["alias", "Ensembl", "prefix"],
)
def test_genes_take_the_order_of_the_model(names):
    aligned = align_genes(cells(names), model=MODEL)
    np.testing.assert_array_equal(aligned.X.toarray(), [[3, 1, 2, 0], [5, 0, 4, 0]])
    assert aligned.var["names_in_data"].tolist() == [names[2], names[0], names[1], ""]
    assert aligned.obs["donor"].tolist() == ["a", "b"]
    assert "X_pca" in aligned.obsm


def test_logs_are_undone_before_columns_are_added(rng):
    counts = rng.poisson(3.0, (60, 3)) + 1.0
    logged = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    adata = ad.AnnData(logged)
    adata.var_names = ["CD3E", "CD3E.1", "MS4A1"]
    aligned = align_genes(adata, model=MODEL).X.toarray()
    np.testing.assert_allclose(aligned[:, 0] / aligned[:, 1], counts[:, :2].sum(axis=1) / counts[:, 2], rtol=1e-4)


def test_the_report_can_be_written(tmp_path):
    aligned = align_genes(cells(["MS4A1", "FAM96A", "CD3E"]), model=MODEL)
    aligned.write_h5ad(tmp_path / "aligned.h5ad")
    report = ad.read_h5ad(tmp_path / "aligned.h5ad").uns["scbert_genes"]
    assert report["report"] == "3 of 4 model genes found; 1 renamed"
    assert (report["renamed"], report["coverage"]) == ("FAM96A -> CIAO2A", 0.75)


@pytest.mark.parametrize(
    ("adata", "message"),
    [
        (cells(["X1", "X2", "X3"]), "0 of 4 model genes found; at least 2 are needed"),
        (cells(["0", "1", "2"]), "row numbers"),
        (cells(["CD3E", "MS4A1", "NKG7"], np.array([[-1.0, 2.5, 0.1], [1.0, -2.5, 0.2]])), "No matrix holds"),
    ],
    ids=["other names", "no names", "scaled"],
)
def test_what_cannot_be_aligned_is_refused(adata, message):
    with pytest.raises(ValueError, match=message):
        align_genes(adata, model=MODEL)


def test_mouse_genes_are_mapped_with_a_warning():
    with pytest.warns(UserWarning, match="mouse symbols; they were mapped to their human relatives"):
        aligned = align_genes(cells(["Ms4a1", "Nkg7", "Cd3e"]), model=MODEL)
    assert aligned.uns["scbert_genes"]["kind"] == "mouse symbol"
