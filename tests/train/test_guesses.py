"""Guesses are the frequencies of levels: at all, of a gene, in cells of one depth."""

import numpy as np
import pytest
import torch

from scbert_tools.data.batches import Batch
from scbert_tools.data.reference import TrainBatch
from scbert_tools.train.guesses import level_frequencies


def token_batch(genes, levels, mask=None):
    real = torch.ones(len(genes), len(genes[0]), dtype=torch.bool) if mask is None else torch.tensor(mask)
    cells = Batch(torch.tensor(genes), torch.tensor(levels), real[:, None, None])
    return TrainBatch(cells, *torch.zeros(2, len(genes), dtype=torch.long))


def test_guesses_are_the_frequencies_of_levels():
    seen = token_batch([[0, 1]] * 200, [[2, 6]] * 200)  # each gene has a level of its own
    common = level_frequencies(lambda step: seen, n_genes=2, n_levels=8)
    assert common.overall[[2, 6]] == pytest.approx([0.5, 0.5], abs=0.01)
    assert common.by_gene[[0, 1], [2, 6]] == pytest.approx([1, 1], abs=0.01)


def test_cells_of_one_depth_tell_each_others_levels_where_the_gene_does_not():
    seen = token_batch([[0, 1, 2]] * 200, [[2, 2, 2], [5, 5, 7]] * 100)
    common = level_frequencies(lambda step: seen, n_genes=3, n_levels=8)
    assert common.by_gene[0, [2, 5]] == pytest.approx([0.5, 0.5], abs=0.01)
    assert common.by_lowest[2, 2] == pytest.approx(1, abs=0.01)
    assert common.by_lowest[5, [5, 7]] == pytest.approx([2 / 3, 1 / 3], abs=0.01)


def test_padding_is_no_level_of_a_cell():
    seen = token_batch([[0, 0]] * 200, [[4, 0]] * 200, [[True, False]] * 200)
    common = level_frequencies(lambda step: seen, n_genes=1, n_levels=8)
    assert common.by_lowest[4, 4] == pytest.approx(1, abs=0.01)
    assert common.overall[0] < 0.01


@pytest.mark.parametrize("table", ["by_gene", "by_lowest"])
def test_guess_about_what_was_never_seen_is_that_about_anything(table):
    seen = token_batch([[0, 1]] * 4, [[1, 2]] * 4)
    common = level_frequencies(lambda step: seen, n_genes=6, n_levels=10)
    np.testing.assert_allclose(getattr(common, table)[5], common.overall)
    assert (common.overall > 0).all()
