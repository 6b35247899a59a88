"""Batch correction by five representations: mixing, preserved biology, and labels carried to a left-out batch.

    python tests/benchmarks/batches.py [--data DIR] [--model MODEL] [--set NAME ...] [--tables-only]

Needs `pip install . scib-metrics` (0.5.10 on Python 3.11). Results are kept in `results/batches.csv`, one row per data
set and representation, replaced when run again; the table goes to `results/batches.md`, the figure to
`results/batches.png`. Representations made of `X_scbert` need `sbt.tl.embed`.

Metrics (Luecken et al. 2022, Nature Methods 19, 41), all from 0 to 1, higher is better: iLISI, kBET and graph
connectivity for mixing; cLISI, NMI and ARI (k-means) for biology. Macro-F1: every batch in turn gives up its labels and
gets those of its 15 nearest cells in the other batches; corrections see all cells and no label.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc

from scbert_tools.pp._harmony import harmony
from scbert_tools.pp._liger import liger

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = Path(os.environ.get("SCBERT_SHARED", Path(__file__).parents[3] / "shared"))
RESULTS = Path(__file__).parent / "results"
METRICS = ["iLISI", "kBET", "connectivity", "cLISI", "NMI", "ARI", "macro-F1"]
METHODS = {
    "none (PCA)": "X_pca",
    "Harmony on PCA": "X_pca_harmony",
    "LIGER": "X_liger",
    "X_scbert": "X_scbert",
    "Harmony on X_scbert": "X_scbert_harmony",
}
N_GENES = 2_000
N_NEIGHBORS = 15
MIN_CELLS = 10
"""Types with fewer cells in the other batches are not asked for in the left-out one."""


@dataclass(frozen=True)
class Source:
    """A data set with batches and its authors' labels."""

    path: str
    batch: str
    seen: bool
    """Whether the shipped model may have learned from these cells."""


SOURCES = {
    "pbmc_symphony_3tech": Source("labelled/pbmc_symphony_3tech.h5ad", "batch", seen=True),
    "pbmc_kang_ifnb2800": Source("labelled/pbmc_kang_ifnb2800.h5ad", "condition", seen=True),
    "baron_pancreas": Source("labelled/baron_pancreas.h5ad", "donor", seen=False),
}


def load(name: str, data: Path) -> ad.AnnData:
    """Read counts; `X` becomes log CP10k, with variable genes and PCA."""
    adata = ad.read_h5ad(data / SOURCES[name].path)
    adata.obs["batch"] = adata.obs[SOURCES[name].batch].astype(str)
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=min(N_GENES, adata.n_vars - 1), batch_key="batch")
    sc.pp.pca(adata, n_comps=50)
    return adata


def embed(adata: ad.AnnData, model: str) -> None:
    """Write `X_scbert` from the counts."""
    import scbert_tools as sbt

    counts = ad.AnnData(adata.layers["counts"], obs=adata.obs[[]], var=adata.var[[]])
    sbt.tl.embed(counts, model=model)
    adata.obsm["X_scbert"] = counts.obsm["X_scbert"]


def makers(model: str) -> dict[str, Callable[[ad.AnnData], object]]:
    """Return for each representation what computes it, in an order in which each finds what it builds on."""
    return {
        "none (PCA)": lambda adata: None,
        "Harmony on PCA": lambda adata: harmony(adata, "batch"),
        "LIGER": lambda adata: liger(adata, "batch", layer="counts"),
        "X_scbert": lambda adata: embed(adata, model),
        "Harmony on X_scbert": lambda adata: harmony(
            adata, "batch", basis="X_scbert", adjusted_basis="X_scbert_harmony"
        ),
    }


