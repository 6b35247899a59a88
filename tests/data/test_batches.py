"""Rows of tokens become padded tensors, each cell exactly once."""

import numpy as np
import pytest
import torch

from scbert_tools.data.batches import by_length, drop_tokens, keep_tokens, pad
from scbert_tools.tokens.levels import TokenRows


@pytest.fixture
def rows():
    """Four cells with 2, 0, 3 and 1 tokens."""
    return TokenRows(np.array([0, 2, 2, 5, 6]), np.array([7, 9, 1, 2, 3, 5]), np.arange(10, 16, dtype=np.uint8))


@pytest.mark.parametrize(
    ("cells", "genes"),
    [
        (None, [[7, 9, 0], [0, 0, 0], [1, 2, 3], [5, 0, 0]]),
        ([3, 0], [[5, 0], [7, 9]]),
        ([1], [[0]]),
        ([2, 2], [[1, 2, 3], [1, 2, 3]]),
    ],
    ids=["all", "some in another order", "an empty cell", "one twice"],
)
def test_cells_are_padded_to_the_longest_of_them(rows, cells, genes):
    batch = pad(rows, None if cells is None else np.array(cells))
    assert batch.genes.tolist() == genes
    lengths = rows.lengths if cells is None else rows.lengths[cells]
    assert batch.mask[:, 0, 0].sum(dim=1).tolist() == lengths.tolist()


def test_levels_stay_with_their_genes(rows):
    batch = pad(rows)
    assert batch.levels[2].tolist() == [12, 13, 14]
    assert (batch.genes.dtype, batch.mask.shape) == (torch.int32, (4, 1, 1, 3))


@pytest.mark.parametrize("tokens_per_batch", [1, 10, 64, 10_000])
def test_every_cell_is_read_once_within_the_budget(rng, tokens_per_batch):
    lengths = rng.integers(0, 60, 200)
    batches = list(by_length(lengths, tokens_per_batch))
    assert sorted(np.concatenate(batches)) == list(range(200))
    assert all(len(cells) == 1 or len(cells) * lengths[cells].max() <= tokens_per_batch for cells in batches)


def test_cells_of_similar_length_go_together():
    assert [sorted(cells.tolist()) for cells in by_length(np.array([9, 1, 8, 2]), 18)] == [[0, 2], [1, 3]]


@pytest.mark.parametrize(
    ("share", "limit", "expected"),
    [(0.0, 1000, 100), (0.2, 1000, 80), (0.0, 30, 30), (0.5, 30, 30)],
    ids=["nothing", "a share", "a limit", "the stricter of both"],
)
def test_tokens_vanish_at_random_and_the_others_stay_in_place(rng, share, limit, expected):
    long = TokenRows(np.arange(201) * 100, np.tile(np.arange(100), 200), np.tile(np.arange(100, dtype=np.uint8), 200))
    left = drop_tokens(long, share=share, limit=limit, rng=rng)
    assert left.lengths.mean() == pytest.approx(expected, rel=0.05)
    np.testing.assert_array_equal(left.genes, left.levels)
    assert all((np.diff(left.genes[a:b]) > 0).all() for a, b in zip(left.indptr[:-1], left.indptr[1:], strict=True))


def test_empty_cells_stay_empty(rows, rng):
    assert drop_tokens(rows, share=0.5, limit=10, rng=rng).lengths[1] == 0


@pytest.mark.parametrize("cell", [4, -9], ids=["beyond the last", "before the first"])
def test_cell_that_is_not_there_is_an_error(rows, cell):
    with pytest.raises(IndexError, match="out of bounds"):
        pad(rows, np.array([cell]))


def test_kept_tokens_stay_with_their_cell():
    tokens = TokenRows(np.array([0, 3, 5]), np.array([1, 4, 6, 0, 2], np.int32), np.array([2, 9, 5, 3, 3], np.uint8))
    kept = keep_tokens(tokens, np.array([True, False, True, False, True]))
    assert (kept.indptr.tolist(), kept.genes.tolist(), kept.levels.tolist()) == ([0, 2, 3], [1, 6, 2], [2, 5, 3])
