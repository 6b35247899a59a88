"""Are cells of unknown types told from known ones? The table of all that ``unknown.py`` and ``siblings.py`` stored.

Run ``python unknown_table.py`` from this folder.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from fitting import LEVELS, beside_bulk, connectivities, remembered, usual_of
from held_out import held_out_sets, others
from results import FOLDER, markdown
from sklearn.metrics import roc_auc_score
from unknown import STORED, VOTES

from scbert_tools.infer.novelty import SIGNS, WEIGHTS, novelty, p_known
from scbert_tools.infer.refine import neighbour_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from held_out import HeldOutSet
    from scipy import sparse

TABLE = FOLDER / "unknown.csv"
BESIDE, TOGETHER, ALONE = (
    [f"rejected_{how}_at_{level}" for level in LEVELS] for how in ("beside", "together", "alone")
)
"""Share of unknown cells rejected in one data set with the known ones, the same where cells listen to their neighbours,
and where all cells are foreign."""

Usual = tuple[np.ndarray, tuple[float, float]]


def standardised(scores: dict[str, np.ndarray], usual: Usual, weights: np.ndarray = WEIGHTS) -> np.ndarray:
    """Return the novelty of cells by themselves."""
    signs = np.stack([scores[name] for name in SIGNS])
    return novelty(signs, scores["best"], scores["n_genes"], usual=usual[0], depth_range=usual[1], weights=weights)


COMBINED = {
    "usual_rarity": (0, 0, 1, 0, 0, 0), "usual_unlikeness": (0, 0, 0, 1, 0, 0), "usual_contrast": (0, 0, 0, 0, 1, 0),
    "usual_strangeness": (0, 0, 0, 0, 0, 1), "usual_energy": (0, 1, 0, 0, 0, 0),
    "unlikeness+strangeness": (0, 0, 0, 1, 0, 1),
}  # fmt: skip
"""Scores on the scale of what is usual for class and depth."""


def groups_of(stored: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Return the scores of every stored group of cells."""
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, x in stored.items():
        group, _, key = name.partition(":")
        if key:
            groups.setdefault(group, {})[key] = x
    return groups


def rows_of(stored: dict[str, np.ndarray], left_out: str, rest: Sequence[HeldOutSet]) -> list[dict[str, object]]:
    """Return the area under the ROC curve of every score and what is rejected, for each unknown group."""
    usual, groups = usual_of(rest), groups_of(stored)
    known_cells = remembered(rest, usual)
    for scores in groups.values():
        scores |= {name: standardised(scores, usual, np.array(w, np.float32)) for name, w in COMBINED.items()}
        scores["shipped"] = standardised(scores, usual)
    gone, truth, asked = str(stored["without"]), stored["truth"], stored["asked"]
    names = [name for name in groups["known"] if name not in ("best", "n_genes")]

    def rejected(odd: np.ndarray, which: np.ndarray, weights: sparse.csr_matrix | None = None) -> list[float]:
        p = p_known(beside_bulk(odd, known_cells), known_cells, weights=weights)
        return [float((p < level)[which].mean()) for level in LEVELS]

    def row(name: str, known: dict[str, np.ndarray], unknown: dict[str, np.ndarray]) -> dict[str, object]:
        kept = asked & (truth != gone)
        areas = {k: area(known[k][kept], unknown[k]) for k in names}
        # In one data set with the known cells, and by themselves where all their genes were kept.
        both = np.concatenate([known["shipped"][kept], unknown["shipped"]])
        beside = rejected(both, np.arange(len(both)) >= kept.sum())
        return {"unknown": name, "n": len(unknown["best"])} | areas | dict(zip(BESIDE, beside, strict=True))

    if gone:
        scores, graph = groups["known"], neighbour_weights(connectivities(left_out))
        together = graph @ scores["shipped"]
        found = row(f"sibling: {gone}", scores, {k: x[truth == gone] for k, x in scores.items()})
        found["shipped_together"] = area(together[asked & (truth != gone)], together[truth == gone])
        return [found | dict(zip(TOGETHER, rejected(scores["shipped"], truth == gone, graph), strict=True))]
    found = []
    for name in (group.removeprefix("foreign/") for group in groups if group.startswith("foreign/")):
        alone = rejected(groups[f"alone/{name}"]["shipped"], np.arange(len(groups[f"alone/{name}"]["best"])))
        together = row(f"lineage: {name}", groups[f"known/{name}"], groups[f"foreign/{name}"])
        found.append(together | dict(zip(ALONE, alone, strict=True)))
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
        rows += [about | row for row in rows_of(dict(np.load(path)), left_out, rest)]
    result = pd.DataFrame(rows)
    result.round(4).to_csv(TABLE, index=False)
    kinds = result.groupby(["unknown", "model"])
    means = kinds.mean(numeric_only=True).drop(columns=["seed", "n"])
    means.index = [f"{unknown} ({model}, {n})" for (unknown, model), n in kinds.size().items()]
    sys.stdout.write(f"{markdown(means)}\n")


if __name__ == "__main__":
    table()
