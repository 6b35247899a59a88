"""The label reported goes as deep in the tree as the evidence, and its confidence is its own."""

import numpy as np
import pytest

from scbert_tools.infer.decide import decide
from scbert_tools.model.labels import LabelTree

ROOTED = {"blood": None, "T cell": "blood", "CD4 T": "T cell", "CD8 T": "T cell", "naive CD4 T": "CD4 T"}
ROOTED |= {"Treg": "CD4 T", "B cell": "blood"}


def decided(probabilities, tree, *, threshold=0.5, readable=True):
    rows = np.array([probabilities], np.float32)
    decision = decide(rows, tree, threshold=threshold, readable=np.array([readable]))
    return str(decision.labels[0]), float(decision.confidence[0])


@pytest.mark.parametrize(
    ("probabilities", "label", "confidence"),
    [
        ([0.9, 0.1, 0.0], "T cell", 0.9),
        ([0.5, 0.3, 0.2], "T cell", 0.5),
        ([0.4, 0.4, 0.2], "lymphocyte", 0.8),
        ([0.1, 0.1, 0.8], "monocyte", 0.8),
        ([0.3, 0.15, 0.55], "monocyte", 0.55),
    ],
    ids=["leaf", "leaf at the threshold", "parent", "leaf at the top", "top before its rival"],
)
def test_deepest_likely_node_is_reported_with_its_own_probability(labels, probabilities, label, confidence):
    assert decided(probabilities, labels) == (label, pytest.approx(confidence))


@pytest.mark.parametrize(
    ("threshold", "label", "confidence"),
    [(0.35, "T cell", 0.4), (0.6, "lymphocyte", 0.7), (0.75, "unassigned", 0.7), (1.0, "unassigned", 0.7)],
)
def test_threshold_decides_how_deep(labels, threshold, label, confidence):
    assert decided([0.4, 0.3, 0.3], labels, threshold=threshold) == (label, pytest.approx(confidence))


@pytest.mark.parametrize(
    ("probabilities", "label"),
    [
        ([0.1, 0.6, 0.2, 0.1], "naive CD4 T"),
        ([0.1, 0.4, 0.4, 0.1], "CD4 T"),
        ([0.3, 0.3, 0.2, 0.2], "CD4 T"),
        ([0.4, 0.2, 0.2, 0.2], "T cell"),
        ([0.0, 0.25, 0.25, 0.5], "CD4 T"),
    ],
    ids=["leaf", "parent", "parent at the threshold", "grandparent", "the deeper of two"],
)
def test_fallback_climbs_step_by_step(probabilities, label):
    assert decided(probabilities, LabelTree(ROOTED))[0] == label


def test_node_above_all_leaves_says_nothing_and_is_never_reported():
    assert decided([0.25, 0.1, 0.1, 0.55], LabelTree(ROOTED), threshold=0.6)[0] == "unassigned"


def test_likelier_of_two_siblings_wins_below_one_half(labels):
    assert decided([0.35, 0.45, 0.2], labels, threshold=0.3) == ("B cell", pytest.approx(0.45))


def test_cell_with_nothing_to_read_is_unassigned_with_confidence_zero(labels):
    assert decided([0.98, 0.01, 0.01], labels, readable=False) == ("unassigned", 0.0)


def test_names_codes_and_types_fit_together(labels, rng):
    probabilities = rng.dirichlet([0.5, 0.5, 0.5], 200).astype(np.float32)
    decision = decide(probabilities, labels, threshold=0.5, readable=np.ones(200, bool))
    assert decision.names == (*labels.names, "unassigned")
    assert decision.confidence.dtype == np.float32
    assert ((decision.confidence >= 0.5) == (decision.labels != "unassigned")).all()


def test_no_cells_give_no_labels(labels):
    assert len(decide(np.zeros((0, 3), np.float32), labels, threshold=0.5, readable=np.zeros(0, bool)).labels) == 0


@pytest.mark.parametrize("n_classes", [2, 4])
def test_probabilities_of_another_tree_are_an_error(labels, n_classes):
    with pytest.raises(ValueError, match="mismatch"):
        decided([1 / n_classes] * n_classes, labels)
