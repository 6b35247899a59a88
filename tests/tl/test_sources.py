"""Data sets are opened whatever they come as, and what is no data set is refused by name."""

import anndata as ad
import numpy as np
import pytest

from scbert_tools.tl._sources import genes_in_common, open_all


@pytest.fixture
def h5ad(adata, tmp_path):
    """The toy cells as a file."""
    path = tmp_path / "cells.h5ad"
    adata.write_h5ad(path)
    return path


def named(*genes):
    """Return a data set of one cell with genes of these names."""
    cells = ad.AnnData(np.ones((1, len(genes)), np.float32))
    cells.var_names = list(genes)
    return cells


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path"])
def test_a_file_is_opened_without_reading_its_values(h5ad, kind):
    (one,) = open_all(kind(h5ad))
    assert one.isbacked
    assert one.shape == (30, 12)


@pytest.mark.parametrize("gather", [list, tuple])
def test_several_are_kept_in_order(adata, h5ad, gather):
    first, second = open_all(gather([adata, h5ad]))
    assert first is adata
    assert second.isbacked


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        ([], ValueError, "`data` is empty; give an AnnData"),
        (7, TypeError, "`data` must be AnnData objects or paths, got int"),
        ([None], TypeError, "`data` must be AnnData objects or paths, got NoneType"),
        ("cells.csv", ValueError, "files must end in .h5ad or .zarr"),
        (["nowhere.h5ad"], FileNotFoundError, "'nowhere.h5ad', which does not exist"),
        ("nowhere.zarr", FileNotFoundError, "'nowhere.zarr', which does not exist"),
    ],
    ids=["nothing", "number", "none", "other kind", "no file", "no folder"],
)
def test_what_is_no_data_set_is_refused(data, error, said):
    with pytest.raises(error, match=said):
        open_all(data)


@pytest.mark.parametrize(
    ("sets", "common"),
    [
        ([named("B", "A")], ["B", "A"]),
        ([named("A", "B"), named("C", "B")], ["A", "B", "C"]),
        ([named("A", "B"), named("B", "C"), named("D", "C", "B")], ["B", "C"]),
        ([named("A", " ")], ["A"]),
    ],
    ids=["one", "half", "most", "blank"],
)
def test_genes_that_half_of_the_sets_list_are_common_in_the_order_met(sets, common):
    assert genes_in_common(sets) == common


def test_a_gene_listed_twice_in_one_set_counts_once():
    assert genes_in_common([named("A", "A"), named("B"), named("B")]) == ["B"]
