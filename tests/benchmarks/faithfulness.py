"""Whether explanations tell what the model uses, and whether they agree with the literature.

Run ``python faithfulness.py`` from this folder; ``--set NAME`` runs a part, ``--report`` prints the table.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd
import torch
import typer
from datasets import load
from results import FOLDER

from scbert_tools import models
from scbert_tools.genes import align_columns, match_genes
from scbert_tools.genes.markers import are_markers
from scbert_tools.infer.attention import attention_of
from scbert_tools.infer.direction import directions
from scbert_tools.infer.enrichment import against_others, auroc
from scbert_tools.infer.explainers import BASELINES, METHODS, explainer
from scbert_tools.infer.faithfulness import equally_loud, probability_curves, ranked, tokens_of_scores
from scbert_tools.infer.token_scores import score_groups
from scbert_tools.tokens.levels import TokenRows, to_levels

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import anndata as ad
    from scipy import sparse

    from scbert_tools.model.annotator import Annotator

SETS = ["pbmc3k", "kang", "zheng"]
NUMBERS = [0, 5, 10, 20, 50, 100, 200]
DELETED = 50
CELLS_PER_LABEL = 8
FEWEST_KNOWN = 5
SMALLEST_DROP = 0.01
"""Random genes often cost nothing, or less: the ratio to their drop then says at least how many times it is."""
SEEDS = range(3)
TABLE, CURVES, LABELS = (FOLDER / f"faithfulness{part}.csv" for part in ("", "_curves", "_labels"))
NAMES = ["attention", *METHODS, "logistic", "random"]


@dataclass(frozen=True)
class Question:
    """Cells that the model names rightly or not, the label their authors gave them, and all cells of their set."""

    annotator: Annotator
    linear: sparse.csr_matrix  # (cells, vocabulary), the cells asked
    label: np.ndarray  # (cells,)
    everyone: sparse.csr_matrix  # (all cells, vocabulary)
    every_label: np.ndarray

    @property
    def tokens(self) -> TokenRows:
        """The cells as the model reads them."""
        return to_levels(self.linear, self.annotator.levels)

    @property
    def leaves(self) -> np.ndarray:
        """(cells, classes) which classes make up the label of each cell."""
        return self.annotator.labels.membership(self.label.tolist())


def question_of(name: str, annotator: Annotator, seed: int) -> Question:
    """Return up to eight cells of every label of a set."""
    one = load(name)
    values = align_columns(one.counts, match_genes(list(one.genes), annotator.vocabulary))
    order = np.random.default_rng(seed).permutation(len(one.label))
    rank = pd.Series(one.label[order]).groupby(one.label[order]).cumcount().to_numpy()
    chosen = np.sort(order[rank < CELLS_PER_LABEL])
    return Question(annotator, values[chosen], one.label[chosen], values, one.label)


def scores_of(method: str, question: Question, name: str, seed: int) -> sparse.csr_matrix:
    """Return the score of every expressed gene in every cell, (cells, vocabulary)."""
    rng = np.random.default_rng(seed)
    if method == "random":
        scores = question.linear.copy()
        scores.data = rng.random(len(scores.data)).astype(np.float32)
        return scores
    if method == "logistic":
        return logistic_scores(question, name)
    if method == "attention":
        kernel = attention_of(question.annotator)
    else:
        toward = directions(question.annotator, question.label.tolist())
        background = question.everyone[np.sort(rng.permutation(question.everyone.shape[0])[:1000])]
        kernel = explainer(
            question.annotator, method, toward, baseline=BASELINES[method][0], background=background, rng=rng
        )
    cells = np.arange(len(question.label))
    each = score_groups(question.annotator, lambda some: question.linear[some], cells, 0 * cells, kernel, keep=True)
    return each.each


def logistic_scores(question: Question, name: str) -> sparse.csr_matrix:
    """Return weight × expression of a multinomial logistic regression that learned the labels of the whole set."""
    from sklearn.linear_model import LogisticRegression

    def logged(linear: sparse.csr_matrix) -> sparse.csr_matrix:
        values = linear.copy()
        totals = np.maximum(np.asarray(values.sum(axis=1)).ravel(), 1e-9)
        values.data = np.log1p(values.data * np.repeat(1e4 / totals, np.diff(values.indptr))).astype(np.float32)
        return values

    fitted = LogisticRegression(max_iter=200).fit(logged(question.everyone), question.every_label)
    place = np.searchsorted(fitted.classes_, question.label)
    weights = fitted.coef_ - (fitted.coef_.sum(0) - fitted.coef_) / (len(fitted.classes_) - 1)
    return logged(question.linear).multiply(weights[place]).tocsr().astype(np.float32)


def summary_of(scores: sparse.csr_matrix, label: np.ndarray) -> pd.DataFrame:
    """Return the mean score of every gene in the cells of every label, genes × labels."""
    names = np.unique(label)
    means = [np.asarray(scores[np.flatnonzero(label == name)].mean(axis=0)).ravel() for name in names]
    return pd.DataFrame(np.array(means).T, columns=names)


def agreement(method: str, means: pd.DataFrame, question: Question, *, min_sources: int) -> pd.Series:
    """Return the AUROC of known markers among the genes that ten cells of the set express, per label."""
    expressed = question.everyone.getnnz(axis=0) >= 10
    genes = [gene for gene, is_one in zip(question.annotator.vocabulary, expressed, strict=True) if is_one]
    values = means.to_numpy()[expressed]
    values = against_others(values) if method == "attention" else values
    found = {}
    for column, label in enumerate(means.columns):
        term = question.annotator.labels.ontology.get(label, "")
        known = are_markers(genes, term, min_sources=min_sources)
        if known.sum() >= FEWEST_KNOWN:
            found[label] = auroc(values[:, column], known)
    return pd.Series(found)


def curves_of(scores: sparse.csr_matrix, question: Question) -> pd.DataFrame:
    """Return the mean probability of the true label by number of genes deleted or inserted."""
    tokens = question.tokens
    rank = ranked(tokens_of_scores(scores, tokens), tokens)
    curves = {
        kind: probability_curves(
            question.annotator, tokens, rank, question.leaves, NUMBERS, insert=kind == "insertion"
        ).mean(axis=0)
        for kind in ("deletion", "insertion")
    }
    return pd.DataFrame(curves | {"n_genes": NUMBERS}).melt("n_genes", var_name="curve", value_name="probability")


def drops_of(scores: sparse.csr_matrix, question: Question, seed: int) -> tuple[float, float]:
    """Return how much the true label's probability falls without the top genes, and without as loud random ones."""
    tokens = question.tokens
    top = ranked(tokens_of_scores(scores, tokens), tokens) < DELETED
    others = equally_loud(tokens, top, np.random.default_rng(seed))
    asked = (question.annotator, tokens)
    before = probability_curves(*asked, np.zeros(len(top), int), question.leaves, [0])
    without = [probability_curves(*asked, (~gone).astype(int), question.leaves, [1]) for gone in (top, others)]
    return tuple(float((before - after).mean()) for after in without)


