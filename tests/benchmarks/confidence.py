"""Can confidence, label sets, rejection and refinement be acted on? Everything is fitted without the set tested on.

Run ``python confidence.py`` from this folder after ``transfer.py --method ours``; ``unknown.py`` adds unknown types.
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import typer
from fitting import LEVELS, fit_gate, graph_of, held_out_cells, judged, macro_f1, markers, temperature_of, usual_of
from held_out import MEMBERS, SET_NAMES, TREE_OF_ALL, HeldOutSet, held_out_sets, material, others, profiles_without
from ours import cells_of, vocabulary
from results import FOLDER, markdown
from scoring import AMBIGUOUS, calibration_error, load_once

from scbert_tools.infer.conformal import HeldOut, cells_needed, completed
from scbert_tools.infer.doublets import doublet_scores, incompatible
from scbert_tools.infer.held_out import scores_for_sets
from scbert_tools.infer.label_sets import label_sets
from scbert_tools.infer.own_markers import borne_out, markers_of
from scbert_tools.infer.profiles import likeness_of, log_expression
from scbert_tools.infer.recalibrate import scores_from, updated_temperature
from scbert_tools.infer.refine import average_evidence, gated_evidence
from scbert_tools.infer.surplus import expected_on

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLES = {False: FOLDER / "confidence.csv", True: FOLDER / "confidence_published.csv"}
CLASSES = {False: FOLDER / "coverage.csv", True: FOLDER / "coverage_published.csv"}
COVERAGE = 0.9
COVERAGES = (0.8, 0.9, 0.95)
"""Asked for in the tables of classes."""

N_LABELLED = 150
"""Cells of the user's own that are labelled in the rows ``own``."""

N_REPEATS = 10
GATE = "CD8 T|NK cell"
"""What a protein gate that leaves two types open is called in the tree."""

MIN_CELLS = 30
"""Classes with fewer test cells are not asked for their coverage."""


def sets_of(sets: Sequence[HeldOutSet], temperature: float) -> HeldOut:
    """Return the scores of held-out cells, every set weighing about the same."""
    cells = [held_out_cells(one) for one in sets]
    return scores_for_sets(TREE_OF_ALL, cells, names=SET_NAMES, temperature=temperature)


@cache
def marked_labels(one: HeldOutSet, temperature: float) -> np.ndarray:
    """Return which labels' markers each cell of a left-out set holds, as the package looks at it."""
    cells, columns = held_out_cells(one), np.flatnonzero(markers())
    own = markers_of(SET_NAMES, TREE_OF_ALL, [vocabulary().genes[column] for column in columns])
    expected = expected_on(cells.profiles, cells.cells.measured)[:, columns]
    observed, likely = cells.cells.logs[:, columns], one.probabilities(temperature)
    return borne_out(observed, likely, expected, own=own, members=TREE_OF_ALL.membership(SET_NAMES))


