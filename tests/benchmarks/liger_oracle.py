"""LIGER against pyliger and Harmony against plain harmonypy: same input, same run, same cores.

    python tests/benchmarks/liger_oracle.py --peer PYTHON_WITH_PYLIGER [--data DIR]

PYTHON_WITH_PYLIGER is the interpreter of an environment made with `pip install pyliger==0.2.4`. The table goes to
`results/liger_oracle.md`. `--cells 1000000` instead measures minibatches on that many resampled cells.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import sparse

SHARED = Path(os.environ.get("SCBERT_SHARED", Path(__file__).parents[3] / "shared"))
RESULTS = Path(__file__).parent / "results"
N_FACTORS = 20
LAMBDA = 5.0
N_GENES = 2_000
REPEATS = 5


def prepare(data: Path) -> list[sparse.csr_matrix]:
    """Return 13,999 blood cells in three batches (control, two halves of the stimulated), 2,000 genes, scaled."""
    import anndata as ad
    import pandas as pd
    import scanpy as sc

    from scbert_tools.pp._liger import _scaled

    adata = ad.read_h5ad(data / "unlabelled" / "pbmc_kang_full_unlabelled.h5ad")
    logged = sc.pp.log1p(sc.pp.normalize_total(adata, target_sum=1e4, copy=True), copy=True)
    sc.pp.highly_variable_genes(logged, n_top_genes=N_GENES, batch_key="batch")
    half = np.where(np.random.default_rng(0).random(adata.n_obs) < 0.5, "1", "2")
    batch = np.where(adata.obs["batch"] == "CTRL", "CTRL", np.char.add("STIM", half))
    genes = logged.var["highly_variable"].to_numpy()
    return list(_scaled(sparse.csr_matrix(adata.X), pd.Categorical(batch), genes, normalize=True))


def store(path: Path, matrices: list[sparse.csr_matrix]) -> None:
    """Write matrices for the other interpreter."""
    parts = {}
    for index, matrix in enumerate(matrices):
        parts |= {f"data{index}": matrix.data, f"indices{index}": matrix.indices, f"indptr{index}": matrix.indptr}
    np.savez(path, n_genes=matrices[0].shape[1], n=len(matrices), **parts)


def restore(path: Path) -> list[sparse.csr_matrix]:
    """Read matrices written by `store`."""
    stored = np.load(path)
    found = []
    for index in range(int(stored["n"])):
        data, indices, indptr = (stored[f"{part}{index}"] for part in ("data", "indices", "indptr"))
        found.append(sparse.csr_matrix((data, indices, indptr), shape=(indptr.size - 1, int(stored["n_genes"]))))
    return found


def peer(source: Path, target: Path) -> None:
    """Factorise with pyliger; runs in its own interpreter."""
    import anndata as ad
    import pyliger

    matrices = restore(source)
    cells = [ad.AnnData(matrix, uns={"sample_name": f"batch{i}"}) for i, matrix in enumerate(matrices)]
    for i, one in enumerate(cells):
        one.obs_names = [f"cell{i}_{j}" for j in range(one.n_obs)]
        one.obs.index.name, one.var.index.name = "cell", "gene"
    liger = pyliger.create_liger(cells, remove_missing=False)
    liger.var_genes = cells[0].var_names
    for one, matrix in zip(liger.adata_list, matrices, strict=True):
        one.layers["scale_data"] = matrix
    start = time.perf_counter()
    pyliger.optimize_ALS(liger, k=N_FACTORS, value_lambda=LAMBDA)
    seconds_factorize = time.perf_counter() - start
    factors = {f"V{i}": one.varm["V"].T for i, one in enumerate(liger.adata_list)}
    factors |= {f"H{i}": one.obsm["H"] for i, one in enumerate(liger.adata_list)}
    start = time.perf_counter()
    pyliger.quantile_norm(liger)
    seconds = [seconds_factorize, time.perf_counter() - start]
    np.savez(target, seconds=seconds, W=liger.adata_list[0].varm["W"].T, **factors)


def objective(matrices: list[sparse.csr_matrix], W: np.ndarray, V: list[np.ndarray], H: list[np.ndarray]) -> float:
    """Value of the objective by its definition, in double precision."""
    value = 0.0
    for X, v, h in zip(matrices, V, H, strict=True):
        own, loadings, shared = v.astype(float), h.astype(float), W.astype(float)
        value += np.square(X.toarray() - loadings @ (shared + own)).sum() + LAMBDA * np.square(loadings @ own).sum()
    return float(value)


def likeness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosine between shared factors (factors, genes), matched one to one as well as possible; the worst first."""
    from scipy.optimize import linear_sum_assignment

    unit = [W / np.linalg.norm(W, axis=1, keepdims=True) for W in (first, second)]
    cosine = unit[0] @ unit[1].T
    return np.sort(cosine[linear_sum_assignment(-cosine)])


