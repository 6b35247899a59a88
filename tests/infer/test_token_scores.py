"""Scores of tokens become means of groups, whatever the chunks."""

import numpy as np
import pytest
import torch

from scbert_tools.infer import token_scores
from scbert_tools.infer.token_scores import score_groups
from scbert_tools.tokens.levels import to_levels


def levels_as_scores(batch, cells):
    del cells
    shown = (batch.levels * batch.mask[:, 0, 0]).float()
    return shown, shown.sum(1)


@pytest.mark.parametrize("chunk", [7, 64])
def test_means_of_groups(trained, adata, monkeypatch, chunk):
    monkeypatch.setattr(token_scores, "CELLS_PER_CHUNK", chunk)
    cells, codes = np.array([3, 8, 12, 29]), np.array([1, 0, 1, 1])
    scores = score_groups(trained, lambda some: adata.X[some], cells, codes, levels_as_scores, keep=True)
    tokens = to_levels(adata.X, trained.levels)
    levels = type(adata.X)((tokens.levels.astype(float), tokens.genes, tokens.indptr), adata.shape).toarray()
    np.testing.assert_allclose(scores.means, [levels[8], levels[[3, 12, 29]].mean(axis=0)], rtol=1e-6)
    np.testing.assert_allclose(scores.each.toarray(), levels[cells])
    np.testing.assert_allclose(scores.gap, 0, atol=1e-4)
    assert scores.n_cells.tolist() == [1, 3]


def test_cells_without_genes_count_for_nothing(trained, adata):
    values = adata.X.copy()
    values.data[values.indptr[4] : values.indptr[5]] = 0
    values.eliminate_zeros()
    cells = np.arange(3, 6)
    scores = score_groups(trained, lambda some: values[some], cells, np.zeros(3, int), levels_as_scores, keep=True)
    assert scores.n_cells.tolist() == [2]
    assert scores.each[1].nnz == 0


def test_kernel_knows_its_cells_by_their_places(trained, adata):
    def places(batch, cells):
        return torch.from_numpy(cells)[:, None] * batch.mask[:, 0, 0].float(), torch.zeros(len(batch))

    cells = np.array([20, 5, 11])
    scores = score_groups(trained, lambda some: adata.X[some], cells, np.zeros(3, int), places, keep=True)
    assert [row.data.max() if row.nnz else 0 for row in scores.each] == [0, 1, 2]
