"""Cells read in blocks: every cell once, some kept to judge, and batches that depend on step and seed alone."""

import numpy as np
import pytest
import torch
from scipy import sparse

from scbert_tools.data.chunks import MOST_IN_BLOCK, ChunkedCells, RollingBatches
from scbert_tools.data.reference import BatchMaker, no_cells


@pytest.fixture
def cells(rng):
    """Two sources of 30 and 50 cells, and which of their rows were read."""
    tables = [sparse.csr_matrix(rng.poisson(2.0, (n, 12)).astype(np.float32)) for n in (30, 50)]
    read = []

    def rows_of(place):
        def rows(part):
            read.append((place, part.start, part.stop))
            return tables[place][part]

        return rows

    return ChunkedCells([rows_of(0), rows_of(1)], [30, 50], np.ones((2, 12), bool)), tables, read


@pytest.fixture
def roll(cells):
    maker = BatchMaker(reference=no_cells(12), batch_size=8)

    def made(cells_in_memory, *, seed=0):
        blocks = np.arange(len(cells[0].blocks))
        return RollingBatches(cells[0], blocks, maker, cells_in_memory=cells_in_memory, seed=seed)

    return made


@pytest.mark.parametrize("n_cells", [[1], [30, 50], [5, 0, 3], [20_000]], ids=str)
def test_blocks_hold_every_cell_once_and_are_of_one_source(n_cells):
    chunked = ChunkedCells([None] * len(n_cells), n_cells, np.ones((len(n_cells), 1), bool))
    rows = [(source, row) for source, part in chunked.blocks for row in range(part.start, part.stop)]
    assert rows == [(source, row) for source, n in enumerate(n_cells) for row in range(n)]
    assert max(part.stop - part.start for _, part in chunked.blocks) <= MOST_IN_BLOCK
    assert len(chunked) == sum(n_cells)


def test_blocks_are_read_in_the_order_of_the_files_and_know_their_source(cells):
    chunked, tables, read = cells
    got = chunked.read(np.arange(len(chunked.blocks))[::-1])
    assert read == sorted(read)
    assert (got.counts != sparse.vstack(tables)).nnz == 0
    assert got.dataset.tolist() == [0] * 30 + [1] * 50


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5], ids="{:g}".format)
def test_split_leaves_blocks_on_both_sides_and_loses_none(cells, rng, share):
    chunked = cells[0]
    learn, judge = chunked.split(share=share, rng=rng)
    assert sorted([*learn, *judge]) == list(range(len(chunked.blocks)))
    assert len(judge) == max(1, int(share * len(chunked.blocks)))
    assert len(learn) > 0


def test_single_cell_cannot_be_split(rng):
    with pytest.raises(ValueError, match="`data` must hold at least 2 cells, one of them to judge, got 1"):
        ChunkedCells([None], [1], np.ones((1, 1), bool)).split(share=0.1, rng=rng)


def same(one, other):
    return torch.equal(one.cells.genes, other.cells.genes) and torch.equal(one.cells.levels, other.cells.levels)


@pytest.mark.parametrize("cells_in_memory", [10, 1000], ids=["pools", "all in memory"])
def test_batch_depends_on_step_and_seed_alone(roll, cells_in_memory):
    whole, resumed = roll(cells_in_memory), roll(cells_in_memory)
    early = [whole(step) for step in range(12)]
    assert same(resumed(11), early[11])
    assert not same(roll(cells_in_memory, seed=1)(11), early[11])


def test_cells_that_fit_are_read_once(roll, cells):
    batches = roll(1000)
    for step in range(30):
        batches(step)
    assert len(cells[2]) == len(cells[0].blocks)


def test_no_more_cells_are_held_than_asked_for_and_pools_change(roll, cells):
    batches, held = roll(10), set()
    for step in range(20):
        batches(step)
        assert len(batches._pool[1].reference) <= 10
        held.add(batches._pool[1].reference.counts.toarray().tobytes())
    assert len(held) > 5
