"""Rows of tokens to padded tensors, and the orders in which rows are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ..tokens.levels import TokenRows


@dataclass(frozen=True)
class Batch:
    """Some cells as padded tensors.

    Parameters
    ----------
    genes
        (cells, tokens) int32.
    levels
        (cells, tokens) int32.
    mask
        (cells, 1, 1, tokens), true where a token is real.
    """

    genes: Tensor
    levels: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.genes)

    def to(self, device: torch.device) -> Batch:
        """Return the same cells on a device."""
        return Batch(self.genes.to(device), self.levels.to(device), self.mask.to(device))

    def every(self, first: int, step: int) -> Batch:
        """Return every ``step``-th cell, beginning with the cell ``first``."""
        return Batch(self.genes[first::step], self.levels[first::step], self.mask[first::step])

    def alone(self, row: int) -> Batch:
        """Return one cell without padding."""
        real = self.mask[row, 0, 0]
        return Batch(self.genes[row][real][None], self.levels[row][real][None], self.mask[row][..., real][None])


def pad(rows: TokenRows, cells: np.ndarray | None = None) -> Batch:
    """Return ``cells`` of ``rows`` (all by default) padded to the longest of them, to one token at least."""
    lengths = rows.lengths if cells is None else rows.lengths[cells]
    starts = rows.indptr[:-1] if cells is None else rows.indptr[:-1][cells]
    column = np.arange(max(1, lengths.max(initial=1)), dtype=np.int64)
    real = column < lengths[:, None]
    place = (starts[:, None] + column)[real]
    genes, levels = np.zeros(real.shape, np.int32), np.zeros(real.shape, np.int32)
    genes[real], levels[real] = rows.genes[place], rows.levels[place]
    return Batch(torch.from_numpy(genes), torch.from_numpy(levels), torch.from_numpy(real)[:, None, None])


def by_length(
    lengths: np.ndarray, tokens_per_batch: int, *, cells_per_batch: int | None = None
) -> Iterator[np.ndarray]:
    """Yield cells of similar length together, each batch within ``tokens_per_batch`` after padding.

    Parameters
    ----------
    lengths
        (cells,) tokens of each cell.
    tokens_per_batch
        Most tokens of a batch; a longer cell goes alone.
    cells_per_batch
        Most cells of a batch; not limited by default.
    """
    # From the longest down: if memory does not suffice, that shows in the first batch and not in the last.
    order = np.argsort(lengths, kind="stable")
    stop = len(order)
    most = len(order) if cells_per_batch is None else cells_per_batch
    while stop:
        size = min(most, max(1, tokens_per_batch // max(1, int(lengths[order[stop - 1]]))))
        yield order[max(0, stop - size) : stop]
        stop = max(0, stop - size)


def drop_tokens(rows: TokenRows, *, share: float, limit: int, rng: np.random.Generator) -> TokenRows:
    """Return rows from which tokens vanished at random: ``share`` of them, more where a row exceeds ``limit``."""
    kept_share = np.minimum(1 - share, limit / np.maximum(rows.lengths, 1))
    return keep_tokens(rows, rng.random(len(rows.genes)) < np.repeat(kept_share, rows.lengths))


def keep_tokens(rows: TokenRows, kept: np.ndarray) -> TokenRows:
    """Return the cells with only some of their tokens, (tokens,) true for those."""
    # How many tokens are kept before each token; read at the row ends, these are the new row ends.
    indptr = np.concatenate([[0], np.cumsum(kept)])[rows.indptr]
    return type(rows)(indptr, rows.genes[kept], rows.levels[kept])
