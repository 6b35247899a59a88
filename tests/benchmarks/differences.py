"""Whether two methods differ within a data set by more than the choice of its cells explains.

Reads the labels that ``within.py`` keeps in the work folder. Run ``python differences.py`` from this folder.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from results import FOLDER
from within import STORED, WITHIN

if TYPE_CHECKING:
    from collections.abc import Iterator

N_DRAWS = 2_000
OURS, PEERS = "ours", ["logistic", "svm", "celltypist", "singler", "knn"]


def said_by(name: str, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Return codes of the true labels, (cells,), and of those that a method gave with each seed, (seeds, cells)."""
    runs = [np.load(path) for path in sorted(STORED.glob(f"{name}-{method}-[0-9]*.npz"))]
    classes = np.unique(runs[0]["truth"])
    # A name that is not among the true ones is wrong whatever it is: it gets the code after the last.
    places = [np.searchsorted(classes, one["labels"]).clip(max=len(classes) - 1) for one in runs]
    codes = [np.where(classes[at] == one["labels"], at, len(classes)) for at, one in zip(places, runs, strict=True)]
    return np.searchsorted(classes, runs[0]["truth"]), np.stack(codes)


def macro_f1(truth: np.ndarray, said: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the mean F1 of the classes, each cell taken so many times: (draws,).

    Parameters
    ----------
    truth, said
        (cells,) codes.
    times
        (draws, cells). A draw without any cell of a class is scored on the others.
    """
    n_classes = truth.max() + 1
    one_hot = np.eye(n_classes + 1)[:, :-1]
    right = times @ (one_hot[truth] * (truth == said)[:, None])
    there, named = times @ one_hot[truth], times @ one_hot[said]
    f1 = np.where(there > 0, 2 * right / np.maximum(there + named, 1), np.nan)
    return np.asarray(np.nanmean(f1, axis=1))


def rows(name: str, rng: np.random.Generator) -> Iterator[dict[str, object]]:
    """Yield how far ours is above each peer, over draws of the cells."""
    truth, ours = said_by(name, OURS)
    times = np.vstack([np.ones(len(truth)), rng.multinomial(len(truth), np.full(len(truth), 1 / len(truth)), N_DRAWS)])
    mean = np.mean([macro_f1(truth, one, times) for one in ours], axis=0)
    for peer in PEERS:
        above = mean - np.mean([macro_f1(truth, one, times) for one in said_by(name, peer)[1]], axis=0)
        low, high = np.quantile(above[1:], [0.025, 0.975])
        yield {"set": name, "peer": peer, "above": above[0], "error": above[1:].std(), "low": low, "high": high}


def main() -> None:
    """Compare on every set, write the table and print it."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame([row for name in WITHIN for row in rows(name, rng)]).round(4)
    table.to_csv(FOLDER / "within_differences.csv", index=False)
    sys.stdout.write(table.to_string(index=False) + "\n")


if __name__ == "__main__":
    main()
