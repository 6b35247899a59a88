"""Tokens as rows of a table of the (gene, level) pairs met so far: far fewer than there are tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ..model.embedding import GeneEmbedding
    from ..tokens.levels import TokenRows

PAIRS_AT_ONCE = 8192
"""Pairs that are made together; bounds memory, not results."""


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

    def place(self, tokens: TokenRows) -> NDArray[np.int32]:
        """Return the row of every token and, last, that of padding: (tokens + 1,)."""
        pair = tokens.levels.astype(np.int32) * np.int32(self.n_genes) + tokens.genes
        rows = self._row[pair]
        if not rows.all():
            self._add(pair[rows == 0])
            rows = self._row[pair]
        return np.append(rows, np.int32(0))

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
