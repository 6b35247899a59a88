"""What is known of genes before training: who was measured, who is common, who goes with whom."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.data.reference import Reference
from scbert_tools.train.coexpression import coexpression_vectors, gene_facts


@pytest.fixture
def programmes(rng):
    """Cells of two kinds: the first expresses genes 0 to 9, the second 10 to 19; a quarter of the genes is noise."""
    kind = np.repeat([0, 1], 100)
    rate = np.where(kind[:, None] == np.repeat([0, 1], 10), 5.0, 0.2)
    noise = np.full((200, 6), 1.0)
    return sparse.csr_matrix(rng.poisson(np.hstack([rate, noise])).astype(np.float32)), kind


def likeness(vectors, some, others):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return float((unit[some] @ unit[others].T).mean())


@pytest.mark.parametrize("width", [4, 16, 100], ids="{} numbers".format)
def test_genes_that_go_together_begin_alike(programmes, rng, width):
    vectors = coexpression_vectors(programmes[0], np.zeros(200, np.int64), width, rng=rng)
    first, second = slice(0, 10), slice(10, 20)
    assert vectors.shape == (26, width)
    assert vectors.dtype == np.float32
    assert likeness(vectors, first, first) > 0.3 + likeness(vectors, first, second)
    assert 0.5 < vectors.std() < 2


def test_difference_between_data_sets_is_no_coexpression(programmes, rng):
    counts, kind = programmes
    apart = coexpression_vectors(counts, kind, 8, rng=np.random.default_rng(0))
    together = coexpression_vectors(counts, np.zeros_like(kind), 8, rng=np.random.default_rng(0))
    first, second = slice(0, 10), slice(10, 20)
    assert likeness(together, first, second) < -0.1
    assert abs(likeness(apart, first, second)) < 0.1


@pytest.mark.parametrize(
    "counts",
    [
        np.zeros((30, 5)),
        np.ones((30, 5)),
        np.outer(range(1, 31), np.ones(5)),
        np.ones((1, 5)),
        np.ones((30, 1)),
        np.zeros((0, 5)),
    ],
    ids=["empty", "all alike", "alike but for depth", "a cell", "a gene", "none"],
)
def test_where_nothing_can_be_learned_vectors_are_random(counts, rng):
    vectors = coexpression_vectors(sparse.csr_matrix(counts), np.zeros(len(counts), np.int64), 300, rng=rng)
    assert vectors.shape == (counts.shape[1], 300)
    assert vectors.std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("seed", "equal"), [(0, True), (1, False)], ids=["same", "another"])
def test_seed_alone_decides_the_vectors(reference, seed, equal):
    one, other = (gene_facts(reference, 8, seed=s).vectors for s in (0, seed))
    assert np.array_equal(one, other) is equal


def test_gene_is_measured_where_some_cell_of_the_data_set_expresses_it():
    counts = sparse.csr_matrix([[1, 0, 0], [0, 2, 0], [3, 0, 0]], dtype=np.float32)
    facts = gene_facts(Reference(counts, np.zeros(3, np.int64), np.array([0, 0, 1])), 2, seed=0)
    assert facts.measured.tolist() == [[True, True, False], [True, False, False]]
    assert np.exp(facts.commonness) == pytest.approx([2 / 3 + 1 / 4, 1 / 3 + 1 / 4, 1 / 4])


def test_what_is_measured_can_be_known_better(reference):
    measured = np.ones((2, 12), bool)
    assert gene_facts(reference, 4, measured=measured, seed=0).measured is measured
