"""Every genuine conversion of the shared folder gives the answers that R computed, or is refused."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scbert_tools.io import read_seurat

FOLDER = Path(os.environ.get("SCBERT_SHARED", Path(__file__).parents[3] / "shared")) / "seurat"
EXPECTED = json.loads((FOLDER / "expected.json").read_text()) if FOLDER.is_dir() else {}
NAMES = [name for name in EXPECTED if not name.startswith("_")] or ["absent"]
REFUSED = {
    "sd_kang_integrated.h5ad": "No matrix holds expression",
    "sd9010_kang_integrated.h5ad": "No matrix holds expression",
    "sd_scaled_as_counts.h5ad": "No matrix holds expression",
    "sd9018_pbmc3k.h5ad": "stopped before `obs`",
    "sce08_pbmc_small_asis.h5ad": "stopped before `var`",
    "sd5_kang_layers.h5ad": "stopped before `obs` and `var`",
    "mds5_pbmc3k.h5ad": "stopped before `var`",
    "adr_pbmc_small_withDate_FAILED.h5ad": "no matrix",
    "adr_pbmc3k_default_FAILED.h5ad": "no matrix",
}
LOST_LABELS = {"sd_kang_integrated_assayRNA_rewritten.h5ad", "loom_pbmc_small.loom"}
READABLE = [name for name in NAMES if name not in REFUSED]

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not EXPECTED, reason=f"needs the conversions in {FOLDER}"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def read():
    """Reads each file once."""
    known = {}

    def reader(name):
        if name.endswith(".rds"):
            pytest.importorskip("rds2py")
        if name not in known:
            known[name] = read_seurat(FOLDER / name)
        return known[name].copy()

    return reader


def true_counts(expected):
    counts = expected.get("counts") or expected.get("layers", {}).get("counts", {})
    return counts.get("sum", expected.get("counts_sum"))


@pytest.mark.parametrize("name", READABLE)
def test_the_matrix_holds_the_counts(read, name):
    adata = read(name)
    assert adata.X.sum() == true_counts(EXPECTED[name])
    first = (EXPECTED[name].get("counts") or {}).get("cell_sums_first5", [])
    np.testing.assert_array_equal(np.asarray(adata.X.sum(axis=1)).ravel()[: len(first)], first)


@pytest.mark.parametrize("name", READABLE)
def test_genes_and_cells_have_their_names(read, name):
    adata, expected = read(name), EXPECTED[name]
    genes = expected.get("genes_first5") or expected["gene_names_before_seurat"][:5]
    assert adata.var_names[:5].tolist() == genes
    assert adata.shape == (expected["n_obs"], expected.get("n_genes_of_the_assay", expected.get("n_genes")))
    assert adata.obs_names[:5].tolist() == expected.get("cells_first5", adata.obs_names[:5].tolist())


def same(value, true):
    if true is None:
        return pd.isna(value) or value in ("NA", False, True)  # sceasy and zellkonverter made NA true or false
    return str(value) == str(true) or (isinstance(true, int | float) and float(value) == pytest.approx(float(true)))


@pytest.mark.parametrize(
    "name", [name for name in READABLE if "obs" in EXPECTED.get(name, {}) and name not in LOST_LABELS]
)
def test_labels_are_those_of_r(read, name):
    adata = read(name)
    wrong = {
        column: (adata.obs[column].iloc[:5].tolist(), true["first5"])
        for column, true in EXPECTED[name]["obs"].items()
        if column in adata.obs
        and true["r_class"] != "Date"
        and not all(map(same, adata.obs[column].iloc[:5], true["first5"]))
    }
    assert not wrong
    assert "cell_type" in adata.obs


@pytest.mark.parametrize(
    "name", [name for name in READABLE if "obs" in EXPECTED.get(name, {}) and name not in LOST_LABELS]
)
def test_factors_keep_their_levels_and_missing_values(read, name):
    adata = read(name)
    for column in ("cell_type", "celltype_na", "grade"):
        true = EXPECTED[name]["obs"][column]
        assert adata.obs[column].isna().sum() == true["n_na"]
        assert adata.obs[column].cat.categories.tolist() == true["levels"]


@pytest.mark.parametrize("name", READABLE)
def test_embeddings_have_the_names_of_scanpy(read, name):
    adata = read(name)
    for reduction, true in (EXPECTED[name].get("reductions") or {}).items():
        if f"X_{reduction}" in adata.obsm:
            np.testing.assert_allclose(adata.obsm[f"X_{reduction}"][0, :2], true["first_row"][:2], rtol=1e-4)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_files_without_a_usable_matrix_are_refused(name):
    with pytest.raises(ValueError, match=f"{REFUSED[name]}.*In R: "):
        read_seurat(FOLDER / name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sd_kang_sct.h5ad", "SCT-corrected"),
        ("sd_cite_assayADT.h5ad", "proteins"),
        ("sd_kang_integrated_assayRNA_rewritten.h5ad", "labels"),
        ("loom_pbmc_small.loom", "labels are not in the file"),
    ],
)
@pytest.mark.filterwarnings("default")
def test_doubtful_files_are_read_with_a_warning(name, message):
    with pytest.warns(UserWarning, match=message):
        read_seurat(FOLDER / name)


@pytest.mark.parametrize("name", READABLE)
def test_what_was_read_can_be_written(read, name, tmp_path):
    import anndata as ad

    adata = read(name)
    adata.write_h5ad(tmp_path / "again.h5ad")
    again = ad.read_h5ad(tmp_path / "again.h5ad").obs
    pd.testing.assert_frame_equal(
        again, adata.obs, check_index_type=False, check_column_type=False, check_categorical=False
    )
    adata.write_zarr(tmp_path / "again.zarr")
    again = ad.read_zarr(tmp_path / "again.zarr")
    assert again.X.sum() == adata.X.sum()
    assert again.uns["seurat_import"]["X"] == adata.uns["seurat_import"]["X"]