def ours(matrices: list[sparse.csr_matrix], *, seed: int) -> tuple[object, list[float]]:
    """Factorise with scbert_tools; return the factors and the seconds of both parts."""
    from scbert_tools.model.inmf import factorize
    from scbert_tools.model.quantile_alignment import align_quantiles

    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    found = factorize(matrices, n_factors=N_FACTORS, lambda_=LAMBDA, rng=rng)
    between = time.perf_counter()
    align_quantiles(found.loadings, rng=rng)
    return found, [between - start, time.perf_counter() - between]


def compare_liger(data: Path, python: str) -> list[list[str]]:
    """Return the lines of the table about LIGER."""
    matrices = prepare(data)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        store(source, matrices)
        own, own_seconds = ours(matrices, seed=0)
        other, _ = ours(matrices, seed=1)
        call = [python, "-W", "ignore", __file__, "--peer-in", str(source), "--peer-out", str(target)]
        subprocess.run(call, check=True, stderr=subprocess.DEVNULL)
        theirs = dict(np.load(target))
    values = [
        objective(matrices, own.shared, list(own.specific), list(own.loadings)),
        objective(matrices, theirs["W"], *([theirs[f"{part}{i}"] for i in range(3)] for part in "VH")),
    ]
    matched, again = likeness(own.shared, theirs["W"]), likeness(own.shared, other.shared)
    ratio = sum(theirs["seconds"]) / sum(own_seconds)
    size = f"{sum(x.shape[0] for x in matrices):,} cells × {N_GENES:,} genes × 3 batches, {N_FACTORS} factors"
    return [
        [f"LIGER, {size}", "scbert_tools", "pyliger 0.2.4", "wanted"],
        ["seconds, factorisation", f"{own_seconds[0]:.1f}", f"{theirs['seconds'][0]:.1f}", ""],
        ["seconds, quantile alignment", f"{own_seconds[1]:.1f}", f"{theirs['seconds'][1]:.1f}", ""],
        ["seconds, both", f"{sum(own_seconds):.1f}", f"{sum(theirs['seconds']):.1f}", "≤ 60, 3 times faster"],
        ["times faster", f"{ratio:.1f}", "1", "≥ 3"],
        ["objective", f"{values[0]:.6g}", f"{values[1]:.6g}", "within 1 %"],
        ["difference of the objective", f"{100 * (values[0] / values[1] - 1):+.3f} %", "", "≤ 1 %"],
        ["matched shared factors, median cosine", f"{np.median(matched):.3f}", "", ""],
        ["matched shared factors, cosine above 0.9", f"{(matched > 0.9).sum()} of 20", "", ""],
        ["the same between two of our own seeds", f"{np.median(again):.3f}, {(again > 0.9).sum()} of 20", "", ""],
    ]  # fmt: skip