def is_covered(
    one: HeldOutSet, held_out: HeldOut, temperature: float, p_known: np.ndarray, *, coverage: float = COVERAGE
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each cell's set holds the truth, and how many labels it holds; the truth must be known."""
    marked = marked_labels(one, temperature)
    inside = label_sets(one.likely(temperature), held_out, coverage=coverage, p_known=p_known, borne_out=marked)
    return inside[np.arange(len(inside)), one.code], inside.sum(axis=1)


def coverage_row(
    one: HeldOutSet, rows: np.ndarray, held_out: HeldOut, temperature: float, p_known: np.ndarray
) -> dict[str, float]:
    """Return how often sets hold the truth, over all cells and in the worst class, and how large they are."""
    rows = rows[one.code[rows] >= 0]
    right, size = (x[rows] for x in is_covered(one, held_out, temperature, p_known))
    classes = [own for c in set(one.code[rows]) if (own := one.code[rows] == c).sum() >= MIN_CELLS]
    per_class = [right[own].mean() for own in classes]
    return {
        "covered": right.mean(), "covered_worst_class": min(per_class, default=np.nan),
        "set_size": size.mean(), "empty_sets": (size == 0).mean(),
    }  # fmt: skip


def class_rows(
    one: HeldOutSet, held_out: HeldOut, temperature: float, p_known: np.ndarray
) -> list[dict[str, float | str]]:
    """Return how often sets hold the truth in every class, for several coverages asked."""
    rows = []
    for coverage in COVERAGES:
        right, _ = is_covered(one, held_out, temperature, p_known, coverage=coverage)
        rows += [
            {"set": one.name, "seed": one.seed, "asked": coverage, "class": SET_NAMES[c]}
            | {"cells": (own := one.code == c).sum(), "covered": right[own].mean()}
            | {"promised": held_out.promised(coverage)[c]}
            for c in sorted(set(one.code) - {-1})
        ]
    return rows


def own_cells(
    one: HeldOutSet, temperature: float, model: HeldOut, p_known: np.ndarray, rng: np.random.Generator
) -> dict[str, float]:
    """Return the same when some cells of the set itself are labelled, tested on its other cells."""
    order = rng.permutation(len(one.truth))
    labelled, rest = order[: min(N_LABELLED, len(order) // 2)], order[min(N_LABELLED, len(order) // 2) :]
    names = [GATE if name == AMBIGUOUS else name for name in one.truth[labelled]]
    allowed = TREE_OF_ALL.membership(names)
    updated = updated_temperature(temperature, one.logits[labelled], allowed)
    error = calibration_error(*(x[rest] for x in one.outcome(one.likely(updated))))
    own = scores_from(one.probabilities(temperature)[labelled], names, names=SET_NAMES, tree=TREE_OF_ALL)
    held_out = completed(own, model, needed=cells_needed(COVERAGE))
    return {"ece": error} | coverage_row(one, rest, held_out, temperature, p_known)


def confidence_rows(sets: Sequence[HeldOutSet]) -> tuple[list[dict[str, float | str]], list[dict[str, float | str]]]:
    """Return calibration, coverage and false rejections of every set, fitted on the others of the same seed.

    And the coverage of every class.
    """
    rows, classes = [], []
    for one in sets:
        rng = np.random.default_rng(one.seed)
        rest = [other for other in others(sets, one.name) if other.seed == one.seed]
        if not rest:
            continue
        temperature = temperature_of(rest)
        raw, fitted = (calibration_error(*one.outcome(one.likely(t))) for t in (1.0, temperature))
        right, _ = one.outcome(one.likely(temperature))
        everything = np.arange(len(one.truth))
        model = sets_of(rest, temperature)
        odd = judged(held_out_cells(one), usual_of(rest, temperature), temperature)
        transfer = coverage_row(one, everything, model, temperature, odd.p_alone)
        classes += class_rows(one, model, temperature, odd.p_alone)
        repeats = [own_cells(one, temperature, model, odd.p_alone, rng) for _ in range(N_REPEATS)]
        own = pd.DataFrame(repeats).mean()
        rows.append(
            {"set": one.name, "seed": one.seed, "temperature": temperature, "right": right.mean()}
            | {"ece_raw": raw, "ece": fitted} | transfer | own.add_prefix("own_").to_dict()
            | {f"rejected_at_{level}": (odd.p_alone < level).mean() for level in LEVELS}
            | {f"rejected_together_at_{level}": (odd.p_together < level).mean() for level in LEVELS}
            | {"doublet_auroc": doublet_auroc(one, rng)}
        )  # fmt: skip
    return rows, classes


def doublet_auroc(one: HeldOutSet, rng: np.random.Generator) -> float:
    """Return how well made-up doublets of two incompatible types are told from single cells."""
    from sklearn.metrics import roc_auc_score

    counts, likeness = cells_of(load_once(one.name)).counts[one.rows], held_out_cells(one).likeness
    pairs = incompatible(TREE_OF_ALL, likeness.gram)
    lineage = np.array([TREE_OF_ALL.lineage(name)[-2:][0] if name in TREE_OF_ALL.names else name for name in one.truth])
    first, second = rng.integers(len(lineage), size=(2, 2000))
    apart = np.flatnonzero(lineage[first] != lineage[second])[:500]
    if len(apart) < MIN_CELLS:
        return float("nan")
    both = log_expression((counts[first[apart]] + counts[second[apart]]).tocsr())
    profiles = profiles_without(load_once(one.name).group) * material(one.name).measured
    scores = [doublet_scores(likeness, pairs), doublet_scores(likeness_of(both, profiles), pairs)]
    return float(roc_auc_score(np.repeat([0, 1], [len(x) for x in scores]), np.concatenate(scores)))


def refinement_rows(sets: Sequence[HeldOutSet]) -> list[dict[str, float | str]]:
    """Return macro-F1 and calibration alone, with the plain average and with the gate that the other sets taught."""
    rows = []
    for name in dict.fromkeys(one.name for one in sets):
        # All seeds teach the gate, as they teach that of the shipped model.
        rest = others(sets, name)
        gate = fit_gate(rest, temperature_of(rest)) if rest else ()
        rows += [refined_row(one, others(sets, name), gate) for one in sets if rest and one.name == name]
    return rows


def refined_row(one: HeldOutSet, rest: Sequence[HeldOutSet], gate: tuple[float, ...]) -> dict[str, float | str]:
    """Return macro-F1, calibration and the cells that changed for better or worse, of one set."""
    temperature = temperature_of([other for other in rest if other.seed == one.seed])
    weights, alone = graph_of(one), one.probabilities(temperature)
    kinds = {
        "alone": alone @ MEMBERS,
        "average": average_evidence(alone, weights) @ MEMBERS,
        "gated": gated_evidence(alone, weights, gate=gate) @ MEMBERS,
    }
    outcomes = {kind: one.outcome(likely) for kind, likely in kinds.items()}
    row: dict[str, float | str] = {"set": one.name, "seed": one.seed}
    for kind, likely in kinds.items():
        row |= {f"f1_{kind}": macro_f1(one, likely), f"ece_{kind}": calibration_error(*outcomes[kind])}
    before, after = outcomes["alone"][0], outcomes["gated"][0]
    return row | {
        "changed": (kinds["alone"].argmax(axis=1) != kinds["gated"].argmax(axis=1)).mean(),
        "mended": int((~before & after).sum()), "spoiled": int((before & ~after).sum()),
    }  # fmt: skip


def main(*, refine: bool = True, published: bool = False) -> None:
    """Write and print the tables, without cells whose label is doubtful or with labels as they were published."""
    sets = held_out_sets(published=published)
    table, classes = (pd.DataFrame(rows) for rows in confidence_rows(sets))
    classes.round(4).to_csv(CLASSES[published], index=False)
    if refine:
        table = table.merge(pd.DataFrame(refinement_rows(sets)), on=["set", "seed"])
    table.round(4).to_csv(TABLES[published], index=False)
    means = table.groupby("set", sort=False).mean(numeric_only=True).drop(columns="seed")
    means.loc["**mean**"] = means.mean()
    for columns in pairwise([0, 9, 18, means.shape[1]]):
        sys.stdout.write(f"{markdown(means.iloc[:, slice(*columns)])}\n\n")
    sys.stdout.write(f"{markdown(coverage_of_classes(classes))}\n")


def coverage_of_classes(classes: pd.DataFrame) -> pd.DataFrame:
    """Return the share of cells of every class whose set holds it, all data sets and trainings together."""
    together = classes.assign(right=classes["cells"] * classes["covered"]).groupby(["class", "asked"], sort=False).sum()
    found = (together["right"] / together["cells"]).unstack("asked")
    n_cells = classes[classes["asked"] == COVERAGE].groupby("class")["cells"].sum() / classes["seed"].nunique()
    return found.assign(cells=n_cells)


if __name__ == "__main__":
    typer.run(main)
