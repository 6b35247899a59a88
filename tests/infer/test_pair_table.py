"""Rows of the table of pairs, looked up for padded cells."""

import numpy as np
import torch

from scbert_tools.infer.pair_table import Batch, PlacedTokens
from scbert_tools.tokens.levels import TokenRows


def test_cells_are_padded_with_row_zero_and_padding_is_hidden():
    tokens = TokenRows(np.array([0, 2, 5, 5]), np.arange(5, dtype=np.int32), np.ones(5, np.uint8))
    placed = PlacedTokens(tokens, np.array([4, 5, 6, 7, 8, 0, 0, 0], np.int32))
    batch = placed.batch(np.array([1, 0]))
    assert batch.rows.tolist() == [[6, 7, 8], [4, 5, 0]]
    hidden = batch.hidden(torch.zeros(2, 1, 4, 8))
    assert hidden.shape == (2, 1, 4, 3)
    assert hidden[:, 0, 0].tolist() == [[0, 0, 0], [0, 0, -np.inf]]


def test_nothing_is_hidden_where_cells_are_of_one_length():
    batch = Batch(torch.ones(2, 3, dtype=torch.int32), torch.zeros(2, 0, dtype=torch.bool))
    assert batch.hidden(torch.zeros(2, 1, 4, 8)) is None


def test_rows_of_a_table_are_looked_up():
    table, rows = torch.randn(9, 4), torch.randint(9, (3, 5), dtype=torch.int32)
    batch = Batch(rows, torch.zeros(3, 0, dtype=torch.bool))
    torch.testing.assert_close(batch.look_up(table), table[rows.long()], rtol=0, atol=0)
