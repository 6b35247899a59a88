"""Known markers speak for their cell types, and for all below them in the tree."""

import numpy as np
import pytest

from scbert_tools.model.labels import LabelTree
from scbert_tools.train.expectation import expected_votes

TREE = LabelTree(
    {"T cell": None, "CD4 T": "T cell", "CD8 T": "T cell", "B cell": None, "odd cell": None},
    {"T cell": "CL:0000084", "CD8 T": "CL:0000625", "B cell": "CL:0000236"},
)
GENES = ["CD3E", "CD8A", "MS4A1", "NOT-A-GENE"]


@pytest.fixture(scope="module")
def votes():
    return expected_votes(GENES, TREE)


@pytest.mark.parametrize(("gene", "leaf"), [("CD8A", "CD8 T"), ("MS4A1", "B cell")])
def test_marker_speaks_loudest_for_its_own_type(votes, gene, leaf):
    assert votes[GENES.index(gene)].argmax() == TREE.leaves.index(leaf)


def test_marker_of_an_inner_node_speaks_for_all_leaves_below_it(votes):
    by_leaf = dict(zip(TREE.leaves, votes[GENES.index("CD3E")], strict=True))
    assert min(by_leaf["CD4 T"], by_leaf["CD8 T"]) > max(by_leaf["B cell"], by_leaf["odd cell"])


def test_votes_of_a_gene_sum_to_zero_and_unknown_genes_are_silent(votes):
    assert votes.dtype == np.float32
    np.testing.assert_allclose(votes.sum(axis=1), 0, atol=1e-6)
    assert not votes[GENES.index("NOT-A-GENE")].any()


def test_tree_without_ontology_ids_expects_nothing():
    assert not expected_votes(GENES, LabelTree.flat(["T cell", "B cell"])).any()
