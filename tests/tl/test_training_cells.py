"""Labels are read from columns of every kind, blank ones as none, and columns that do not fit are refused."""

import numpy as np
import pandas as pd
import pytest

from scbert_tools.genes import Vocabulary
from scbert_tools.model.labels import LabelTree
from scbert_tools.tl._cells import find_cells
from scbert_tools.tl._training_cells import batches_of_cells, further_genes, read_targets


def asked(**changes):
    """Return the arguments of `read_targets` for one label a cell."""
    return {"label_tree": None, "multilabel": False} | changes


@pytest.mark.parametrize("blank", ["", "  ", "NaN", "none", "NA", None, np.nan, pd.NA], ids=repr)
def test_a_blank_label_is_none(adata, blank):
    adata.obs["label"] = ["B cell", "T cell", *["B cell", "T cell"] * 13, blank, blank]
    targets = read_targets(adata, "label", **asked())
    assert targets.known.tolist() == list(range(28))
    assert sorted(targets.names) == ["B cell", "T cell"]


@pytest.mark.parametrize(
    ("labels", "parent"), [(["B cell", "T cell"], "lymphocyte"), (["B cell", "mine"], None)], ids=["all", "some"]
)
def test_a_known_tree_is_kept_if_all_labels_are_in_it(adata, labels, parent):
    known = LabelTree({"lymphocyte": None, "B cell": "lymphocyte", "T cell": "lymphocyte"})
    adata.obs["label"] = labels * 15
    assert read_targets(adata, "label", **asked(known=known)).tree.parents["B cell"] == parent


@pytest.mark.parametrize(
    ("columns", "label_key", "said"),
    [
        ({}, "label", "'label' is not a column of `adata.obs`"),
        ({}, [], "`label_key` names no column"),
        ({"a": [True, 2] * 15}, ["a"], r"'a' holds \[2\] besides True and False"),
        ({"a": ["yes", False] * 15}, ["a"], r"'a' holds \['yes'\] besides True and False"),
        ({"a": ["B cell;T cell"] * 30}, "a", "holds 'B cell;T cell'; split it first"),
    ],
    ids=["missing", "no column", "number", "text", "joined"],
)
def test_columns_that_hold_no_lists_are_refused(adata, columns, label_key, said):
    adata.obs = adata.obs.assign(**columns)
    with pytest.raises((KeyError, ValueError), match=said):
        read_targets(adata, label_key, **asked(multilabel=True))


@pytest.mark.parametrize("kind", [list, tuple, set, np.array])
def test_lists_of_any_kind_hold_several_labels(adata, kind):
    adata.obs["labels"] = pd.Series([kind(["B cell", "cycling"]), kind(["T cell"]), None] * 10, adata.obs_names)
    targets = read_targets(adata, "labels", **asked(multilabel=True))
    assert targets.several
    assert targets.tree.names == ("B cell", "T cell", "cycling")


def test_a_missing_batch_is_one_of_its_own(adata):
    adata.obs["donor"] = ["d1", None, "d2"] * 10
    assert batches_of_cells(adata, "donor").tolist() == [0, 1, 2] * 10
    assert batches_of_cells(adata, None) is None


@pytest.mark.parametrize(("n_cells", "learned"), [(4, []), (5, ["NEWGENE"]), (30, ["NEWGENE"])])
def test_a_gene_is_learned_if_enough_cells_express_it(adata, n_cells, learned):
    known = Vocabulary(tuple(adata.var_names[:-1]))
    adata.var_names = [*adata.var_names[:-1], "NEWGENE"]
    x = adata.X.tolil()
    x[:, -1] = 0
    x[:n_cells, -1] = 1
    adata.X = x.tocsr()
    assert further_genes(find_cells(adata, known, layer=None), known) == learned
