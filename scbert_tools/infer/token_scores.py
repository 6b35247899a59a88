"""From a score of every token to a score of every gene and group, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from tqdm import tqdm

from ..data.batches import by_length, pad
from ..model.parallel import in_order, one_core_each
from ..tokens.levels import to_levels
from .plain_reader import TOKENS_PER_BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from numpy.typing import NDArray
    from torch import Tensor

    from ..data.batches import Batch
    from ..model.annotator import Annotator
    from ..tokens.levels import TokenRows

    Kernel: TypeAlias = Callable[[Batch, NDArray[np.int64]], tuple[Tensor, Tensor]]
    """From a batch and the places of its cells in ``cells`` to scores (cells, tokens) and what they sum to (cells,)."""

CELLS_PER_CHUNK = 64
"""Cells that are scored together by one core."""


@dataclass(frozen=True)
class GroupScores:
    """Scores of genes, averaged over the cells of each group.

    Parameters
    ----------
    means
        (groups, vocabulary) float32; 0 where a gene was not expressed.
    n_cells
        (groups,) cells averaged, of those with anything to read.
    gap
        (cells,) sum of a cell's scores minus what they should sum to; 0 for cells without anything to read.
    total
        (cells,) what they should sum to.
    each
        (cells, vocabulary) scores of every cell, if they were to be kept.
    """

    means: NDArray[np.float32]
    n_cells: NDArray[np.int64]
    gap: NDArray[np.float32]
    total: NDArray[np.float32]
    each: sparse.csr_matrix | None


def score_groups(
    annotator: Annotator,
    rows: Callable[[NDArray[np.int64]], sparse.csr_matrix],
    cells: NDArray[np.int64],
    codes: NDArray[np.int64],
    kernel: Kernel,
    *,
    keep: bool = False,
) -> GroupScores:
    """Score the expressed genes of some cells and average them by group.

    Parameters
    ----------
    annotator
        The model.
    rows
        Gives cells by their numbers as (cells, vocabulary) values proportional to counts.
    cells
        (cells,) numbers of the cells to score.
    codes
        (cells,) group of each of them, 0 or more.
    kernel
        Scores a batch; several at once in threads, unless it has ``in_turn`` set.
    keep
        Keep the scores of every cell.
    """
    parts = np.array_split(np.arange(len(cells)), -(-len(cells) // CELLS_PER_CHUNK))
    groups, kept = _Groups(codes, len(annotator.vocabulary)), []
    with one_core_each() as n_cores:
        chunks = ((rows(cells[part]), part) for part in parts)
        n_workers = 1 if getattr(kernel, "in_turn", False) else n_cores
        done = in_order(
            lambda chunk: score_chunk(annotator, chunk[0], places=chunk[1], kernel=kernel), chunks, n_workers
        )
        for part, (scores, total) in zip(tqdm(parts, desc="Explaining cells", delay=5), done, strict=True):
            groups.add(part, scores, total)
            kept += [scores] if keep else []
    return groups.summary(sparse.vstack(kept, format="csr") if kept else None)


class _Groups:
    """Sums over the cells of each group."""

    def __init__(self, codes: NDArray[np.int64], n_genes: int) -> None:
        n_groups = int(codes.max(initial=-1)) + 1
        self.codes, self.sums, self.n_cells = codes, np.zeros((n_groups, n_genes)), np.zeros(n_groups, np.int64)
        self.gap, self.total = np.zeros(len(codes), np.float32), np.zeros(len(codes), np.float32)

    def add(self, part: NDArray[np.int64], scores: sparse.csr_matrix, total: NDArray[np.float32]) -> None:
        """Add the scores of some cells."""
        readable, shape = np.diff(scores.indptr) > 0, (len(self.sums), len(part))
        member = sparse.csr_matrix((readable.astype(float), (self.codes[part], np.arange(len(part)))), shape)
        self.sums += (member @ scores).toarray()
        self.n_cells += np.bincount(self.codes[part][readable], minlength=len(self.sums))
        self.total[part] = total
        self.gap[part] = np.asarray(scores.sum(axis=1)).ravel() - total

    def summary(self, each: sparse.csr_matrix | None) -> GroupScores:
        """Return the means."""
        means = (self.sums / np.maximum(self.n_cells, 1)[:, None]).astype(np.float32)
        return GroupScores(means, self.n_cells, self.gap, self.total, each)


def score_chunk(
    annotator: Annotator, linear: sparse.csr_matrix, *, places: NDArray[np.int64], kernel: Kernel
) -> tuple[sparse.csr_matrix, NDArray[np.float32]]:
    """Return the scores of some cells, (cells, vocabulary), and what those of each should sum to, (cells,).

    Parameters
    ----------
    annotator
        The model.
    linear
        (cells, vocabulary) values proportional to counts.
    places
        (cells,) what the kernel is to know them by.
    kernel
        Scores a batch.
    """
    tokens = to_levels(linear, annotator.levels)
    values, total = np.zeros(len(tokens.genes), np.float32), np.zeros(len(places), np.float32)
    for cells, batch in readable_batches(tokens):
        scores, expected = kernel(batch, places[cells])
        real = batch.mask[:, 0, 0].numpy()
        place = tokens.indptr[:-1][cells][:, None] + np.arange(real.shape[1])
        values[place[real]] = scores.numpy()[real]
        total[cells] = expected.numpy()
    return sparse.csr_matrix((values, tokens.genes, tokens.indptr), linear.shape), total


def readable_batches(tokens: TokenRows) -> Iterator[tuple[NDArray[np.int64], Batch]]:
    """Yield cells with anything to read, by their places, and their tokens padded, cells of similar length together."""
    readable = np.flatnonzero(tokens.lengths)
    for chosen in by_length(tokens.lengths[readable], TOKENS_PER_BATCH):
        yield readable[chosen], pad(tokens, readable[chosen])
