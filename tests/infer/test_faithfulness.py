"""Genes are taken away in the order of their scores, and random ones are as loud."""

import numpy as np
import pytest

from scbert_tools.infer.faithfulness import equally_loud, probability_curves, ranked, tokens_of_scores
from scbert_tools.infer.forward import run_network
from scbert_tools.tokens.levels import TokenRows, to_levels

TOKENS = TokenRows(np.array([0, 3, 5]), np.array([1, 4, 6, 0, 2], np.int32), np.array([2, 9, 5, 3, 3], np.uint8))


def test_rank_within_each_cell():
    assert ranked(np.array([0.1, 0.9, 0.5, 0.2, 0.3]), TOKENS).tolist() == [2, 0, 1, 1, 0]


@pytest.fixture
def cells(trained, adata):
    leaves = trained.labels.membership(adata.obs["cell_type"].tolist())
    return to_levels(adata.X, trained.levels), leaves


def test_curves_begin_with_the_whole_cell_and_fall_without_markers(trained, adata, cells):
    tokens, leaves = cells
    rank = ranked(tokens.levels.astype(np.float32), tokens)  # the loudest genes of the toy cells are their markers
    curves = probability_curves(trained, tokens, rank, leaves, [0, 4])
    odds = np.exp(run_network(trained, tokens)[0])
    np.testing.assert_allclose(curves[:, 0], (odds * leaves).sum(1) / odds.sum(1), rtol=1e-5)
    assert curves[:, 1].mean() < 0.5 * curves[:, 0].mean()


def test_insertion_of_all_genes_is_the_whole_cell(trained, cells):
    tokens, leaves = cells
    rank = ranked(np.zeros(len(tokens.genes), np.float32), tokens)
    inserted = probability_curves(trained, tokens, rank, leaves, [12], insert=True)
    np.testing.assert_allclose(inserted, probability_curves(trained, tokens, rank, leaves, [0]), rtol=1e-5)


def test_others_are_as_many_and_as_loud(rng):
    levels = np.array([5, 5, 1, 1, 5, 2], np.uint8)
    tokens = TokenRows(np.array([0, 6]), np.arange(6, dtype=np.int32), levels)
    chosen = np.array([True, False, True, False, False, False])
    others = equally_loud(tokens, chosen, rng)
    assert sorted(levels[others]) == [1, 5]
    assert not (others & chosen).any()


def test_scores_of_tokens_come_from_their_places(trained, adata, cells):
    tokens, _ = cells
    assert tokens_of_scores(adata.X, tokens).tolist() == adata.X.data.tolist()
