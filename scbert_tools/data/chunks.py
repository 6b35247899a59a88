"""Cells of one or many sources, read in blocks: only a part of them is ever in memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from .counts import whole_counts
from .reference import BatchMaker, Reference, TrainBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Rows = Callable[[slice], sparse.csr_matrix]

MOST_IN_BLOCK = 256
"""Cells read together from where they lie; small enough to mix, large enough to be quick on a disk."""

FEWEST_BLOCKS = 32
"""Blocks that cells are cut into at least, so that small sets are mixed as well."""


@dataclass(frozen=True)
class ChunkedCells:
    """Cells in a fixed order of sources, cut into blocks of neighbouring rows.

    Parameters
    ----------
    rows
        For every source a function that gives the cells of a slice, (cells, vocabulary), proportional to counts.
    n_cells
        Cells of every source.
    measured
        (sources, vocabulary), true where a source lists a gene.
    """

    rows: Sequence[Rows]
    n_cells: Sequence[int]
    measured: NDArray[np.bool_]

    def __len__(self) -> int:
        return sum(self.n_cells)

    @cached_property
    def blocks(self) -> list[tuple[int, slice]]:
        """Source and rows of every block."""
        size = int(np.clip(len(self) // FEWEST_BLOCKS, 1, MOST_IN_BLOCK))
        every = enumerate(self.n_cells)
        return [(i, slice(a, min(a + size, n))) for i, n in every for a in range(0, n, size)]

    def read(self, blocks: NDArray[np.int64]) -> Reference:
        """Return the whole counts of some blocks as cells without labels; sources are data sets."""
        chosen = [self.blocks[place] for place in sorted(blocks.tolist())]
        counts = [whole_counts(self.rows[source](cells)) for source, cells in chosen]
        dataset = np.repeat([source for source, _ in chosen], [part.shape[0] for part in counts])
        together = sparse.vstack(counts).tocsr()
        return Reference(together, np.zeros(together.shape[0], np.int64), dataset.astype(np.int64))

    def split(self, *, share: float, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the blocks to learn from and those to judge by, about ``share`` of them and one at least.

        Raises
        ------
        ValueError
            If there are too few cells to spare any.
        """
        n_blocks = len(self.blocks)
        if n_blocks < 2:
            msg = f"`data` must hold at least 2 cells, one of them to judge, got {len(self)}."
            raise ValueError(msg)
        order = rng.permutation(n_blocks)
        away = max(1, int(share * n_blocks))
        return order[away:], order[:away]


class RollingBatches:
    """Batches from a pool of blocks that is exchanged now and then; a step's batch depends on its number and the seed.

    Parameters
    ----------
    cells
        Where blocks are read.
    blocks
        The blocks to draw from.
    maker
        How cells become a batch; its reference is not looked at.
    cells_in_memory
        Most cells of the pool. If all cells fit, they are read once.
    seed
        Seed of pools and batches.
    """

    def __init__(
        self, cells: ChunkedCells, blocks: NDArray[np.int64], maker: BatchMaker, *, cells_in_memory: int, seed: int
    ) -> None:
        self.cells, self.blocks, self.maker, self.seed = cells, blocks, maker, seed
        largest = max(part.stop - part.start for _, part in cells.blocks)
        self.n_blocks = min(len(blocks), max(1, cells_in_memory // largest))
        self.steps_per_pool = max(1, self.n_blocks * largest // maker.batch_size)
        self._pool: tuple[int, BatchMaker] | None = None

    def __call__(self, step: int) -> TrainBatch:
        """Return the batch of ``step``, reading the blocks of its pool if they are not in memory."""
        return self.maker_at(step)(step)

    def maker_at(self, step: int) -> BatchMaker:
        """Return what makes the batch of ``step`` from the pool of that step, which is read if need be."""
        # The pool follows from the step alone, so a training that is taken up again finds the same cells.
        period = 0 if self.n_blocks == len(self.blocks) else step // self.steps_per_pool
        if self._pool is None or self._pool[0] != period:
            rng = np.random.default_rng([self.seed, period])
            chosen = rng.permutation(self.blocks)[: self.n_blocks]
            self._pool = period, self.maker.on(self.cells.read(chosen), seed=self.seed)
        return self._pool[1]
