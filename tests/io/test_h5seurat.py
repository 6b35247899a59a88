"""An .h5Seurat is read by the columns of R; the assay of genes becomes the matrix, others become tables."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.io._h5seurat import main_assay, read_h5seurat

CELLS, GENES = ["a", "b", "c"], ["CD3E", "NKG7"]
COUNTS = np.array([[1.0, 0], [0, 2], [3, 4]])


@pytest.fixture
def add(file, put):
    """Add an assay as SeuratDisk stores it: genes × cells by columns, the shape in `dims`."""

    def write(name, values=COUNTS, genes=GENES, *, slot="counts"):
        if "features" not in file.require_group(f"assays/{name}"):
            put(file, f"assays/{name}/features", genes)
        put(file, f"assays/{name}/{slot}", sparse.csc_matrix(values.T))
        attributes = file[f"assays/{name}/{slot}"].attrs
        del attributes["shape"], attributes["encoding-type"]
        attributes["dims"] = values.shape[::-1]
        return file

    return write


@pytest.fixture
def object_(file, put, add):
    """Three cells of one assay."""
    put(file, "cell.names", CELLS)
    put(file, "meta.data", {"_index": CELLS, "n": [5, 6, 7]})
    return add("RNA")


@pytest.mark.parametrize(
    ("names", "active", "chosen"),
    [
        (["RNA", "integrated"], "integrated", "RNA"),
        (["ADT", "SCT"], "ADT", "SCT"),
        (["Spatial", "SCT"], "SCT", "Spatial"),
        (["ADT", "Xenium"], "Xenium", "Xenium"),
        (["Xenium", "ADT"], "gone", "Xenium"),
    ],
    ids=["RNA before active", "SCT before proteins", "measured before SCT", "active", "first"],
)
def test_the_assay_of_genes_is_chosen(names, active, chosen):
    assert main_assay(names, active) == chosen


def test_object_without_assays_is_refused():
    with pytest.raises(ValueError, match="the object holds no assay"):
        main_assay([], "RNA")


@pytest.mark.parametrize("slots", [["counts"], ["data"], ["counts", "data"]], ids="+".join)
def test_slots_are_read_with_cells_in_rows(object_, add, slots):
    for slot in {"counts", "data"} - {"counts"}:
        add("RNA", 2 * COUNTS, slot=slot)
    for slot in {"counts", "data"} - set(slots):
        del object_["assays/RNA"][slot]
    found = {matrix.name: matrix.values.toarray() for matrix in read_h5seurat(object_).matrices}
    assert list(found) == slots
    for slot in slots:
        np.testing.assert_array_equal(found[slot], COUNTS if slot == "counts" else 2 * COUNTS)


@pytest.mark.parametrize(("slot", "kept"), [("counts", ["ADT"]), ("data", [])])
def test_counts_of_other_assays_become_tables(object_, add, slot, kept):
    contents = read_h5seurat(add("ADT", COUNTS[:, :1], ["CD3"], slot=slot))
    assert list(contents.assays) == kept
    assert [matrix.genes.index.tolist() for matrix in contents.matrices] == [GENES]
    assert all(table.to_dict("list") == {"CD3": [1, 0, 3]} for table in contents.assays.values())


@pytest.mark.parametrize("values", [COUNTS[:2], COUNTS[:, :1]], ids=["cells", "genes"])
def test_slot_that_does_not_fit_is_left_out_with_a_doubt(object_, add, values):
    contents = read_h5seurat(add("RNA", values, slot="data"))
    assert [matrix.name for matrix in contents.matrices] == ["counts"]
    assert contents.doubts == [f"RNA/data was left out: shape {values.shape}"]


@pytest.mark.parametrize(
    ("rows", "columns"), [(CELLS, ["n"]), (CELLS[:2], [])], ids=["as many cells", "of other cells"]
)
def test_table_of_cells_is_taken_if_it_is_of_these_cells(object_, put, rows, columns):
    del object_["meta.data"]
    put(object_, "meta.data", {"_index": rows, "n": list(range(len(rows)))})
    obs = read_h5seurat(object_).obs
    assert (obs.index.tolist(), list(obs)) == (CELLS, columns)


@pytest.mark.parametrize("present", [False, True], ids=["identities", "column of that name"])
def test_identities_are_kept_unless_a_column_has_their_name(object_, put, present):
    put(object_, "active.ident/levels", ["T", "B"])
    put(object_, "active.ident/values", np.array([2, 1, 1], "i4"))
    if present:
        put(object_, "meta.data/active.ident", ["x", "y", "z"])
    assert read_h5seurat(object_).obs["active.ident"].tolist() == (["x", "y", "z"] if present else ["B", "T", "T"])


@pytest.mark.parametrize(
    ("values", "doubts"),
    [(np.ones((2, 3)), []), (np.ones((2, 2)), ["reduction 'umap' was left out: shape (2, 2)"])],
    ids=["all cells", "some cells"],
)
def test_reductions_of_all_cells_are_kept(object_, values, doubts):
    object_["reductions/umap/cell.embeddings"] = values
    contents = read_h5seurat(object_)
    assert contents.doubts == doubts
    assert [array.shape for array in contents.obsm.values()] == ([] if doubts else [(3, 2)])


def test_reduction_without_embeddings_is_passed_over(object_):
    object_.create_group("reductions/umap/feature.loadings")
    assert read_h5seurat(object_).obsm == {}


@pytest.mark.parametrize(("rows", "columns"), [(GENES, ["highly"]), (GENES[:1], [])], ids=["as many", "of others"])
def test_table_of_genes_is_taken_if_it_is_of_these_genes(object_, put, rows, columns):
    put(object_, "assays/RNA/meta.features", {"_index": rows, "highly": list(range(len(rows)))})
    genes = read_h5seurat(object_).matrices[0].genes
    assert (genes.index.tolist(), list(genes)) == (GENES, columns)


@pytest.mark.parametrize("place", ["cell.names", "meta.data", "assays"])
def test_part_without_which_nothing_can_be_read_is_named(object_, place):
    del object_[place]
    with pytest.raises(KeyError, match=place):
        read_h5seurat(object_)
