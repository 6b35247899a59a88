"""Time and memory of reading input: ``python tests/benchmarks/input.py``.

`inspect` on 100,000 cells × 20,000 genes with 1,000 values a cell (100 million in all), as counts and as log values,
and `match_genes` on 36,601 names against 14,000. Wall and processor seconds are told apart, for a busy machine.
"""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
from scipy import sparse

from scbert_tools.genes import Vocabulary, match_genes
from scbert_tools.genes.tables import approved_symbols, ensembl_symbols
from scbert_tools.pp._inspect import inspect

if TYPE_CHECKING:
    from collections.abc import Callable

N_CELLS, N_GENES, PER_CELL = 100_000, 20_000, 1_000


def measure(name: str, run: Callable[[], object]) -> None:
    """Print seconds and the growth of the largest memory used."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, processor = time.perf_counter(), time.process_time()
    said = run()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{name}: {wall:.2f} s wall, {processor:.2f} s processor, {grown:+.0f} MB; {said}")


def cells(rng: np.random.Generator) -> sparse.csr_matrix:
    """Return counts with sorted places, built without a dense matrix."""
    step = N_GENES // PER_CELL
    places = np.arange(PER_CELL, dtype=np.int32) * step
    indices = np.concatenate([places + rng.integers(step) for _ in range(N_CELLS)])
    data = rng.poisson(np.repeat(rng.lognormal(0, 0.5, N_CELLS), PER_CELL)).astype(np.float32) + 1
    return sparse.csr_matrix((data, indices, np.arange(0, N_CELLS * PER_CELL + 1, PER_CELL)), (N_CELLS, N_GENES))


def main() -> None:
    """Run the three measurements."""
    symbols = list(approved_symbols().values())
    vocabulary = Vocabulary(tuple(symbols[:42_000:3]))
    names = list(ensembl_symbols().values())[:36_601]
    approved_symbols.cache_clear(), ensembl_symbols.cache_clear()
    measure("match_genes, 36,601 names, tables not yet read", lambda: match_genes(names, vocabulary))
    adata = ad.AnnData(cells(np.random.default_rng(0)))
    adata.var_names = [f"gene{i}" for i in range(N_GENES)]
    measure("inspect, counts", lambda: inspect(adata).verdict)
    np.log1p(adata.X.data, out=adata.X.data)
    measure("inspect, log values", lambda: inspect(adata).verdict)


if __name__ == "__main__":
    main()
