"""Directions weigh a label's classes against the others, and refuse what cannot be compared."""

from types import SimpleNamespace

import numpy as np
import pytest

from scbert_tools.infer.direction import directions
from scbert_tools.model.calibration import Calibration
from scbert_tools.model.labels import LabelTree

TREE = LabelTree({"blood": None, "T cell": "blood", "CD4": "T cell", "CD8": "T cell", "B cell": "blood"})


@pytest.fixture
def model():
    """What directions ask of a model: its name, tree and temperature."""
    return SimpleNamespace(name="toy", labels=TREE, calibration=Calibration(temperature=2.0))


@pytest.mark.parametrize(
    ("label", "against", "weights"),
    [
        ("CD4", None, {"CD4": 1, "CD8": -1 / 2, "B cell": -1 / 2}),
        ("T cell", None, {"CD4": 1 / 2, "CD8": 1 / 2, "B cell": -1}),
        ("CD4", "CD8", {"CD4": 1, "CD8": -1, "B cell": 0}),
        ("B cell", "T cell", {"CD4": -1 / 2, "CD8": -1 / 2, "B cell": 1}),
    ],
)
def test_evidence_is_the_mean_logit_of_the_label_over_that_of_the_others(model, label, against, weights):
    expected = [weights[leaf] / 2.0 for leaf in TREE.leaves]
    np.testing.assert_allclose(directions(model, [label], against)[0], expected)


@pytest.mark.parametrize(
    ("labels", "against", "error", "said"),
    [
        (["NK cell"], None, KeyError, r"no label \['NK cell'\]"),
        (["CD4"], "NK cell", KeyError, r"no label \['NK cell'\]"),
        (["CD4"], "T cell", ValueError, r"`against` is 'T cell': \['CD4'\]"),
        (["CD4", "B cell"], "B cell", ValueError, r"\['B cell'\] and what it is compared with"),
        (["blood"], None, ValueError, r"\['blood'\] and what it is compared with"),
    ],
    ids=["unknown", "unknown other", "parent", "itself", "everything"],
)
def test_labels_without_an_opposite_are_refused(model, labels, against, error, said):
    with pytest.raises(error, match=said):
        directions(model, labels, against)
