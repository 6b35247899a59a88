"""Plain methods are those of scikit-learn, and all methods are scored by the same rule."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from scbert_tools.train.baselines import Agreement, agreement, as_table, baseline_scores, log_normalized

LEARNERS, JUDGES = np.arange(0, 30, 2), np.arange(1, 30, 2)


def test_normalisation_is_that_of_scanpy(adata):
    import scanpy as sc

    found = log_normalized(adata.X)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    np.testing.assert_allclose(found.toarray(), adata.X.toarray(), rtol=1e-5)


def test_empty_cell_stays_empty():
    assert log_normalized(sparse.csr_matrix((2, 3), dtype=np.float32)).nnz == 0


@pytest.fixture
def scores(reference):
    """Scores of one label per cell, and the codes of the judges."""
    label = np.unique(reference.label, return_inverse=True)[1]
    found = baseline_scores(reference.counts, np.eye(3, dtype=bool)[label], learners=LEARNERS, judges=JUDGES)
    return found, label


def test_logistic_regression_agrees_with_scikit_learn(scores, reference):
    found, label = scores
    x = log_normalized(reference.counts)
    known = LogisticRegression(max_iter=5000, tol=1e-8).fit(x[LEARNERS], label[LEARNERS])
    said = found["logistic regression"]
    chance = np.exp(said) / np.exp(said).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(chance, known.predict_proba(x[JUDGES]), atol=0.01)


def test_logistic_regression_learns_what_is_plain(scores):
    found, label = scores
    assert (found["logistic regression"].argmax(axis=1) == label[JUDGES]).all()


def test_neighbours_vote_with_equal_shares(scores):
    found, label = scores
    shares = np.bincount(label[LEARNERS]) / 15  # there are no more cells than neighbours asked for
    np.testing.assert_allclose(found["nearest neighbours"], np.tile(shares, (15, 1)), rtol=1e-6)


def test_commonest_label_is_the_same_for_all(reference):
    allowed = np.eye(2, dtype=bool)[(np.arange(30) % 3 == 0).astype(int)]
    found = baseline_scores(reference.counts, allowed, learners=LEARNERS, judges=JUDGES)["commonest label"]
    assert (found.argmax(axis=1) == 0).all()
    np.testing.assert_allclose(found[0], allowed[LEARNERS].mean(axis=0))


def test_scores_of_several_labels_say_yes_above_zero(reference):
    table = np.stack([reference.label == reference.label[0], np.ones(30, bool)], axis=1)
    found = baseline_scores(reference.counts, table, learners=LEARNERS, judges=JUDGES, several=True)
    assert all((said[:, 1] > 0).all() for said in found.values())
    assert ((found["logistic regression"][:, 0] > 0) == table[JUDGES, 0]).all()
    assert not (found["commonest label"][:, 0] > 0).any()


@pytest.mark.parametrize("n_classes", [2, 5])
def test_scores_of_single_labels_are_those_of_scikit_learn(rng, n_classes):
    said = rng.normal(size=(60, n_classes)).astype(np.float32)
    label = rng.integers(0, n_classes, 60)
    found = agreement(said, label, np.eye(n_classes, dtype=bool))
    assert found.accuracy == pytest.approx((said.argmax(axis=1) == label).mean())
    assert found.macro_f1 == pytest.approx(f1_score(label, said.argmax(axis=1), average="macro"))
    assert found.n_cells == 60


def test_scores_of_several_labels_are_those_of_scikit_learn(rng):
    membership = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], bool)
    label, said = rng.integers(0, 4, 80), rng.normal(size=(80, 2)).astype(np.float32)
    found = agreement(said, label, membership, several=True)
    assert found.accuracy == pytest.approx((membership[label] == (said > 0)).all(axis=1).mean())
    assert found.macro_f1 == pytest.approx(f1_score(membership[label], said > 0, average="macro"))


def test_upper_label_is_met_by_every_class_below_it():
    membership = np.array([[True, True, False], [False, False, True]])
    said = np.eye(3, dtype=np.float32)
    assert agreement(said, np.array([0, 0, 1]), membership) == Agreement(1.0, 1.0, 3)


def test_table_has_the_best_first():
    table = as_table({"one": Agreement(0.5, 0.25, 4), "two": Agreement(0.25, 0.5, 4)})
    assert table.splitlines()[2:] == ["| two | 0.250 | 0.500 |", "| one | 0.500 | 0.250 |"]
