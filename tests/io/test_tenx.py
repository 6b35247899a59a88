"""What Cell Ranger of any version writes is read, cells in rows, genes apart from antibodies."""

import gzip

import h5py
import numpy as np
import pytest
from scipy import sparse
from scipy.io import mmwrite

from scbert_tools.io import read_seurat
from scbert_tools.io._tenx import genomes_of, read_mtx, read_tenx, read_tenx_folder

CELLS, GENES, IDS = ["AAA-1", "CCC-1"], ["CD3E", "NA", "CD3E"], ["ENSG1", "ENSG2", "ENSG3"]
COUNTS = np.array([[1, 0, 3], [0, 5, 0]])


def fill(put, node, names, ids, *, place=""):
    """Write matrix, cells and genes; places in the matrix count genes by cells, as Cell Ranger does."""
    stored = sparse.csc_matrix(COUNTS.T)
    for part in ("data", "indices", "indptr", "shape"):
        node[part] = getattr(stored, part)
    put(node, "barcodes", CELLS)
    put(node, f"{place}{ids}", IDS)
    put(node, f"{place}{names}", GENES)
    return node


@pytest.fixture
def version_3(file, put):
    fill(put, file.create_group("matrix"), "name", "id", place="features/")
    return file


@pytest.fixture
def version_2(file, put):
    fill(put, file.create_group("GRCh38"), "gene_names", "genes")
    return file


@pytest.mark.parametrize("version", ["version_2", "version_3"])
def test_both_versions_are_read(request, version):
    contents = read_tenx(request.getfixturevalue(version))
    matrix = contents.matrices[0]
    np.testing.assert_array_equal(matrix.values.toarray(), COUNTS)
    assert (contents.obs.index.tolist(), matrix.genes.index.tolist()) == (CELLS, GENES)
    assert matrix.genes["gene_ids"].tolist() == IDS
    assert contents.doubts == []


@pytest.mark.parametrize(("version", "found"), [("version_2", ["GRCh38"]), ("version_3", ["matrix"])])
def test_genomes_are_told_from_other_groups(request, version, found):
    file = request.getfixturevalue(version)
    file.create_group("other/data")
    file["number"] = 1
    assert genomes_of(file) == found


def test_further_genomes_are_left_out_with_a_doubt(version_2, put):
    fill(put, version_2.create_group("mm10"), "gene_names", "genes")
    assert read_tenx(version_2).doubts == ["genome 'mm10' was left out: 'GRCh38' was read"]


@pytest.mark.parametrize("place", ["GRCh38", "matrix"])
def test_files_of_both_versions_are_known_by_what_they_hold(tmp_path, put, place):
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        if place == "matrix":
            fill(put, file.create_group(place), "name", "id", place="features/")
        else:
            fill(put, file.create_group(place), "gene_names", "genes")
    with pytest.warns(UserWarning, match="Variable names are not unique"):
        adata = read_seurat(tmp_path / "cells.h5")
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)


def test_antibodies_of_a_file_become_a_table(version_3, put):
    put(version_3, "matrix/features/feature_type", ["Gene Expression", "Antibody Capture", "CRISPR"])
    contents = read_tenx(version_3)
    assert contents.matrices[0].genes.index.tolist() == ["CD3E"]
    assert list(contents.assays) == ["Antibody Capture", "CRISPR"]
    assert contents.assays["Antibody Capture"]["NA"].tolist() == [0, 5]


@pytest.mark.parametrize(
    ("place", "values", "message"),
    [
        ("barcodes", ["AAA-1"], "the matrix is 3 × 2 for 3 genes and 1 cells"),
        ("indptr", [0, 2], "is not whole"),
        ("indices", [0, 2, 9], "has places up to 9"),
    ],
    ids=["cell lost", "line lost", "too far"],
)
def test_parts_that_do_not_fit_are_refused(version_3, put, place, values, message):
    del version_3["matrix"][place]
    put(version_3, f"matrix/{place}", values)
    with pytest.raises(ValueError, match=message):
        read_tenx(version_3)


def pack(path, content, *, packed):
    data = content if isinstance(content, bytes) else content.encode()
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data)) if packed else path.write_bytes(data)


@pytest.fixture
def write(tmp_path):
    """Write a folder of Cell Ranger."""

    def folder(features, *, packed=False, name="features.tsv"):
        mmwrite(tmp_path / "whole.mtx", sparse.coo_matrix(COUNTS.T))
        pack(tmp_path / "matrix.mtx", (tmp_path / "whole.mtx").read_bytes(), packed=packed)
        pack(tmp_path / "barcodes.tsv", "\n".join(CELLS), packed=packed)
        pack(tmp_path / name, "\n".join(features), packed=packed)
        return tmp_path

    return folder


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize(
    ("name", "lines", "genes"),
    [
        ("genes.tsv", ["E1\tCD3E", "E2\tNA", "E3\tCD3E"], ["CD3E", "NA", "CD3E"]),
        ("features.tsv", ["E1\tA\tGene Expression", "E2\tB\tGene Expression", "E3\tC\tGene Expression"], list("ABC")),
        ("features.tsv", ["A", "B", "C"], list("ABC")),
    ],
    ids=["version 2", "version 3", "one column"],
)
def test_folders_are_read_packed_or_not(write, name, lines, genes, packed):
    contents = read_tenx_folder(write(lines, name=name, packed=packed))
    np.testing.assert_array_equal(contents.matrices[0].values.toarray(), COUNTS)
    assert contents.matrices[0].genes.index.tolist() == genes
    assert contents.obs.index.tolist() == CELLS


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("features.tsv", "the folder has no features.tsv or genes.tsv"),
        ("barcodes.tsv", "the folder has no barcodes.tsv"),
        ("matrix.mtx", "the folder has no matrix.mtx"),
    ],
)
def test_missing_file_is_named(write, lost, message):
    folder = write(["A", "B", "C"])
    (folder / lost).unlink()
    with pytest.raises(ValueError, match=message):
        read_tenx_folder(folder)


def test_list_of_other_genes_is_refused(write):
    with pytest.raises(ValueError, match="the matrix is 3 × 2 for 2 genes and 2 cells"):
        read_tenx_folder(write(["A", "B"]))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
def test_matrix_market_gives_back_what_was_written(tmp_path, packed):
    mmwrite(tmp_path / "whole.mtx", sparse.coo_matrix(COUNTS))
    pack(tmp_path / "m.mtx", (tmp_path / "whole.mtx").read_bytes(), packed=packed)
    np.testing.assert_array_equal(read_mtx(tmp_path / ("m.mtx.gz" if packed else "m.mtx")).toarray(), COUNTS)