def stability(tables: list[pd.DataFrame]) -> float:
    """Return the mean share of the 20 best genes of a label that two drawings of cells have in common."""
    shared = []
    for first in range(len(tables)):
        for second in range(first):
            best = [
                [set(table[name].nlargest(20).index) for name in table] for table in (tables[first], tables[second])
            ]
            shared += [len(one & other) / 20 for one, other in zip(*best, strict=True)]
    return float(np.mean(shared))


def measure(name: str, method: str, annotator: Annotator) -> tuple[dict[str, object], pd.DataFrame, pd.DataFrame]:
    """Return the row of a set and method, its curves, and the AUROC of every label."""
    tables, curves, drops, seconds = [], [], [], []
    for seed in SEEDS:
        question = question_of(name, annotator, seed)
        start = time.perf_counter()
        scores = scores_of(method, question, name, seed)
        seconds.append(time.perf_counter() - start)
        tables.append(summary_of(scores, question.label))
        curves.append(curves_of(scores, question))
        drops.append(drops_of(scores, question, seed))
    curve = pd.concat(curves).groupby(["curve", "n_genes"], as_index=False)["probability"].mean()
    area = {
        kind: np.trapezoid(part["probability"], np.arange(len(part))) / (len(part) - 1)
        for kind, part in curve.groupby("curve")
    }
    drop, random_drop = np.mean(drops, axis=0)
    means = sum(tables) / len(tables)
    per_label, lenient = (agreement(method, means, question, min_sources=n) for n in (3, 2))
    row = {
        "set": name, "method": method, "deletion_area": area["deletion"], "insertion_area": area["insertion"],
        "drop_top50": drop, "drop_equally_loud50": random_drop, "drop_ratio": drop / max(random_drop, SMALLEST_DROP),
        "auroc": per_label.mean(), "auroc_2_sources": lenient.mean(),
        "stability": stability(tables), "cells": len(question.label),
        "seconds_per_cell": np.mean(seconds) / len(question.label),
        "model": annotator.fingerprint[:12],
    }  # fmt: skip
    named = {"set": name, "method": method}
    return row, curve.assign(**named), per_label.rename("auroc").rename_axis("label").reset_index().assign(**named)


