"""Whether explanations tell what the model uses, agree with the literature, and stay what they are.

Run ``python faithfulness.py`` from this folder; ``--help`` shows its parts, ``--report`` prints the tables.
"""

from __future__ import annotations

import sys
import time
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd
import torch
import typer
from explained import NAMES, Question, question_of, scores_of, summary_of
from results import FOLDER

from scbert_tools import models
from scbert_tools.genes.markers import are_markers
from scbert_tools.infer.enrichment import against_others, auroc, matched_auroc
from scbert_tools.infer.faithfulness import equally_loud, probability_curves, ranked, tokens_of_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import anndata as ad
    from scipy import sparse

    from scbert_tools.model.annotator import Annotator

SETS = ["pbmc3k", "kang", "zheng"]
NUMBERS = [0, 5, 10, 20, 50, 100, 200]
DELETED, BEST = 50, 20
FEWEST_KNOWN, FEWEST_CELLS = 5, 10
DRAWS = range(3)
TABLE, CURVES, LABELS, STABILITY, SPEED = (
    FOLDER / f"faithfulness{part}.csv" for part in ("", "_curves", "_labels", "_stability", "_speed")
)


def agreement(method: str, means: pd.DataFrame, question: Question) -> pd.DataFrame:
    """Return how known markers rank among the genes that ten cells of the set express, a row per label."""
    n_cells = question.everyone.getnnz(axis=0)
    expressed = n_cells >= FEWEST_CELLS
    genes = [gene for gene, is_one in zip(question.annotator.vocabulary, expressed, strict=True) if is_one]
    values = means.to_numpy()[expressed]
    values = against_others(values) if method == "attention" else values
    rows = []
    for column, label in enumerate(means.columns):
        own = question.everyone[np.flatnonzero(question.every_label == label)]
        abundance = own.getnnz(axis=0)[expressed] / own.shape[0]
        term = question.annotator.labels.ontology.get(label, "")
        known, lenient = (are_markers(genes, term, min_sources=number) for number in (3, 2))
        if known.sum() >= FEWEST_KNOWN:
            found = {"auroc": auroc(values[:, column], known), "auroc_2_sources": auroc(values[:, column], lenient)}
            found["auroc_as_abundant"] = matched_auroc(values[:, column], known, abundance=abundance)
            rows.append({"label": label, "n_known": int(known.sum())} | found)
    return pd.DataFrame(rows)


def curves_of(scores: sparse.csr_matrix, question: Question) -> dict[str, np.ndarray]:
    """Return the mean probability of the true label by number of genes deleted or inserted."""
    rank = ranked(tokens_of_scores(scores, question.tokens), question.tokens)
    asked = (question.annotator, question.tokens, rank, question.leaves, NUMBERS)
    return {
        kind: probability_curves(*asked, insert=kind == "insertion").mean(axis=0) for kind in ("deletion", "insertion")
    }


def drops_of(scores: sparse.csr_matrix, question: Question) -> dict[str, float]:
    """Return how much the true label's probability falls without the top genes, and without as loud random ones."""
    tokens = question.tokens
    top = ranked(tokens_of_scores(scores, tokens), tokens) < DELETED
    others = equally_loud(tokens, top, np.random.default_rng(question.draw))
    asked = (question.annotator, tokens)
    before = probability_curves(*asked, np.zeros(len(top), int), question.leaves, [0])
    drops = {}
    for name, gone in (("drop_top50", top), ("drop_equally_loud50", others)):
        after = probability_curves(*asked, (~gone).astype(int), question.leaves, [1])
        drops[name] = float((before - after).mean())
    return drops


def shared_genes(tables: Sequence[pd.DataFrame]) -> list[float]:
    """Return the mean share of the 20 best genes of a label that two tables have in common, for every pair of them."""
    best = [{name: set(table[name].nlargest(BEST).index) for name in table} for table in tables]
    return [
        float(np.mean([len(one[name] & other[name]) / BEST for name in one])) for one, other in combinations(best, 2)
    ]


def area(curve: np.ndarray) -> float:
    """Return the mean height of a curve whose points are taken as evenly spaced."""
    return float(np.trapezoid(curve) / (len(curve) - 1))


