"""Is confidence true for new cells of the very data sets that trained a model?

    python in_distribution.py train --seed 0      # one training; a tenth of every label of every set is not trained on
    python in_distribution.py table

Every training leaves what it said of the held-out cells in the work folder.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd
import typer
from confidence import coverage_row, sets_of
from fitting import held_out_cells, judged, temperature_of, usual_of
from held_out import HeldOutSet, held_out_sets, material
from ours import WORK, cells_of, fit_transfer
from results import FOLDER, markdown
from scoring import calibration_error, load_once, settle, trainable_classes

from scbert_tools.infer.forward import read_cells

if TYPE_CHECKING:
    from datasets import Labelled

TABLE = FOLDER / "in_distribution.csv"
STORED = WORK / "in_distribution"
SETS = ("pbmc3k", "kang", "zheng", "symphony", "malt", "eccite", "trex")
"""One set of every group: another of the same donors could hold the same cells."""

HELD_OUT = 0.1
FEWEST = 10
"""Labels with fewer cells in a set are trained on whole."""


def held_out_rows(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the cells of a set that are kept from training, in order."""
    names, n_cells = np.unique(label, return_counts=True)
    own = [rng.permutation(np.flatnonzero(label == name)) for name in names[n_cells >= FEWEST]]
    return np.sort(np.concatenate([rows[: round(HELD_OUT * len(rows))] for rows in own]))


def split(seed: int) -> dict[str, np.ndarray]:
    """Return the held-out cells of every set."""
    return {name: held_out_rows(load_once(name).label, np.random.default_rng([seed, i])) for i, name in enumerate(SETS)}


def without(one: Labelled, rows: np.ndarray) -> Labelled:
    """Return a set without some cells."""
    kept = np.setdiff1d(np.arange(len(one.label)), rows)
    return replace(one, counts=one.counts[kept], label=one.label[kept])


def train(*, seed: Annotated[int, typer.Option(help="Seed of the split and the training.")] = 0) -> None:
    """Train one model as the recipe does, on nine tenths of every set, and keep what it says of the last tenth."""
    held_out = split(seed)
    sets = [without(load_once(name), rows) for name, rows in held_out.items()]
    annotator = fit_transfer(sets, "kang", seed=seed, without="")  # unlabelled blood without the donors of kang
    STORED.mkdir(parents=True, exist_ok=True)
    logits = {}
    for name, rows in held_out.items():
        counts = cells_of(load_once(name)).counts[rows]
        states = read_cells(annotator, lambda cells, counts=counts: counts[cells], len(rows), progress=False)
        logits[name] = states.logits
    np.savez_compressed(STORED / f"{seed}.npz", **logits)


def stored_sets(seed: int) -> list[HeldOutSet]:
    """Return the held-out cells of every set as the model of a seed saw them."""
    logits, found = np.load(STORED / f"{seed}.npz"), []
    learned = trainable_classes(np.concatenate([load_once(name).coarse for name in SETS]))
    for name, rows in split(seed).items():
        truth = load_once(name).coarse[rows]
        asked = np.isin(settle(truth, truth)[0], learned)
        n_genes = np.diff(material(name).logs.indptr)[rows]
        found.append(HeldOutSet(name, seed, logits[name][asked], truth[asked], rows[asked], n_genes[asked]))
    return found


def rows_of(seed: int, left_out: list[HeldOutSet]) -> list[dict[str, float | str]]:
    """Return calibration and coverage of every set, and of all cells together, by what left-out sets taught."""
    sets, temperature = stored_sets(seed), temperature_of(left_out)
    known, usual, rows = sets_of(left_out, temperature), usual_of(left_out, temperature), []
    outcomes = [one.outcome(one.likely(temperature)) for one in sets]
    for one, (right, stated) in zip(sets, outcomes, strict=True):
        own = temperature_of([other for other in sets if other is not one])
        odd = judged(held_out_cells(one), usual, temperature)
        rows.append(
            {"set": one.name, "seed": seed, "n": len(right), "accuracy": right.mean(), "temperature": temperature}
            | {"ece": calibration_error(right, stated), "temperature_within": own}
            | {"ece_within": calibration_error(*one.outcome(one.likely(own)))}
            | coverage_row(one, np.arange(len(right)), known, temperature, odd.p_alone)
        )
    right, stated = (np.concatenate(x) for x in zip(*outcomes, strict=True))
    within = [one.outcome(one.likely(row["temperature_within"])) for one, row in zip(sets, rows, strict=True)]
    together = {"set": "together", "seed": seed, "n": len(right), "accuracy": right.mean(), "temperature": temperature}
    error = calibration_error(*(np.concatenate(x) for x in zip(*within, strict=True)))
    return [*rows, together | {"ece": calibration_error(right, stated), "ece_within": error}]


def table() -> None:
    """Write and print calibration of all stored trainings."""
    left_out, seeds = held_out_sets(), sorted(int(path.stem) for path in STORED.glob("*.npz"))
    rows = [row for seed in seeds for row in rows_of(seed, [one for one in left_out if one.seed == seed])]
    result = pd.DataFrame(rows)
    result.round(4).to_csv(TABLE, index=False)
    means = result.groupby("set", sort=False).mean(numeric_only=True).drop(columns="seed")
    sys.stdout.write(f"{markdown(means)}\n\nseeds: {seeds}\n")


app = typer.Typer(help=__doc__)
app.command()(train)
app.command()(table)

if __name__ == "__main__":
    app()