def integration(positions: np.ndarray, batch: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Score mixing of batches and separation of cell types with scib-metrics."""
    import scib_metrics as scib
    from scib_metrics.nearest_neighbors import NeighborsResults
    from sklearn.neighbors import NearestNeighbors

    distances, indices = NearestNeighbors(n_neighbors=90).fit(positions).kneighbors(positions)
    near = NeighborsResults(indices=indices, distances=distances)
    clusters = scib.nmi_ari_cluster_labels_kmeans(positions, label)
    return {
        "iLISI": float(scib.ilisi_knn(near, batch)),
        "kBET": float(scib.kbet_per_label(near.subset_neighbors(50), batch, label)),
        "connectivity": float(scib.graph_connectivity(near.subset_neighbors(15), label)),
        "cLISI": float(scib.clisi_knn(near, label)),
        "NMI": float(clusters["nmi"]),
        "ARI": float(clusters["ari"]),
    }


def carried_labels(positions: np.ndarray, batch: np.ndarray, label: np.ndarray) -> float:
    """Return the macro-F1 of labels carried to each batch from the others, the mean over batches."""
    from sklearn.metrics import f1_score
    from sklearn.neighbors import KNeighborsClassifier

    scores = []
    for left_out in np.unique(batch):
        test = batch == left_out
        names, n_cells = np.unique(label[~test], return_counts=True)
        asked = test & np.isin(label, names[n_cells >= MIN_CELLS])
        predicted = KNeighborsClassifier(N_NEIGHBORS).fit(positions[~test], label[~test]).predict(positions[asked])
        present = np.unique(label[asked])
        scores.append(f1_score(label[asked], predicted, labels=present, average="macro", zero_division=0))
    return float(np.mean(scores))


def measure(name: str, data: Path, model: str) -> pd.DataFrame:
    """Score every representation of one data set that can be made."""
    adata = load(name, data)
    batch, label = (adata.obs[column].to_numpy(str) for column in ("batch", "cell_type"))
    rows = []
    for method, make in makers(model).items():
        start = time.perf_counter()
        try:
            make(adata)
        except (AttributeError, FileNotFoundError, ImportError) as error:
            sys.stderr.write(f"{name}, {method}: left out, {error}\n")
            continue
        seconds = time.perf_counter() - start
        positions = np.asarray(adata.obsm[METHODS[method]], dtype=np.float32)
        scores = {**integration(positions, batch, label), "macro-F1": carried_labels(positions, batch, label)}
        rows.append({"set": name, "method": method, **scores, "seconds": seconds})
        sys.stderr.write(f"{name}, {method}: {scores}\n")
    return pd.DataFrame(rows)


def update(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Replace rows of the same set and method, and write the table."""
    known = [pd.read_csv(path)] if path.exists() else []
    table = pd.concat([*known, rows]).drop_duplicates(["set", "method"], keep="last")
    rank = {name: i for i, name in enumerate([*SOURCES, *METHODS])}
    table = table.sort_values(["set", "method"], key=lambda column: column.map(rank)).round(4)
    path.parent.mkdir(exist_ok=True)
    table.to_csv(path, index=False)
    return table


def markdown(table: pd.DataFrame) -> str:
    """Return one table: a line per data set and representation."""
    head = ["data set", "representation", *METRICS, "seconds"]
    lines = [head, ["---", "---", *["--:"] * (len(METRICS) + 1)]]
    for row in table.to_dict("records"):
        mark = " *" if SOURCES[row["set"]].seen and "scbert" in row["method"] else ""
        numbers = [f"{row[metric]:.3f}" for metric in METRICS]
        lines.append([row["set"], row["method"] + mark, *numbers, f"{row['seconds']:.1f}"])
    note = "\\* The shipped model was trained on these cells and their labels: an upper bound, not a forecast."
    made = f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores; `batches.py` made this and says how."
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", note, made, ""])


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw one panel per data set, a row per representation, a column per metric."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    sets = [name for name in SOURCES if name in set(table["set"])]
    size = (4.2 * len(sets) + 1.5, 3.0)
    figure, axes = plt.subplots(1, len(sets), figsize=size, sharey=True, layout="constrained", squeeze=False)
    methods = [name for name in METHODS if name in set(table["method"])]
    for ax, name in zip(axes[0], sets, strict=True):
        values = table[table["set"] == name].set_index("method").reindex(methods)[METRICS].to_numpy(float)
        image = ax.imshow(values, cmap="viridis", vmin=0, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color="wk"[int(value > 0.6)])
        ax.set_xticks(range(len(METRICS)), METRICS, rotation=40, ha="right")
        ax.set_yticks(range(len(methods)), methods)
        ax.set_title(name, fontsize=10)
        ax.axvline(2.5, color="w", lw=3)
        ax.axvline(5.5, color="w", lw=3)
    figure.colorbar(image, ax=axes, label="0 worst, 1 best", shrink=0.8)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--model", default="pbmc", help="name or folder of the model behind X_scbert")
    parser.add_argument("--set", nargs="*", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--tables-only", action="store_true", help="write table and figure from the kept results")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    table = pd.DataFrame()
    for name in [] if options.tables_only else options.set:
        table = update(RESULTS / "batches.csv", measure(name, options.data, options.model))
    table = pd.read_csv(RESULTS / "batches.csv") if table.empty else table
    (RESULTS / "batches.md").write_text(markdown(table))
    sys.stdout.write(markdown(table))
    draw(table, RESULTS / "batches.png")


if __name__ == "__main__":
    main()
