"""Shallower cells and smaller panels: what augmentation of depth and panels is worth on cells of another laboratory.

Run ``python depth.py --set zheng --set pbmc3k``; models trained without the group of a set are kept in the work folder.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
import ours
import pandas as pd
import typer
from datasets import SOURCES, Labelled
from results import FOLDER
from scipy import sparse
from scoring import folds, score_transfer

from scbert_tools.data.augment import thin

if TYPE_CHECKING:
    from collections.abc import Callable

    from scbert_tools.model.annotator import Annotator

TABLE = FOLDER / "depth.csv"


def shallower(counts: sparse.csr_matrix, kept: float, rng: np.random.Generator) -> sparse.csr_matrix:
    """Return counts of which each molecule is kept with this probability."""
    return thin(counts.copy(), np.full(counts.shape[0], kept), rng)


def panel(counts: sparse.csr_matrix, share: float, rng: np.random.Generator) -> sparse.csr_matrix:
    """Return counts of a random share of the genes."""
    return (counts @ sparse.diags((rng.random(counts.shape[1]) < share).astype(np.float32))).tocsr()


VARIANTS: dict[str, tuple[Callable[..., sparse.csr_matrix], tuple[float, ...]]] = {
    "molecules": (shallower, (1.0, 0.5, 0.25, 0.1, 0.05)),
    "genes": (panel, (0.5, 0.25, 0.1, 0.05)),
}
"""What is taken away, and the shares that are left."""


def rows(name: str, method: str, annotator: Annotator) -> list[dict[str, object]]:
    """Return the scores of one model on every variant of one set; a variant is the same for all models."""
    test, train = next(folds([name]))
    found = []
    for what, (change, shares) in VARIANTS.items():
        for share in shares:
            counts = change(test.counts, share, np.random.default_rng(0))
            result = score_transfer(test, train, said(annotator, replace(test, counts=counts)))
            scores = {"accuracy": result.accuracy, "macro_f1": result.macro_f1, "ece": result.calibration_error}
            found.append({"set": name, "method": method, "left": what, "share": share, **scores})
    return found


def said(annotator: Annotator, test: Labelled) -> ours.Prediction:
    """Return the likeliest label of every cell and its probability."""
    states = ours.read_counts(annotator, ours.cells_of(test).counts)
    return ours.prediction_of(annotator, states.probabilities(1.0), (0.0, 0.0))


def main(*, name: Annotated[list[str], typer.Option("--set", help="A set of `transfer.py`; may be repeated.")]) -> None:
    """Score models trained with and without augmentation."""
    models = {"ours": "", "ours_plain": "plain"}
    found = [
        line
        for one in name
        for method, without in models.items()
        for line in rows(one, method, ours.left_out_model(SOURCES[one].group, without=without))
    ]
    pd.DataFrame(found).round(4).to_csv(TABLE, index=False)
    typer.echo(pd.DataFrame(found).pivot_table(index=["set", "left", "share"], columns="method", values="macro_f1"))


if __name__ == "__main__":
    typer.run(main)