def compare_harmony(data: Path) -> list[list[str]]:
    """Return the lines of the table about Harmony, on 20,000 cells resampled from a real PCA."""
    import anndata as ad
    import harmonypy
    import scanpy as sc

    from scbert_tools.pp._harmony import harmony

    adata = ad.read_h5ad(data / "unlabelled" / "pbmc_kang_full_unlabelled.h5ad")
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=N_GENES)
    sc.pp.pca(adata, n_comps=50)
    rng = np.random.default_rng(0)
    rows = rng.integers(adata.n_obs, size=20_000)
    positions = adata.obsm["X_pca"][rows] + rng.normal(scale=0.1, size=(20_000, 50))
    cells = ad.AnnData(obs=adata.obs.iloc[rows][["batch"]].reset_index(drop=True), obsm={"X_pca": positions})
    cells.obs_names = cells.obs_names.astype(str)
    seconds: dict[str, list[float]] = {"ours": [], "harmonypy": []}
    for _ in range(REPEATS):
        start = time.perf_counter()
        harmony(cells, "batch")
        between = time.perf_counter()
        plain = harmonypy.run_harmony(positions, cells.obs, "batch", verbose=False)
        seconds["ours"].append(between - start)
        seconds["harmonypy"].append(time.perf_counter() - between)
    difference = np.abs(cells.obsm["X_pca_harmony"] - plain.Z_corr).max()
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    return [
        ["Harmony, 20,000 cells × 50 PCs", "scbert_tools", f"harmonypy {version('harmonypy')}", "wanted"],
        [f"seconds, median of {REPEATS}", f"{medians['ours']:.2f}", f"{medians['harmonypy']:.2f}", ""],
        ["times the seconds of harmonypy", f"{medians['ours'] / medians['harmonypy']:.2f}", "1", "≤ 1.2"],
        ["largest difference", f"{difference:.1e}", "", "≤ 1e-5"],
    ]


def markdown(lines: list[list[str]]) -> str:
    """Return lines as a markdown table, the first one its head."""
    rows = [lines[0], ["---", *["--:"] * (len(lines[0]) - 1)], *lines[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def measure_minibatches(data: Path, n_cells: int, passes: int) -> dict[str, float]:
    """Factorise and align resampled cells 5,000 at a time; return seconds and peak memory."""
    from scbert_tools.model.inmf import factorize
    from scbert_tools.model.quantile_alignment import align_quantiles

    rng = np.random.default_rng(0)
    small = prepare(data)
    shares = np.array([matrix.shape[0] for matrix in small]) / sum(matrix.shape[0] for matrix in small)
    matrices = [
        x[rng.integers(x.shape[0], size=round(n_cells * share))] for x, share in zip(small, shares, strict=True)
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    found = factorize(matrices, n_factors=N_FACTORS, max_iter=passes, tolerance=0, cells_per_step=5_000, rng=rng)
    between = time.perf_counter()
    align_quantiles(found.loadings, rng=rng)
    return {
        "cells": n_cells,
        "seconds per pass": (between - start) / (passes + 1),
        "seconds of alignment": time.perf_counter() - between,
        "GB of input": sum(x.data.nbytes + x.indices.nbytes + x.indptr.nbytes for x in matrices) / 1e9,
        "GB at peak with the input": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "GB at peak before": before / 1e6,
        "objective per cell": found.objective[-1] / n_cells,
    }


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="Python interpreter that can import pyliger 0.2.4")
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--cells", type=int, help="measure minibatches on this many cells")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--peer-in", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--peer-out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer_in:
        peer(options.peer_in, options.peer_out)
        return
    if options.cells:
        sys.stdout.write(json.dumps(measure_minibatches(options.data, options.cells, options.passes), indent=1) + "\n")
        return
    tables = [compare_harmony(options.data)]
    tables += [compare_liger(options.data, options.peer)] if options.peer else []
    head = f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, Python {sys.version.split()[0]}, same run."
    text = "\n\n".join([f"{head} `liger_oracle.py` made this.", *map(markdown, tables)]) + "\n"
    sys.stdout.write(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "liger_oracle.md").write_text(text)


if __name__ == "__main__":
    main()