def measure(name: str, method: str, annotator: Annotator) -> dict[Path, pd.DataFrame]:
    """Return the rows of every table for one set and method."""
    means, curves, rows = [], [], []
    for draw in DRAWS:
        question = question_of(name, annotator, draw)
        start = time.process_time()
        scores = scores_of(method, question, seed=draw)
        seconds = (time.process_time() - start) / len(question.label)
        means.append(summary_of(scores, question.label))
        curves.append(curves_of(scores, question))
        areas = {f"{kind}_area": area(curve) for kind, curve in curves[-1].items()}
        counted = {"cells": len(question.label), "processor_seconds_per_cell": seconds}
        rows.append({"draw": draw} | areas | drops_of(scores, question) | counted)
    mean = {kind: np.mean([curve[kind] for curve in curves], axis=0) for kind in curves[0]}
    curve = pd.DataFrame(mean | {"n_genes": NUMBERS}).melt("n_genes", var_name="curve", value_name="probability")
    stable = pd.DataFrame({"over": "cells", "pair": range(len(DRAWS)), "shared": shared_genes(means)})
    labels = agreement(method, sum(means) / len(means), question)
    return {TABLE: pd.DataFrame(rows), CURVES: curve, LABELS: labels, STABILITY: stable}


def judge(annotators: dict[str, Annotator], name: str, method: str) -> None:
    """Write what a method is worth for each of some models on one set."""
    for title, annotator in annotators.items():
        for path, rows in measure(name, method, annotator).items():
            kept = rows.assign(fingerprint=annotator.fingerprint[:12]) if path == TABLE else rows
            replace_rows(path, kept, model=title, name=name, method=method)


def measure_models(annotators: Sequence[Annotator], name: str, method: str) -> pd.DataFrame:
    """Return how many of the best genes trainings with different seeds have in common, asked about the same cells."""
    tables = []
    for place, annotator in enumerate(annotators):
        question = question_of(name, annotator, 0)
        scores = scores_of(method, question, seed=place if method == "random" else 0)
        table = summary_of(scores, question.label)
        tables.append(table.set_axis(list(annotator.vocabulary), axis=0))
    shared = shared_genes(tables)
    return pd.DataFrame({"over": "trainings", "pair": range(len(shared)), "shared": shared})


def replace_rows(path: Path, table: pd.DataFrame, *, model: str, name: str, method: str) -> None:
    """Put rows into a table in place of the old ones of the same model, set and method."""
    table = table.assign(model=model, set=name, method=method)
    front = ["model", "set", "method"]
    if path.exists():
        old = pd.read_csv(path)
        table = pd.concat([old[(old[front] != [model, name, method]).any(axis=1)], table])
    table = table[front + [column for column in table if column not in front]]
    draft = path.with_suffix(".tmp")
    table.sort_values(front, kind="stable").round(5).to_csv(draft, index=False)
    draft.replace(path)


def speed(model: str) -> None:
    """Write seconds of wall and processor time of whole calls on real blood cells."""
    from speed import cells_of

    import scbert_tools as sbt

    def timed(name: str, adata: ad.AnnData, call: Callable[..., object], **options: object) -> None:
        start, busy = time.perf_counter(), time.process_time()
        call(adata, model=model, **options)
        seconds = {"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - busy}
        rows.append({"call": name, "cells": adata.n_obs, "threads": torch.get_num_threads(), **seconds})

    rows: list[dict[str, object]] = []
    many = cells_of(10_000)
    sbt.tl.annotate(many[:500].copy(), model=model)
    timed("annotate", many, sbt.tl.annotate)
    timed("attention", many, sbt.tl.attention)
    for method, n_cells in [("integrated_gradients", 1000), ("shap", 50), ("gradient_shap", 50)]:
        few = many[:n_cells].copy()
        few.obs["all"] = "cells"
        timed(method, few, sbt.tl.attribute, method=method, groupby="all", n_cells=None)
    pd.DataFrame(rows).round(2).to_csv(SPEED, index=False)


def main(
    *,
    name: Annotated[list[str] | None, typer.Option("--set", help="Sets to explain.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="Methods to judge.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Shipped models or folders.")] = None,
    trainings: Annotated[bool, typer.Option(help="Only compare what the models given find.")] = False,
    show: Annotated[bool, typer.Option("--report", help="Only print the tables and draw.")] = False,
    only_speed: Annotated[bool, typer.Option("--speed", help="Only measure how long calls take.")] = False,
) -> None:
    """Measure and report."""
    chosen = model or ["pbmc"]
    if only_speed:
        speed(chosen[0])
        return
    annotators = {} if show else {Path(one).name: models.load(one) for one in chosen}
    for one, how in product(name or SETS, method or NAMES) if annotators else ():
        if not trainings:
            judge(annotators, one, how)
        elif how != "logistic":  # it does not ask the model
            together = measure_models(list(annotators.values()), one, how)
            replace_rows(STABILITY, together, model=" ".join(annotators), name=one, method=how)
    from faithfulness_report import draw, report

    draw()
    sys.stdout.write(report())


if __name__ == "__main__":
    typer.run(main)