def replace_rows(path: Path, table: pd.DataFrame, name: str, method: str) -> None:
    """Put the rows of a set and method into a table in place of the old ones."""
    if path.exists():
        old = pd.read_csv(path)
        table = pd.concat([old[(old["set"] != name) | (old["method"] != method)], table])
    front = ["set", "method"]
    table = table[front + [column for column in table if column not in front]]
    draft = path.with_name(f".{name}_{method}_{path.name}")
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
    pd.DataFrame(rows).round(2).to_csv(FOLDER / "faithfulness_speed.csv", index=False)


def report() -> None:
    """Write the means over sets to the standard output as markdown, the best deletion first."""
    columns = ["deletion_area", "insertion_area", "drop_top50", "drop_equally_loud50", "auroc", "stability"]
    columns += ["seconds_per_cell"]
    table = pd.read_csv(TABLE).groupby("method")[columns].mean().sort_values("deletion_area")
    sys.stdout.write("| method | " + " | ".join(columns) + " |\n|---" + "|--:" * len(columns) + "|\n")
    for method, row in table.iterrows():
        sys.stdout.write(f"| {method} | " + " | ".join(f"{value:.3f}" for value in row) + " |\n")
    labels = pd.read_csv(LABELS).groupby(["method", "label"])["auroc"].mean().groupby("method")
    sys.stdout.write("\nAUROC of known markers, mean over labels (smallest):\n")
    for method, values in labels:
        sys.stdout.write(f"- {method}: {values.mean():.3f} ({values.min():.3f})\n")


def draw() -> None:
    """Draw the curves of all sets together."""
    from scbert_tools import pl

    for curve in ("deletion", "insertion"):
        axes = pl.faithfulness(pd.read_csv(CURVES), curve=curve)
        axes.figure.savefig(FOLDER / f"faithfulness_{curve}.png", dpi=120)


def main(
    *,
    name: Annotated[list[str] | None, typer.Option("--set", help="Sets to explain.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="Methods to judge.")] = None,
    model: Annotated[str, typer.Option(help="A shipped model or a folder.")] = "pbmc",
    show: Annotated[bool, typer.Option("--report", help="Only print the table.")] = False,
    only_speed: Annotated[bool, typer.Option("--speed", help="Only measure how long calls take.")] = False,
) -> None:
    """Measure and report."""
    if only_speed:
        speed(model)
        return
    if not show:
        annotator = models.load(model)
        for one in name or SETS:
            for how in method or NAMES:
                row, curves, labels = measure(one, how, annotator)
                replace_rows(TABLE, pd.DataFrame([row]), one, how)
                replace_rows(CURVES, curves, one, how)
                replace_rows(LABELS, labels, one, how)
        draw()
    report()


if __name__ == "__main__":
    typer.run(main)
