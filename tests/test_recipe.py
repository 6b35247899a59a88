"""What the recipe of the shipped model changes in published labels."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

GENES = ["CD4", "CD8A", "CD8B", "PPBP", "LYZ"]


@pytest.fixture(scope="module")
def sources():
    path = Path(__file__).parents[1] / "tutorials" / "recipes" / "sources.py"
    spec = importlib.util.spec_from_file_location("sources", path)
    sys.modules["sources"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["sources"])
    yield sys.modules["sources"]
    del sys.modules["sources"]


def cells_of(sources, rows, labels):
    return sources.Cells(sparse.csr_matrix(np.array(rows, np.float32)), np.array(labels))


@pytest.mark.parametrize(
    ("row", "label", "said"),
    [
        ([0, 1, 0, 0, 0], "naive CD4 T", "naive CD8 T"),
        ([0, 0, 2, 0, 0], "memory CD4 T", "CD8 T"),
        ([1, 0, 0, 0, 0], "CD8 T", "CD4 T"),
        ([1, 1, 0, 0, 0], "CD4 T", "CD4 T"),
        ([0, 0, 0, 0, 0], "CD4 T", "CD4 T"),
        ([1, 0, 0, 0, 5], "CD14 monocyte", "CD14 monocyte"),
        ([0, 1, 0, 0, 0], "NK cell", "NK cell"),
        ([0, 1, 0, 0, 0], "", ""),
    ],
)
def test_only_t_cells_that_contradict_the_name_of_their_cluster_change_it(sources, row, label, said):
    assert sources.borne_out(cells_of(sources, [row], [label]), GENES).label.tolist() == [said]


def test_panel_without_the_genes_changes_no_label(sources):
    cells = cells_of(sources, [[3, 1]], ["CD4 T"])
    assert sources.borne_out(cells, ["PPBP", "LYZ"]).label.tolist() == ["CD4 T"]


def test_platelets_are_added_to_other_cells_of_their_own_set(sources):
    platelets = cells_of(sources, [[0, 0, 0, 9, 0], [0, 0, 0, 0, 7]], ["platelet", "CD14 monocyte"])
    others = cells_of(sources, [[0, 0, 0, 0, 5]], ["CD14 monocyte"])
    (made,) = sources.clinging_platelets([platelets, others], np.random.default_rng(0))
    assert np.unique(made.counts.toarray(), axis=0).tolist() == [[0, 0, 0, 9, 7]]
    assert set(made.label) == {"platelet"}
