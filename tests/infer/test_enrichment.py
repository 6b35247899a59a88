"""Agreement of rankings with known genes."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scbert_tools.infer.enrichment import against_others, auroc, enrichment_p, matched_auroc


def test_auroc_is_that_of_scikit_learn(rng):
    scores, known = rng.integers(0, 8, 60).astype(float), rng.random(60) < 0.3
    assert auroc(scores, known) == pytest.approx(roc_auc_score(known, scores))


@pytest.mark.parametrize("known", [np.zeros(4, bool), np.ones(4, bool)], ids=["none", "all"])
def test_auroc_without_a_pair_is_missing(known):
    assert np.isnan(auroc(np.arange(4.0), known))


def test_abundance_alone_is_chance_among_genes_as_abundant(rng):
    abundance = rng.random(20_000)
    known = rng.random(20_000) < 0.2 * abundance  # abundant genes are known more often
    noisy = abundance + 0.01 * rng.standard_normal(20_000)
    assert auroc(noisy, known) > 0.6
    assert matched_auroc(noisy, known, abundance=abundance) == pytest.approx(0.5, abs=0.03)


def test_each_known_gene_meets_the_genes_as_abundant():
    abundance = np.repeat([0.1, 0.9], 30)
    known = np.isin(np.arange(60), [0, 30])
    scores = np.repeat([1.0, 2.0], 30)
    scores[0] = 1.5  # above the rare ones, below the abundant ones
    assert matched_auroc(scores, known, abundance=abundance) == pytest.approx((1 + 0.5) / 2)


@pytest.mark.parametrize("known", [np.zeros(4, bool), np.ones(4, bool)], ids=["none", "all"])
def test_matched_auroc_without_a_pair_is_missing(known):
    assert np.isnan(matched_auroc(np.arange(4.0), known, abundance=np.ones(4)))


def test_known_gene_without_another_as_abundant_counts_for_nothing():
    known, scores = np.array([True, True, False, False]), np.array([9.0, 1.0, 2.0, 0.0])
    assert matched_auroc(scores, known, abundance=np.array([0.9, 0.2, 0.2, 0.24])) == pytest.approx(0.5)
    assert np.isnan(matched_auroc(scores, known, abundance=np.array([0.9, 0.9, 0.2, 0.2])))


def test_enrichment_by_hand():
    known = np.array([True, True, False, False])
    assert enrichment_p(known, np.array([0, 1])) == pytest.approx(1 / 6)  # one of six pairs
    assert enrichment_p(known, np.array([2, 3])) == pytest.approx(1)


def test_scores_against_the_mean_of_the_others():
    np.testing.assert_allclose(against_others(np.array([[6.0, 2.0, 4.0]])), [[3, -3, 0]])
    np.testing.assert_allclose(against_others(np.array([[6.0]])), [[6]])
