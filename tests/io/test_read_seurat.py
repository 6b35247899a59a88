"""Small imitations of what converters write, one for every quirk."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.io import mmwrite

from scbert_tools.io import read_seurat
from scbert_tools.io._assemble import embedding_name

GENES = ["CD3D", "CD3E", "MS4A1", "NKG7", "LYZ", "GNLY", "CD79A", "PPBP"]
CELLS = [f"cell{i}" for i in range(30)]
TEXT = h5py.string_dtype()

pytestmark = pytest.mark.filterwarnings("ignore:Variable names")


@pytest.fixture
def counts(rng):
    return (rng.poisson(2.0, (30, 8)) + np.eye(30, 8)).astype(float)


def logged(counts):
    return np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)


def write_sparse(file, place, values, *, genes_first=False, kind="csr_matrix"):
    stored = sparse.csr_matrix(values) if kind == "csr_matrix" else sparse.csc_matrix(values)
    group = file.create_group(place)
    for part in ("data", "indices", "indptr"):
        group[part] = getattr(stored, part)
    if genes_first:
        group.attrs["dims"] = values.shape[::-1]
    else:
        group.attrs.update({"encoding-type": kind, "shape": values.shape})


def write_table(file, place, names, index="_index", **columns):
    group = file.create_group(place)
    group[index] = np.array(names, dtype=TEXT)
    group.attrs["_index"] = index
    for name, values in columns.items():
        group[name] = np.array(values, dtype=TEXT) if isinstance(values[0], str) else np.asarray(values)
    return group


@pytest.fixture
def seurat_disk(tmp_path, counts):
    """A file by SeuratDisk: scaled X of three genes, log values in raw, factors as codes, no counts."""
    path = tmp_path / "seurat_disk.h5ad"
    with h5py.File(path, "w") as file:
        file["X"] = (logged(counts)[:, :3] - 3.0) / 2
        write_table(file, "var", GENES[:3])
        codes = np.tile([1, 0, -2147483648], 10).astype("int32")
        columns = {"label": codes, "flag": np.tile([0, 1, 2], 10).astype("int32"), "word": ["NA", "a", "b"] * 10}
        write_table(file, "obs", CELLS, nCount_RNA=counts.sum(axis=1), **columns)
        file["obs/__categories/label"] = np.array(["T cell", "γδ B"], dtype=TEXT)
        write_sparse(file, "raw/X", logged(counts))
        write_table(file, "raw/var", [str(i) for i in range(8)], features=GENES)
        file["obsm/PCA"] = counts[:, :2]
    return path


def test_counts_are_recovered_exactly_and_genes_renamed(seurat_disk, counts):
    adata = read_seurat(seurat_disk)
    np.testing.assert_array_equal(adata.X.toarray(), counts)
    assert adata.var_names.tolist() == GENES
    assert adata.uns["seurat_import"]["X"] == "counts recovered from natural log of 1 + CP10k"
    assert [name for name in adata.layers if name] == ["lognorm"]
    assert list(adata.obsm) == ["X_pca"]


def test_factors_truth_values_and_missing_values_are_restored(seurat_disk):
    obs = read_seurat(seurat_disk).obs
    assert obs["label"].tolist()[:2] == ["γδ B", "T cell"]
    assert obs["flag"].tolist()[:2] == [False, True]
    assert obs[["label", "flag", "word"]].isna().sum().tolist() == [10, 10, 10]


def test_report_names_every_repair(seurat_disk):
    assert read_seurat(seurat_disk).uns["seurat_import"]["repairs"].splitlines() == [
        "label: codes got back their labels",
        "flag: 0, 1 and 2 are FALSE, TRUE and NA of R",
        "genes were numbered; they got their names from column 'features'",
    ]


def test_nothing_is_called_repaired_where_nothing_was(tmp_path, counts):
    whole = ad.AnnData(
        sparse.csr_matrix(counts), pd.DataFrame({"a": ["x", "y"] * 15}, CELLS), pd.DataFrame(index=GENES)
    )
    whole.obs["sure"] = [True, False] * 15
    whole.write_h5ad(tmp_path / "whole.h5ad")
    assert not read_seurat(tmp_path / "whole.h5ad").uns["seurat_import"]["repairs"]


def as_masked_texts(file, place):
    """Write what is there as anndata 0.13 writes the text type of pandas 3."""
    values = file[place][()]
    del file[place]
    group = file.create_group(place)
    group["values"], group["mask"] = values, np.zeros(len(values), bool)
    group.attrs.update({"encoding-type": "nullable-string-array", "encoding-version": "0.1.0"})


def test_names_and_labels_in_the_text_type_of_pandas_are_read(tmp_path, counts):
    obs = pd.DataFrame({"label": pd.Categorical(["T", "B", "B"] * 10)}, pd.Index(CELLS, dtype=object))
    obs["label"] = obs["label"].cat.set_categories(pd.Index(["B", "T"], dtype=object))
    adata = ad.AnnData(sparse.csr_matrix(counts), obs, pd.DataFrame(index=pd.Index(GENES, dtype=object)))
    adata.write_h5ad(tmp_path / "new.h5ad")
    with h5py.File(tmp_path / "new.h5ad", "r+") as file:
        for place in ("obs/_index", "var/_index", "obs/label/categories"):
            if isinstance(file[place], h5py.Dataset):
                as_masked_texts(file, place)
    read = read_seurat(tmp_path / "new.h5ad")
    assert (read.obs_names.tolist(), read.var_names.tolist()) == (CELLS, GENES)
    assert read.obs["label"].tolist() == ["T", "B", "B"] * 10
    np.testing.assert_array_equal(read.X.toarray(), counts)


def test_lost_labels_are_warned_of(seurat_disk):
    with h5py.File(seurat_disk, "r+") as file:
        del file["obs/__categories"]
    with pytest.warns(UserWarning, match="flag, label hold whole numbers from 0.*labels are lost"):
        read_seurat(seurat_disk)


def test_matrices_narrower_than_their_genes_are_left_out(tmp_path, counts):
    with h5py.File(tmp_path / "mds.h5ad", "w", userblock_size=512) as file:
        file["X"] = logged(counts)[:, :3]
        write_table(file, "obs", CELLS)
        write_table(file, "var", GENES)
        write_sparse(file, "layers/counts", counts, kind="csc_matrix")
    with pytest.warns(UserWarning, match="X was left out: it has 3 columns but 8 genes"):
        adata = read_seurat(tmp_path / "mds.h5ad")
    np.testing.assert_array_equal(adata.X.toarray(), counts)


def test_split_layers_are_joined(tmp_path, counts):
    with h5py.File(tmp_path / "split.h5ad", "w") as file:
        write_table(file, "obs", CELLS)
        write_table(file, "var", GENES)
        write_sparse(file, "layers/counts.1", counts[:12])
        write_sparse(file, "layers/counts.2", counts[12:])
    with pytest.warns(UserWarning, match="joined in this order"):
        adata = read_seurat(tmp_path / "split.h5ad")
    np.testing.assert_array_equal(adata.X.toarray(), counts)


def test_h5seurat_is_read_as_it_is(tmp_path, counts):
    with h5py.File(tmp_path / "object.h5Seurat", "w") as file:
        file.attrs["active.assay"] = ["RNA"]
        file["cell.names"] = np.array(CELLS, dtype=TEXT)
        meta = write_table(file, "meta.data", CELLS)
        meta["label/levels"] = np.array(["T", "B"], dtype=TEXT)
        meta["label/values"] = np.tile([2, 1, -2147483648], 10).astype("int32")
        meta["flag"] = np.tile([0, 1, 2], 10).astype("int32")
        meta["flag"].attrs["s3class"] = ["logical"]
        for assay in ("RNA", "ADT"):
            file[f"assays/{assay}/features"] = np.array(GENES, dtype=TEXT)
            write_sparse(file, f"assays/{assay}/counts", counts, genes_first=True)
        file["reductions/umap/cell.embeddings"] = counts[:, :2].T
    adata = read_seurat(tmp_path / "object.h5Seurat")
    np.testing.assert_array_equal(adata.X.toarray(), counts)
    assert adata.obs["label"].astype(object).tolist()[:2] == ["B", "T"]
    assert adata.obs["flag"].isna().sum() == 10
    assert adata.obsm["ADT"].shape == (30, 8)
    assert adata.obsm["X_umap"].shape == (30, 2)


def test_places_on_the_images_of_an_h5seurat_become_spatial_coordinates(tmp_path, counts):
    with h5py.File(tmp_path / "object.h5Seurat", "w") as file:
        file["cell.names"] = np.array(CELLS, dtype=TEXT)
        write_table(file, "meta.data", CELLS)
        file["assays/RNA/features"] = np.array(GENES, dtype=TEXT)
        write_sparse(file, "assays/RNA/counts", counts, genes_first=True)
        for slide, cells in {"left": CELLS[10:20], "right": CELLS[:9]}.items():
            places = write_table(file, f"images/{slide}/coordinates", cells)
            places["imagerow"], places["imagecol"] = np.arange(len(cells)) + 0.5, np.arange(len(cells)) + 100.0
    spatial = read_seurat(tmp_path / "object.h5Seurat").obsm["spatial"]
    np.testing.assert_array_equal(spatial[[10, 11, 0]], [[100, 0.5], [101, 1.5], [100, 0.5]])
    assert np.isnan(spatial[9]).all()


def test_h5mu_gives_the_rna_and_keeps_the_proteins(tmp_path, counts):
    with h5py.File(tmp_path / "cite.h5mu", "w") as file:
        for name in ("RNA", "ADT"):
            write_table(file, f"mod/{name}/obs", CELLS)
            write_table(file, f"mod/{name}/var", GENES)
            write_sparse(file, f"mod/{name}/X", counts)
    adata = read_seurat(tmp_path / "cite.h5mu")
    assert (adata.shape, adata.obsm["ADT"].shape) == ((30, 8), (30, 8))


def test_tables_of_text_with_a_short_header_are_read(tmp_path, counts):
    lines = ["\t".join(CELLS)] + ["\t".join([gene, *map(str, row)]) for gene, row in zip(GENES, counts.T, strict=True)]
    (tmp_path / "table.txt").write_text("\n".join(lines))
    adata = read_seurat(tmp_path / "table.txt")
    np.testing.assert_array_equal(adata.X.toarray(), counts)
    assert (adata.obs_names.tolist(), adata.var_names.tolist()) == (CELLS, GENES)


def test_a_folder_of_cell_ranger_is_read(tmp_path, counts):
    mmwrite(tmp_path / "matrix.mtx", sparse.coo_matrix(counts.T.astype(int)))
    (tmp_path / "barcodes.tsv").write_text("\n".join(CELLS))
    kinds = ["Gene Expression"] * 7 + ["Antibody Capture"]
    (tmp_path / "features.tsv").write_text("\n".join(f"id{g}\t{g}\t{k}" for g, k in zip(GENES, kinds, strict=True)))
    adata = read_seurat(tmp_path)
    np.testing.assert_array_equal(adata.X.toarray(), counts[:, :7])
    assert list(adata.obsm["Antibody Capture"].columns) == ["PPBP"]


def test_what_was_read_can_be_written_whatever_the_columns_are_called(tmp_path, seurat_disk):
    with h5py.File(seurat_disk, "r+") as file:
        file["obs/raw|name"] = np.arange(30) * 1.5
        file["raw/var/index_name"] = np.array(["NA"] * 8, dtype=TEXT)
    adata = read_seurat(seurat_disk)
    adata.write_h5ad(tmp_path / "again.h5ad")
    again = ad.read_h5ad(tmp_path / "again.h5ad")
    pd.testing.assert_frame_equal(
        again.obs, adata.obs, check_index_type=False, check_column_type=False, check_categorical=False
    )
    assert again.uns["seurat_import"] == adata.uns["seurat_import"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (lambda c: (c - c.mean(axis=0)) / c.std(axis=0), "No matrix holds expression.*scaled.*In R: "),
        (lambda c: np.where(c == c.max(), np.nan, c), "No matrix holds expression.*NaN"),
        (np.zeros_like, "No matrix holds expression.*empty"),
    ],
    ids=["scaled", "NaN", "empty"],
)
def test_files_without_usable_values_are_refused(tmp_path, counts, values, message):
    ad.AnnData(values(counts), var=pd.DataFrame(index=GENES)).write_h5ad(tmp_path / "bad.h5ad")
    with pytest.raises(ValueError, match=message):
        read_seurat(tmp_path / "bad.h5ad")


@pytest.mark.parametrize(
    ("drop", "message"),
    [("var", "stopped before `var`"), ("X", "no matrix"), ("X/indptr", "no matrix.*X was left out")],
)
def test_unfinished_files_are_refused(tmp_path, counts, drop, message):
    ad.AnnData(sparse.csr_matrix(counts), var=pd.DataFrame(index=GENES)).write_h5ad(tmp_path / "part.h5ad")
    with h5py.File(tmp_path / "part.h5ad", "r+") as file:
        del file[drop]
    with pytest.raises(ValueError, match=message):
        read_seurat(tmp_path / "part.h5ad")


def test_lost_gene_names_are_refused(tmp_path, counts):
    ad.AnnData(sparse.csr_matrix(counts)).write_h5ad(tmp_path / "nameless.h5ad")
    with pytest.raises(ValueError, match="the names of the genes are not in the file"):
        read_seurat(tmp_path / "nameless.h5ad")


@pytest.mark.parametrize("content", [b"", b"not a file of cells"], ids=["empty", "text"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "other.h5ad").write_bytes(content)
    with pytest.raises(ValueError, match="it is not an HDF5 file"):
        read_seurat(tmp_path / "other.h5ad")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="which does not exist"):
        read_seurat(tmp_path / "absent.h5ad")


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("pca", "X_pca"),
        ("PCA", "X_pca"),
        ("X_umap", "X_umap"),
        ("Spatial", "spatial"),
        ("X_pca_harmony", "X_pca_harmony"),
    ],
)
def test_embeddings_get_the_names_of_scanpy(name, known):
    assert embedding_name(name) == known
