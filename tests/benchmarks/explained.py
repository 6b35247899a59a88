"""Real cells to explain, and what each method says of their genes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from datasets import load

from scbert_tools.genes import align_columns, match_genes
from scbert_tools.infer.attention import attention_of
from scbert_tools.infer.direction import directions
from scbert_tools.infer.explainers import BASELINES, METHODS, explainer
from scbert_tools.infer.token_scores import score_groups
from scbert_tools.tokens.levels import TokenRows, to_levels

if TYPE_CHECKING:
    from scipy import sparse

    from scbert_tools.model.annotator import Annotator

NAMES = ["attention", *METHODS, "logistic", "random"]
CELLS_PER_LABEL = 8
BACKGROUND_CELLS = 1000


@dataclass(frozen=True)
class Question:
    """Cells that the model names rightly or not, the label their authors gave them, and all cells of their set."""

    annotator: Annotator
    linear: sparse.csr_matrix  # (cells, vocabulary), the cells asked
    label: np.ndarray  # (cells,)
    everyone: sparse.csr_matrix  # (all cells, vocabulary)
    every_label: np.ndarray
    draw: int

    @cached_property
    def tokens(self) -> TokenRows:
        """The cells as the model reads them."""
        return to_levels(self.linear, self.annotator.levels)

    @property
    def leaves(self) -> np.ndarray:
        """(cells, classes) which classes make up the label of each cell."""
        return self.annotator.labels.membership(self.label.tolist())


def question_of(name: str, annotator: Annotator, draw: int) -> Question:
    """Return up to eight cells of every label of a set; the same ones for every model."""
    one = load(name)
    values = align_columns(one.counts, match_genes(list(one.genes), annotator.vocabulary))
    order = np.random.default_rng(draw).permutation(len(one.label))
    rank = pd.Series(one.label[order]).groupby(one.label[order]).cumcount().to_numpy()
    chosen = np.sort(order[rank < CELLS_PER_LABEL])
    return Question(annotator, values[chosen], one.label[chosen], values, one.label, draw)


def scores_of(method: str, question: Question, *, seed: int) -> sparse.csr_matrix:
    """Return the score of every expressed gene in every cell, (cells, vocabulary)."""
    rng = np.random.default_rng(seed)
    if method == "random":
        scores = question.linear.copy()
        scores.data = rng.random(len(scores.data)).astype(np.float32)
        return scores
    if method == "logistic":
        return _logistic_scores(question)
    if method == "attention":
        kernel = attention_of(question.annotator)
    else:
        toward = directions(question.annotator, question.label.tolist())
        background = question.everyone[np.sort(rng.permutation(question.everyone.shape[0])[:BACKGROUND_CELLS])]
        kernel = explainer(
            question.annotator, method, toward, baseline=BASELINES[method][0], background=background, rng=rng
        )
    cells = np.arange(len(question.label))
    each = score_groups(question.annotator, lambda some: question.linear[some], cells, 0 * cells, kernel, keep=True)
    return each.each


def _logistic_scores(question: Question) -> sparse.csr_matrix:
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
