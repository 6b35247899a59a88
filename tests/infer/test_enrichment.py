"""Agreement of rankings with known genes."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scbert_tools.infer.enrichment import against_others, auroc, enrichment_p


def test_auroc_is_that_of_scikit_learn(rng):
    scores, known = rng.integers(0, 8, 60).astype(float), rng.random(60) < 0.3
    assert auroc(scores, known) == pytest.approx(roc_auc_score(known, scores))


@pytest.mark.parametrize("known", [np.zeros(4, bool), np.ones(4, bool)], ids=["none", "all"])
def test_auroc_without_a_pair_is_missing(known):
    assert np.isnan(auroc(np.arange(4.0), known))


def test_enrichment_by_hand():
    known = np.array([True, True, False, False])
    assert enrichment_p(known, np.array([0, 1])) == pytest.approx(1 / 6)  # one of six pairs
    assert enrichment_p(known, np.array([2, 3])) == pytest.approx(1)


def test_scores_against_the_mean_of_the_others():
    np.testing.assert_allclose(against_others(np.array([[6.0, 2.0, 4.0]])), [[3, -3, 0]])
    np.testing.assert_allclose(against_others(np.array([[6.0]])), [[6]])
