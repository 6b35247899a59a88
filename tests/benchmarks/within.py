"""Fine labels inside one data set: folds of cells, one donor held out at a time, or all donors but one.

Run ``python within.py --help`` from this folder.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import anndata as ad
import numpy as np
import typer
from datasets import SHARED, Labelled
from ours import WORK
from results import FOLDER, is_written, report, row_of, write_rows
from runners import peer_runner, seeds_of
from scipy import sparse
from scoring import Prediction, load_once, score, trainable_classes
from sklearn.model_selection import StratifiedKFold

from scbert_tools.tokens.recover_counts import recover_counts
from scbert_tools.tokens.scale import detect_scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runners import Runner
    from scoring import Score

TABLE = FOLDER / "within.csv"
STORED = WORK / "within"
WITHIN = ["baron", "baron_one", "pbmc3k", "zheng", "zheng_cd8_pair", "breast_til", "pdac"]
CD8_PAIR = ["cytotoxic CD8 T", "naive CD8 T"]
N_FOLDS = 5
FOLD_SEED = 0

Fold = tuple[Labelled, list[Labelled]]


def take(one: Labelled, rows: np.ndarray) -> Labelled:
    """Return the cells ``rows``, an index or a mask."""
    return replace(one, counts=one.counts[rows], label=one.label[rows])


def load_baron() -> list[Labelled]:
    """Read the pancreatic islets of Baron et al., one set for every donor."""
    adata = ad.read_h5ad(SHARED / "data/labelled/baron_pancreas.h5ad")
    counts = sparse.csr_matrix(adata.X).astype(np.float32)
    label, donor = adata.obs["cell_type"].to_numpy(str), adata.obs["donor"].to_numpy(str)
    genes = adata.var_names.to_numpy(str)
    return [
        Labelled(f"baron_{name}", name, counts[donor == name], genes, label[donor == name]) for name in np.unique(donor)
    ]


def load_breast() -> Labelled:
    """Read the immune cells of breast tumours, shipped as logarithms to base 2."""
    adata = ad.read_h5ad(SHARED / "data/labelled/breast_til_spectra.h5ad")
    logged = sparse.csr_matrix(adata.X)
    counts, label = recover_counts(logged, detect_scale(logged)), adata.obs["cell_type"].to_numpy(str)
    return Labelled("breast_til", "breast_til", counts, adata.var_names.to_numpy(str), label)


def load_pdac() -> Labelled:
    """Read the pancreatic tumours of Moncada et al."""
    adata = ad.read_h5ad(SHARED / "data/labelled/pdac_moncada_sc.h5ad")
    counts = sparse.csr_matrix(adata.X).astype(np.float32)
    return Labelled("pdac", "pdac", counts, adata.var_names.to_numpy(str), adata.obs["cell_type"].to_numpy(str))


OWN_READERS = {"breast_til": load_breast, "pdac": load_pdac}


def whole(name: str) -> Labelled:
    """Read a set that is split into folds of cells."""
    if name in OWN_READERS:
        return OWN_READERS[name]()
    one = load_once(name.removesuffix("_cd8_pair"))
    return take(one, np.isin(one.label, CD8_PAIR)) if name.endswith("_cd8_pair") else one


def joined(parts: Sequence[Labelled]) -> Labelled:
    """Return the cells of several sets with the same genes as one."""
    counts, label = sparse.vstack([one.counts for one in parts]).tocsr(), np.concatenate([one.label for one in parts])
    return replace(parts[0], counts=counts, label=label)


def folds(name: str) -> Iterator[Fold]:
    """Yield test and training cells: donors of the pancreas, stratified folds of the others."""
    if name.startswith("baron"):
        donors = load_baron()
        for one in donors:
            others = [other for other in donors if other is not one]
            yield (joined(others), [one]) if name == "baron_one" else (one, others)
        return
    one = whole(name)
    splitter = StratifiedKFold(N_FOLDS, shuffle=True, random_state=FOLD_SEED)
    for fit, held in splitter.split(one.label, one.label):
        yield take(one, held), [take(one, fit)]


def is_asked(test: Labelled, train: Sequence[Labelled]) -> np.ndarray:
    """Return whether the class of a test cell has enough training cells: (cells,)."""
    return np.isin(test.label, trainable_classes(np.concatenate([one.label for one in train]), target="label"))


def pooled(truth: np.ndarray, asked: np.ndarray, every: Sequence[Prediction]) -> tuple[Score, Prediction]:
    """Score the predictions of all folds as one, on the cells whose class had enough training cells in their fold."""
    labels = np.concatenate([np.asarray(one.labels, str) for one in every])
    stated = None if every[0].confidence is None else np.concatenate([one.confidence for one in every])
    seconds = sum(one.seconds_fit for one in every), sum(one.seconds_predict for one in every)
    options = " / ".join(sorted({one.options for one in every}))
    result = score(truth[asked], labels[asked], None if stated is None else stated[asked])
    return replace(result, n_left_out=int((~asked).sum())), Prediction(labels, stated, *seconds, options=options)


def runner_of(method: str) -> Runner:
    """Return what trains and predicts: our fine-tuning, or a peer."""
    from fine_tune import fit_predict

    return partial(fit_predict, method=method) if method.startswith("ours") else peer_runner(method, target="label")


def run_one(name: str, method: str, seed: int) -> None:
    """Run a method on all folds of a set, add the scores to the table and keep the labels for ``differences.py``."""
    predict = runner_of(method)
    parts = list(folds(name))
    asked = np.concatenate([is_asked(test, train) for test, train in parts])
    truth = np.concatenate([test.label for test, _ in parts])
    predicted = [predict(train, test, seed) for test, train in parts]
    STORED.mkdir(parents=True, exist_ok=True)
    rows = []
    for called in predicted[0]:
        result, prediction = pooled(truth, asked, [one[called] for one in predicted])
        rows.append(row_of(name, called, seed, result, prediction))
        np.savez(STORED / f"{name}-{called}-{seed}.npz", truth=truth[asked], labels=prediction.labels[asked])
    write_rows(TABLE, rows)


def main(
    *,
    method: Annotated[list[str] | None, typer.Option(help="A peer, `ours`, `ours_unlabelled`; repeatable.")] = None,
    name: Annotated[list[str] | None, typer.Option("--set", help="A set; all of them by default.")] = None,
    n_seeds: Annotated[int, typer.Option(help="Seeds of the methods that have randomness.")] = 3,
    resume: Annotated[bool, typer.Option("--resume", help="Leave out what the table already holds.")] = False,
    show: Annotated[bool, typer.Option("--report", help="Print the tables as markdown.")] = False,
) -> None:
    """Run methods, each on every set, and report."""
    for one in name or WITHIN:
        for called in method or []:
            for seed in seeds_of(called, n_seeds):
                if not (resume and is_written(TABLE, one, called, seed)):
                    run_one(one, called, seed)
    if show:
        report(TABLE, sets=WITHIN)


if __name__ == "__main__":
    typer.run(main)
