"""Cells that look like two: made-up doublets are found, pairs of like types are not asked for."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.infer.doublets import doublet_scores, incompatible
from scbert_tools.infer.profiles import LabelledCells, class_profiles, likeness_of, log_expression
from scbert_tools.model.labels import LabelTree

TREE = LabelTree({"L": None, "T": "L", "CD4": "T", "CD8": "T", "B": "L", "M": None})


@pytest.fixture
def rates():
    """Expression of CD4, CD8, B and M in 40 genes; CD4 and CD8 share all but two."""
    base = np.full((4, 40), 0.5)
    base[:2, :10], base[0, 10], base[1, 11], base[2, 12:24], base[3, 24:36] = 10, 10, 10, 10, 10
    return base


def drawn(rng, rates):
    return sparse.csr_matrix(rng.poisson(rates).astype(np.float32))


def test_made_up_doublets_score_higher_than_single_cells(rng, rates):
    leaf = np.repeat(np.arange(4), 30)
    cells = drawn(rng, rates[leaf])
    profiles = class_profiles([LabelledCells(log_expression(cells), np.eye(4, dtype=bool)[leaf], np.ones(40, bool))])
    pairs = incompatible(TREE, profiles @ profiles.T)
    double = drawn(rng, rates[np.repeat([0, 2], 30)] + rates[np.repeat([2, 3], 30)])
    one, two = (doublet_scores(likeness_of(log_expression(x), profiles), pairs) for x in (cells, double))
    assert np.quantile(one, 0.95) < np.quantile(two, 0.05)


def test_pairs_of_one_branch_or_alike_are_left_out():
    gram = np.array([[1, 0.5, 0.5, 0.5], [0.5, 1, 0.5, 0.95], [0.5, 0.5, 1, 0.5], [0.5, 0.95, 0.5, 1]])
    assert incompatible(TREE, gram) == [(0, 2), (0, 3), (1, 2), (2, 3)]


def test_classes_without_a_profile_are_left_out():
    gram = np.diag([1.0, 1.0, 0.0, 1.0])
    assert incompatible(TREE, gram) == [(0, 3), (1, 3)]
