"""Likeness of cells to classes: read on the way to the network, blind to depth, fair to data sets."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.infer.profiles import LabelledCells, ProfileReader, class_profiles, likeness_of, log_expression


@pytest.fixture
def counts(rng):
    return sparse.csr_matrix(rng.poisson([[20, 1, 5], [1, 20, 5]] * 20).astype(np.float32))


@pytest.fixture
def profiles(counts):
    return class_profiles([cells_of(counts)])


def cells_of(counts, *, allowed=None, measured=(True, True, True)):
    own = np.tile(np.eye(2, dtype=bool), (counts.shape[0] // 2, 1)) if allowed is None else allowed
    return LabelledCells(log_expression(counts), own, np.array(measured))


def test_log_expression_is_log_of_counts_per_ten_thousand(counts):
    dense = counts.toarray()
    expected = np.log1p(dense / dense.sum(axis=1, keepdims=True) * 1e4)
    np.testing.assert_allclose(log_expression(counts).toarray(), expected, rtol=1e-5)


def test_genes_that_are_not_known_do_not_count(counts):
    part = log_expression(counts, known=np.array([True, True, False]))
    np.testing.assert_allclose(part.toarray()[:, :2], log_expression(counts[:, :2]).toarray(), rtol=1e-5)
    assert part[:, 2].nnz == part[:, 2].data.sum() == 0 or not part.toarray()[:, 2].any()


def test_profiles_are_means_of_classes(counts, profiles):
    np.testing.assert_allclose(profiles[0], log_expression(counts).toarray()[::2].mean(axis=0), rtol=1e-5)


def test_gene_missing_from_a_data_set_is_taken_from_the_others(counts, profiles):
    without = counts.multiply([[1, 1, 0]]).tocsr()
    together = class_profiles([cells_of(counts), cells_of(without, measured=(True, True, False))])
    assert together[0, 2] == pytest.approx(profiles[0, 2], rel=1e-5)


def test_cells_with_an_open_label_join_the_class_they_are_like(counts, profiles):
    open_label = np.tile([[True, True]], (40, 1))
    together = class_profiles([cells_of(counts), cells_of(counts, allowed=open_label)])
    np.testing.assert_allclose(together, profiles, rtol=1e-4)


def test_reader_hands_rows_on_and_notes_likeness(counts, profiles):
    reader = ProfileReader(lambda cells: counts[cells], profiles, 40, markers=np.array([2, 0]))
    handed = [reader(slice(at, at + 16)) for at in (16, 0, 32)]  # threads keep no order
    np.testing.assert_allclose(reader.observed.toarray(), log_expression(counts).toarray()[:, [2, 0]], rtol=1e-6)
    np.testing.assert_array_equal(sparse.vstack([handed[i] for i in (1, 0, 2)]).toarray(), counts.toarray())
    whole = likeness_of(log_expression(counts), profiles)
    np.testing.assert_allclose(reader.likeness.cosines, whole.cosines, rtol=1e-5)
    assert (whole.cosines.argmax(axis=1) == np.tile([0, 1], 20)).all()


def test_contrasts_are_cosines_of_centred_vectors(counts, profiles):
    middle = profiles.mean(axis=0)
    cells, classes = log_expression(counts).toarray() - middle, profiles - middle
    expected = cells @ classes.T / np.linalg.norm(cells, axis=1)[:, None] / np.linalg.norm(classes, axis=1)
    found = likeness_of(log_expression(counts), profiles).contrasts
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_depth_does_not_change_likeness(counts, profiles):
    shallow, deep = (likeness_of(log_expression(x), profiles) for x in (counts, counts * 7))
    np.testing.assert_allclose(shallow.cosines, deep.cosines, rtol=1e-4)


def test_empty_cells_are_like_nothing(profiles):
    likeness = likeness_of(log_expression(sparse.csr_matrix((2, 3))), profiles)
    assert not likeness.cosines.any()
    assert not likeness.contrasts.any()


def test_genes_of_no_class_are_rare(counts, profiles):
    foreign = np.column_stack([profiles, np.full(2, 0.02, np.float32)])
    cells = sparse.hstack([counts, np.zeros((40, 1))], format="csr")
    odd = sparse.hstack([counts, np.full((40, 1), 30.0)], format="csr")
    usual, rare = (likeness_of(log_expression(x), foreign).rarity for x in (cells, odd))
    assert (rare > usual).all()


def test_genes_of_two_classes_together_are_strange_but_not_rare(counts, profiles):
    both = log_expression(sparse.csr_matrix(profiles.sum(axis=0)[None] + 1e-3))
    one = log_expression(sparse.csr_matrix(profiles[:1] + 1e-3))
    likeness = [likeness_of(x, profiles) for x in (both, one)]
    assert likeness[0].strangeness[0] > likeness[1].strangeness[0]
    assert all((x.strangeness >= x.rarity - 1e-6).all() for x in likeness)


def test_genes_that_no_profile_has_are_not_rare_but_unknown(counts, profiles):
    wider = np.column_stack([profiles, np.zeros(2, np.float32)])
    odd = log_expression(sparse.hstack([counts, np.full((40, 1), 30.0)], format="csr"), known=wider.any(axis=0))
    np.testing.assert_allclose(
        likeness_of(odd, wider).rarity, likeness_of(log_expression(counts), profiles).rarity, rtol=1e-4
    )
