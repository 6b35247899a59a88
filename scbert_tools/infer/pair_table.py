"""Tokens as rows of a table of the (gene, level) pairs met so far: far fewer than there are tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ..model.embedding import GeneEmbedding
    from ..tokens.levels import TokenRows

PAIRS_AT_ONCE = 8192
"""Pairs that are made together; bounds memory, not results."""


@dataclass(frozen=True)
class Batch:
    """Some cells as rows of a table.

    Parameters
    ----------
    rows
        (cells, tokens) int32, padded with row 0.
    padding
        (cells, tokens beyond the shortest cell), true where there is none.
    """

    rows: Tensor
    padding: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def look_up(self, table: Tensor) -> Tensor:
        """Return the rows of a table: (cells, tokens, numbers)."""
        return functional.embedding_bag(self.rows.view(-1), table, self._each, mode="sum").view(*self.rows.shape, -1)

    @cached_property
    def _each(self) -> Tensor:
        # Bags of one row: unlike `embedding`, which is the same, sums of bags ask the memory for rows ahead of time.
        return torch.arange(self.rows.numel(), dtype=torch.int32)

    def hidden(self, queries: Tensor) -> Tensor | None:
        """Return what takes padding out of scores of (cells, 1, queries, width), ``None`` where there is none."""
        n_padded = self.padding.shape[1]
        if not n_padded:
            return None
        hidden = torch.zeros(len(self), 1, 1, self.rows.shape[1])
        hidden[:, 0, 0, -n_padded:].masked_fill_(self.padding, -torch.inf)
        return hidden.expand(-1, -1, queries.shape[2], -1)


@dataclass(frozen=True)
class PlacedTokens:
    """Tokens of some cells and where they stand in a table.

    Parameters
    ----------
    tokens
        The tokens.
    rows
        (tokens + tokens of the longest cell,) row of every token and, from there on, that of padding.
    """

    tokens: TokenRows
    rows: NDArray[np.int32]

    def batch(self, cells: NDArray[np.int64]) -> Batch:
        """Return some cells padded to the longest."""
        starts, lengths = self.tokens.indptr[cells], self.tokens.lengths[cells]
        longest, shortest = max(1, int(lengths.max())), int(lengths.min())
        rows = sliding_window_view(self.rows, longest)[starts]  # a copy
        padding = np.arange(shortest, longest) >= lengths[:, None]
        rows[:, shortest:][padding] = 0
        return Batch(torch.from_numpy(rows), torch.from_numpy(padding))


class PairTable:
    """What a latent network needs to know of every (gene, level) pair; grows with the pairs that occur.

    Rows are only added, by one thread; any thread may look up those of tokens that were placed before.

    Parameters
    ----------
    embedding
        Makes vectors of pairs.
    queries
        (queries, gene_width), what all cells are asked alike, scaled.
    """

    def __init__(self, embedding: GeneEmbedding, queries: Tensor) -> None:
        self.embedding, self.queries = embedding, queries
        self.n_genes, n_levels = embedding.gene.num_embeddings, embedding.scale.num_embeddings
        n_pairs = self.n_genes * n_levels
        self.n_rows = 1
        self._row = np.zeros(n_pairs, np.int32)
        # Memory is only taken once it is written to, so there may be room for all pairs.
        self.vectors = torch.empty(1 + n_pairs, queries.shape[1])
        """(rows, gene_width) token vectors; row 0 is padding."""
        self.weights = torch.empty(1 + n_pairs, len(queries))
        """(rows, queries) exp of the score of each pair, up to a factor per query."""
        self.vectors[0], self.weights[0] = 0, 0
        genes = torch.arange(self.n_genes)
        self._height = self._scores(embedding(genes, torch.full_like(genes, n_levels // 2))).amax(0)

    def place(self, tokens: TokenRows) -> PlacedTokens:
        """Return tokens with their rows, which are added where missing."""
        pair = tokens.levels.astype(np.int32) * np.int32(self.n_genes) + tokens.genes
        rows = self._row[pair]
        if not rows.all():
            self._add(pair[rows == 0])
            rows = self._row[pair]
        return PlacedTokens(tokens, np.append(rows, np.zeros(max(1, tokens.lengths.max(initial=1)), np.int32)))

    def _add(self, pairs: NDArray[np.int32]) -> None:
        """Give pairs, which may repeat, rows of their own."""
        occurs = np.zeros(len(self._row), bool)
        occurs[pairs] = True
        new = np.flatnonzero(occurs)
        level, gene = map(torch.from_numpy, np.divmod(new, self.n_genes))
        for start in range(0, len(new), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            rows = slice(self.n_rows + start, self.n_rows + start + len(gene[part]))
            self.vectors[rows] = self.embedding(gene[part], level[part])
            torch.exp(self._scores(self.vectors[rows]) - self._height, out=self.weights[rows])
        self._row[new] = np.arange(self.n_rows, self.n_rows + len(new), dtype=np.int32)
        self.n_rows += len(new)

    def _scores(self, vectors: Tensor) -> Tensor:
        """Return what the queries score vectors: (rows, queries)."""
        return vectors @ self.queries.T
