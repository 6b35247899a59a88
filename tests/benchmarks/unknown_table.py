"""Are cells of unknown types told from known ones? The table of all that ``unknown.py`` and ``siblings.py`` stored.

Run ``python unknown_table.py`` from this folder.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from fitting import LEVELS, connectivities, judged, temperature_of, usual_of
from held_out import held_out_sets, others, profiles_without
from results import FOLDER, markdown
from scipy import sparse
from scipy.special import softmax
from scoring import load_once
from sklearn.metrics import roc_auc_score
from unknown import FOREIGN, STORED, VOTES, groups_of

from scbert_tools.infer.held_out import HeldOutCells
from scbert_tools.infer.novelty import SIGNS
from scbert_tools.infer.profiles import LabelledCells, log_expression
from scbert_tools.infer.refine import neighbour_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fitting import Judged

    from scbert_tools.model.known_cells import UsualNovelty

TABLE = FOLDER / "unknown.csv"
SHOWN = ("energy", "surplus")
"""Signs whose area is shown by themselves."""

DISTANCES = ("mahalanobis", "prototype")
"""Scores of the vectors, which votes do not have."""


class Judge:
    """Tells known cells of one left-out set from unknown ones, by what one training said of them.

    Parameters
    ----------
    stored
        What the training left.
    left_out
        The set.
    usual, temperature
        What other left-out sets taught.
    """

    def __init__(
        self, stored: Mapping[str, np.ndarray], left_out: str, *, usual: UsualNovelty, temperature: float
    ) -> None:
        self.stored, self.left_out, self.usual, self.temperature = stored, left_out, usual, temperature
        self.gone, self.asked, self.test = str(stored["without"]), stored["asked"], load_once(left_out)
        self.groups = groups_of(self.test, foreign=not self.gone)

    def cells(self, *names: str, graph: bool = False) -> HeldOutCells:
        """Return groups of cells as one data set."""
        logits = np.concatenate([self.stored[f"{name}:logits"] for name in names])
        logs = log_expression(sparse.vstack([self.groups[name][0] for name in names], format="csr"))
        profiles = profiles_without(self.test.group, self.gone)
        # Nobody asks here which classes are right.
        nothing = np.zeros(logits.shape, bool)
        whole = LabelledCells(logs, nothing, self.groups[names[0]][1])
        weights = neighbour_weights(connectivities(self.left_out)) if graph else None
        return HeldOutCells(logits, nothing.argmax(axis=1), np.diff(logs.indptr), whole, profiles, weights)

    def judged(self, cells: HeldOutCells) -> Judged:
        """Return how odd the cells of a data set are."""
        return judged(cells, self.usual, self.temperature)

    def row(self, *names: str, known: np.ndarray, unknown: np.ndarray, graph: bool = False) -> dict[str, float]:
        """Return how well some cells of a data set are told from others, and how many of the latter are rejected."""
        cells = self.cells(*names, graph=graph)
        odd = self.judged(cells)
        scores = {"max_softmax": -softmax(cells.logits, axis=1).max(axis=1)}
        scores |= {name: odd.signs[SIGNS.index(name)] for name in SHOWN}
        for name in DISTANCES:
            if f"{names[0]}:{name}" in self.stored:
                scores[name] = np.concatenate([self.stored[f"{group}:{name}"] for group in names])
        scores |= {"novelty": odd.novelty}
        if graph:
            scores |= {"together": odd.group, "known_together": -odd.p_together}
        row: dict[str, float] = {"n": int(unknown.sum())}
        row |= {name: area(x[known], x[unknown]) for name, x in scores.items()}
        for level in LEVELS:
            row[f"rejected_at_{level}"] = (odd.p_alone < level)[unknown].mean()
            if graph:
                row[f"rejected_together_at_{level}"] = (odd.p_together < level)[unknown].mean()
        return row

    def rows(self) -> list[dict[str, object]]:
        """Return a row for the type left out, or for each foreign lineage."""
        if self.gone:
            gone = self.test.coarse == self.gone
            row = self.row("known", known=self.asked & ~gone, unknown=gone, graph=True)
            return [{"unknown": f"sibling: {self.gone}"} | row]
        found = []
        for name in FOREIGN:
            n_foreign = len(self.stored[f"foreign/{name}:logits"])
            known, unknown = np.r_[self.asked, np.zeros(n_foreign, bool)], np.arange(len(self.asked) + n_foreign)
            row = self.row(f"known/{name}", f"foreign/{name}", known=known, unknown=unknown >= len(self.asked))
            alone = self.judged(self.cells(f"alone/{name}")).p_alone
            row |= {f"rejected_alone_at_{level}": (alone < level).mean() for level in LEVELS}
            found.append({"unknown": f"lineage: {name}"} | row)
        return found


def area(known: np.ndarray, unknown: np.ndarray) -> float:
    """Return how often an unknown cell scores higher than a known one."""
    truth = np.repeat([0, 1], [len(known), len(unknown)])
    return float(roc_auc_score(truth, np.nan_to_num(np.concatenate([known, unknown]))))


def table() -> None:
    """Write and print the areas of all stored trainings."""
    rows = []
    sources = {"whole": held_out_sets(), VOTES: held_out_sets(source=VOTES)}
    for path in sorted(STORED.rglob("*.npz")):
        left_out, seed = path.stem.split("_")[:2]
        about = {"model": "whole" if path.parent == STORED else VOTES, "left_out": left_out, "seed": int(seed)}
        rest = [one for one in others(sources[about["model"]], left_out) if one.seed == int(seed)]
        temperature = temperature_of(rest)
        judge = Judge(np.load(path), left_out, usual=usual_of(rest, temperature), temperature=temperature)
        rows += [about | row for row in judge.rows()]
    result = pd.DataFrame(rows)
    result.round(4).to_csv(TABLE, index=False)
    kinds = result.groupby(["unknown", "model"])
    means = kinds.mean(numeric_only=True).drop(columns=["seed", "n"])
    means.index = [f"{unknown} ({model}, {n})" for (unknown, model), n in kinds.size().items()]
    sys.stdout.write(f"{markdown(means)}\n")


if __name__ == "__main__":
    table()
