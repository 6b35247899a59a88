"""Fit the temperature on data sets that were left out, and say how far stated and true accuracy differ.

Run ``python calibrate.py`` from this folder after ``transfer.py --method ours``.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import typer
from datasets import COARSE, TRANSFER
from ours import WORK
from results import FOLDER, markdown
from scipy.optimize import minimize_scalar
from scoring import calibration_error, folds, settle, trainable_classes
from sources import TREE

from scbert_tools.infer.forward import CellStates
from scbert_tools.model.labels import LabelTree

SEEDS = range(3)
TABLE = FOLDER / "calibration.csv"
LEAVES = LabelTree(TREE)
NAMES = np.array(sorted({COARSE.get(leaf, leaf) for leaf in LEAVES.leaves}))
MEMBERS = LEAVES.membership(NAMES).T.astype(np.float32)


def outcome(logits: np.ndarray, truth: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each cell's coarse label is right and the probability stated for it."""
    states = CellStates(logits, np.zeros((len(logits), 0), np.float32), np.ones(len(logits), np.int64))
    probabilities = states.probabilities(temperature) @ MEMBERS
    best = probabilities.argmax(axis=1)
    truth, predicted = settle(truth, NAMES[best])
    return truth == predicted, probabilities[np.arange(len(best)), best]


def mean_log_loss(temperature: float, sets: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return minus the log-likelihood of the outcomes, every set weighing the same."""
    losses = []
    for logits, truth in sets:
        right, stated = outcome(logits, truth, temperature)
        stated = np.clip(stated, 1e-6, 1 - 1e-6)
        losses.append(-np.where(right, np.log(stated), np.log1p(-stated)).mean())
    return float(np.mean(losses))


def fitted_temperature(sets: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the temperature under which the stated probabilities are likeliest."""
    return float(minimize_scalar(mean_log_loss, bounds=(0.3, 6), args=(sets,), method="bounded").x)


def left_out_sets(seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return what the models of a seed said of the sets they had not seen, and the truth."""
    found = {}
    for test, train in folds(TRANSFER):
        path = WORK / "logits" / f"{test.name}_{seed}.npz"
        classes = trainable_classes(np.concatenate([one.coarse for one in train]))
        asked = np.isin(settle(test.coarse, test.coarse)[0], classes)
        if path.is_file():
            found[test.name] = np.load(path)["logits"][asked], test.coarse[asked]
    return found


def main() -> None:
    """Write and print the table, and the temperature for the shipped model."""
    every = {seed: left_out_sets(seed) for seed in SEEDS}
    pooled = [one for sets in every.values() for one in sets.values()]
    rows = []
    for seed, sets in every.items():
        for name, one in sets.items():
            others = [sets[other] for other in sets if other != name]
            temperature = fitted_temperature(others)
            errors = {
                f"ece_{kind}": calibration_error(*outcome(*one, t))
                for kind, t in (("raw", 1), ("calibrated", temperature))
            }
            rows.append({"set": name, "seed": seed, "temperature": temperature} | errors)
    table = pd.DataFrame(rows).round(4)
    table.to_csv(TABLE, index=False)
    means = table.groupby("set", sort=False).mean(numeric_only=True).drop(columns="seed")
    sys.stdout.write(f"{markdown(means)}\n\ntemperature for the shipped model: {fitted_temperature(pooled):.3f}\n")


if __name__ == "__main__":
    typer.run(main)
