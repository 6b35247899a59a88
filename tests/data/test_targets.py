"""Labels as training needs them, with one label or several per cell, with and without a tree."""

import numpy as np
import pytest

from scbert_tools.data.targets import one_label_each, several_labels_each
from scbert_tools.model.labels import LabelTree

TREE = LabelTree({"lymphocyte": None, "T": "lymphocyte", "CD4": "T", "CD8": "T", "B": "lymphocyte", "monocyte": None})


def allowed(targets):
    names = np.array(targets.tree.leaves)
    return {label: set(names[row]) for label, row in zip(targets.names, targets.membership, strict=True)}


def test_labels_without_a_tree_are_classes():
    targets = one_label_each(["B", "T", None, " B ", ""])
    assert (targets.names, targets.code.tolist()) == (("B", "T"), [0, 1, -1, 0, -1])
    assert (targets.known.tolist(), targets.n_cells.tolist(), targets.rare) == ([0, 1, 3], [2, 1], ["T"])
    assert allowed(targets) == {"B": {"B"}, "T": {"T"}}


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["CD4", "CD8", "B"], {"CD4": {"CD4"}, "CD8": {"CD8"}, "B": {"B"}}),
        (["T", "B"], {"T": {"T"}, "B": {"B"}}),
        (["T", "CD4", "B"], {"T": {"CD4", "CD8"}, "CD4": {"CD4"}, "B": {"B"}}),
        (["lymphocyte", "T", "monocyte"], {"lymphocyte": {"T", "B"}, "T": {"T"}, "monocyte": {"monocyte"}}),
        (["CD4|CD8", "B"], {"CD4|CD8": {"CD4", "CD8"}, "B": {"B"}}),
    ],
    ids=["leaves", "nothing below", "some below", "two depths", "either"],
)
def test_tree_is_cut_to_what_labels_can_teach(labels, classes):
    assert allowed(one_label_each(labels, TREE)) == classes


def test_label_that_is_not_in_the_tree_is_refused():
    with pytest.raises(ValueError, match="platelet"):
        one_label_each(["CD4", "platelet"], TREE)


@pytest.mark.parametrize(
    ("labels", "found"),
    [(["T", "T"], r"holds \['T'\] as its only label"), ([None, " "], "holds no label"), ([], "or there are no cells")],
)
def test_fewer_than_two_labels_teach_nothing(labels, found):
    with pytest.raises(ValueError, match=f"`label_key` .*{found}.*; at least two are needed"):
        one_label_each(labels)


@pytest.mark.parametrize(
    "labels", [[f"{n / 7:.3f}" for n in range(60)], [f"cell{n}" for n in range(80)]], ids=["numbers", "names of cells"]
)
def test_column_of_numbers_or_names_is_no_column_of_cell_types(labels):
    with pytest.raises(ValueError, match=rf"holds {len(labels)} labels for 100 cells, such as '.+'; give a column of"):
        one_label_each(labels + [labels[0]] * (100 - len(labels)))


def test_many_rare_types_among_many_cells_are_learned():
    labels = [f"type {n}" for n in range(60)]
    assert len(one_label_each(labels + labels[:1] * 200).names) == 60


def test_combinations_of_labels_are_names_and_unused_columns_are_left_out():
    table = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 0], [1, 0, 1]], bool)
    targets = several_labels_each(table, ["T cell", "never", "cycling"])
    assert targets.several
    assert targets.tree.leaves == ("T cell", "cycling")
    assert [targets.names[code] for code in targets.code] == ["T cell|cycling", "T cell", "", "T cell|cycling"]
    np.testing.assert_array_equal(targets.membership[targets.code], table[:, [0, 2]])


@pytest.mark.parametrize(
    ("used", "found"), [([], "holds no class"), ([1], r"holds \['B'\] as its only class")], ids=["none", "one"]
)
def test_fewer_than_two_classes_teach_nothing(used, found):
    table = np.zeros((3, 2), bool)
    table[:, used] = True
    with pytest.raises(ValueError, match=f"`label_key` {found}.*; at least two are needed to tell apart"):
        several_labels_each(table, ["A", "B"])
