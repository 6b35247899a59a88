"""Markers speak for a label where the cell holds more of them than the other labels explain."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.infer.own_markers import borne_out, markers_of
from scbert_tools.model.labels import LabelTree

TREE = LabelTree(
    {"lymphocyte": None, "B cell": "lymphocyte", "T cell": "lymphocyte", "platelet": None},
    {"B cell": "CL:0000236", "platelet": "CL:0000233"},
)
NAMES = ("B cell", "T cell", "platelet")
GENES = ("MS4A1", "PF4", "PPBP", "GAPDH")
EXPECTED = np.array([[2.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.3, 1.0], [0.0, 3.0, 3.0, 1.0]], np.float32)


def said(observed, likely):
    return borne_out(
        sparse.csr_matrix(np.array([observed], np.float32)),
        np.array([likely], np.float32),
        EXPECTED,
        own=markers_of(NAMES, TREE, GENES),
        members=TREE.membership(NAMES),
    )[0].tolist()


def test_markers_are_those_that_databases_agree_on_and_none_without_an_ontology_id():
    assert markers_of(NAMES, TREE, GENES).tolist() == [
        [True, False, False, False], [False] * 4, [False, True, True, False]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("observed", "likely", "expected"),
    [
        ([0, 0, 0, 9], [0, 1, 0], [False, False, False]),
        ([0, 2, 0, 1], [0, 1, 0], [False, False, True]),
        ([3, 2, 0, 1], [0, 1, 0], [True, False, True]),
        ([0, 0, 0.5, 1], [0, 1, 0], [False, False, False]),
        # What the label itself explains is no reason against it, nor is an empty cell one for it.
        ([0, 2, 0, 1], [0, 0, 1], [False, False, True]),
        ([0, 0, 0, 0], [0, 0, 0], [False, False, False]),
    ],
    ids=["no marker", "one marker", "two labels", "explained", "likeliest already", "empty"],
)
def test_label_is_borne_out_by_a_marker_that_no_other_explains(observed, likely, expected):
    assert said(observed, likely) == expected


def test_nothing_given_is_changed():
    likely = np.array([[0.5, 0.5, 0.0]], np.float32)
    borne_out(
        sparse.csr_matrix((1, 4), dtype=np.float32), likely, EXPECTED,
        own=markers_of(NAMES, TREE, GENES), members=TREE.membership(NAMES),
    )  # fmt: skip
    assert likely.tolist() == [[0.5, 0.5, 0.0]]
