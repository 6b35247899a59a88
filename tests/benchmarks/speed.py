"""Cells per second and memory of one whole ``annotate`` call, ours beside CellTypist, each in a fresh process.

Run ``python speed.py --help`` from this folder, on a machine that does nothing else.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anndata as ad
import numpy as np
import pandas as pd
import typer
from datasets import SHARED, SOURCES
from results import FOLDER
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable

    Annotate = Callable[[ad.AnnData], None]

TABLE = FOLDER / "speed.csv"
CELLS = SHARED / "data" / "unlabelled" / "pbmc_kang_full_unlabelled.h5ad"
METHODS = ["ours", "celltypist", "celltypist_voting"]
SIZES = [1_000, 10_000, 100_000]
IMPORTED_LATER = ["scbert_tools.infer.verdict", "scbert_tools.model.annotator", "sklearn.cluster"]
"""What our own call imports where it first needs it."""
THREAD_VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"]


def cells_of(n_cells: int) -> ad.AnnData:
    """Return the first cells of a real set as raw counts, repeated where it has too few."""
    adata = ad.read_h5ad(CELLS)
    rows = np.arange(n_cells) % adata.n_obs
    counts = sparse.csr_matrix(adata.X)[rows].astype(np.float32)
    return ad.AnnData(counts, pd.DataFrame(index=[f"cell_{i}" for i in range(n_cells)]), adata.var[[]])


def train_celltypist(path: Path) -> None:
    """Train the CellTypist model on the labelled blood sets, with its recommended feature selection."""
    import celltypist
    from references import references_of, task_of
    from scoring import load_once

    adata = ad.read_h5ad(CELLS)
    train = references_of([load_once(name) for name in SOURCES], target="label")
    task = task_of(train, sparse.csr_matrix(adata.X), adata.var_names.to_numpy(str), rule="shared")
    how = {"feature_selection": True, "n_jobs": 2}
    celltypist.train(task.x, labels=task.labels, genes=task.genes, **how).write(str(path))


def ours(model: str) -> Annotate:
    """Import everything our own call needs and return it."""
    import torch

    import scbert_tools as sbt

    for name in IMPORTED_LATER:
        import_module(name)
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    annotate = sbt.tl.annotate
    return lambda adata: annotate(adata, model=model)


def celltypist(model: str, *, voting: bool) -> Annotate:
    """Import everything CellTypist needs and return its normalisation and annotation as one call."""
    import celltypist as ct
    import scanpy as sc

    def annotate(adata: ad.AnnData) -> None:
        sc.pp.normalize_total(adata, target_sum=1e4)
        sc.pp.log1p(adata)
        ct.annotate(adata, model=ct.models.Model.load(model), majority_voting=voting)

    return annotate


def resident_mb() -> float:
    """Return the memory this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak_mb() -> float:
    """Return the most memory this process ever held; what its parent held before does not count."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 2**10


def measure(method: str, n_cells: int, model: str) -> dict[str, float]:
    """Annotate once in this process and return seconds and memory beyond data and imports."""
    annotate = ours(model) if method == "ours" else celltypist(model, voting=method.endswith("voting"))
    adata = cells_of(n_cells)
    before, earlier_peak = resident_mb(), peak_mb()
    start = time.perf_counter()
    annotate(adata)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_mb": peak_mb() - before, "floor_mb": earlier_peak - before}


def in_fresh_process(method: str, n_cells: int, model: str, threads: int) -> dict[str, Any]:
    """Measure in a process of its own, limited to a number of threads."""
    call = [sys.executable, "-W", "ignore", __file__, "--worker", method, "--n-cells", str(n_cells), "--model", model]
    limits = dict.fromkeys(THREAD_VARIABLES, str(threads))
    done = subprocess.run(call, env={**os.environ, **limits}, check=True, capture_output=True, text=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    return {"method": method, "n_cells": n_cells, "threads": threads, **figures}


def compare(methods: list[str], sizes: list[int], threads: int, repeats: int, model: str) -> pd.DataFrame:
    """Measure all methods in turn, so that a slow minute of the machine meets every one of them."""
    with tempfile.TemporaryDirectory() as folder:
        peer = Path(folder) / "blood.pkl"
        if any(method != "ours" for method in methods):
            train_celltypist(peer)
        rows = [
            {"repeat": repeat, **in_fresh_process(method, n, model if method == "ours" else str(peer), threads)}
            for repeat in range(repeats)
            for n in sizes
            for method in methods
        ]
    table = pd.DataFrame(rows)
    table["cells_per_second"] = table["n_cells"] / table["seconds"]
    return table.round({"seconds": 3, "peak_mb": 0, "floor_mb": 0, "cells_per_second": 0})


def report() -> None:
    """Write the medians over repeats to the standard output as markdown."""
    table = pd.read_csv(TABLE).groupby(["n_cells", "method"])[["seconds", "cells_per_second", "peak_mb"]].median()
    sys.stdout.write("| cells | method | seconds | cells/s | peak MB |\n|--:|---|--:|--:|--:|\n")
    for (n_cells, method), (seconds, speed, memory) in zip(table.index, table.to_numpy(), strict=True):
        sys.stdout.write(f"| {n_cells:,} | {method} | {seconds:.2f} | {speed:,.0f} | {memory:,.0f} |\n")


def profile(n_cells: int, model: str) -> None:
    """Write where the time of our call goes to the standard output."""
    import cProfile
    import pstats

    annotate, adata = ours(model), cells_of(n_cells)
    profiler = cProfile.Profile()
    profiler.runcall(annotate, adata)
    pstats.Stats(profiler, stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(25)


def main(
    *,
    method: Annotated[list[str] | None, typer.Option(help="One of ours, celltypist, celltypist_voting.")] = None,
    n_cells: Annotated[list[int] | None, typer.Option(help="Numbers of cells.")] = None,
    threads: Annotated[int, typer.Option(help="Threads every method may use.")] = 2,
    repeats: Annotated[int, typer.Option(help="How often to measure; the report takes the median.")] = 3,
    model: Annotated[str, typer.Option(help="Our model: a shipped name or a folder.")] = "pbmc",
    show: Annotated[bool, typer.Option("--report", help="Only print the table as markdown.")] = False,
    profiled: Annotated[bool, typer.Option("--profile", help="Only print where our own time goes.")] = False,
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure and report."""
    sizes = n_cells or SIZES
    if worker:
        sys.stdout.write("\n" + json.dumps(measure(worker, sizes[0], model)) + "\n")
        return
    if profiled:
        profile(sizes[0], model)
        return
    if not show:
        FOLDER.mkdir(exist_ok=True)
        compare(method or METHODS, sizes, threads, repeats, model).to_csv(TABLE, index=False)
    report()


if __name__ == "__main__":
    typer.run(main)
