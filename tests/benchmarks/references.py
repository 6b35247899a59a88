"""Training sets as the peers take them: genes in common, one scale, inner folds to choose settings by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse
from scoring import trainable_classes
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from datasets import Labelled

LEAST_SHARE_OF_GENES = 0.5
"""A training set with fewer of the genes seen in the test cells counts as a panel."""
CELLS_PER_CLASS = 50
"""Cells of one class and set that the inner folds keep: enough to rank settings, cheap enough to try them all."""


@dataclass(frozen=True)
class Reference:
    """Labelled training cells of one data set or donor."""

    counts: sparse.csr_matrix  # (cells, genes)
    genes: np.ndarray
    labels: np.ndarray
    group: str

    def take(self, rows: np.ndarray) -> Reference:
        """Return the cells ``rows``, an index or a mask."""
        return replace(self, counts=self.counts[rows], labels=self.labels[rows])


def references_of(train: Sequence[Labelled], *, target: str) -> list[Reference]:
    """Return the training cells whose label (``"coarse"`` or ``"label"``) can be learned."""
    classes = trainable_classes(np.concatenate([getattr(one, target) for one in train]), target=target)
    every = [Reference(one.counts, one.genes, getattr(one, target), one.group) for one in train]
    usable = [one.take(np.isin(one.labels, classes)) for one in every]
    return [one for one in usable if len(one.labels)]


def columns_of(counts: sparse.csr_matrix, genes: np.ndarray, wanted: np.ndarray) -> sparse.csr_matrix:
    """Return the columns ``wanted``, zero where the set does not hold the gene."""
    found = pd.Index(genes).get_indexer(wanted)
    known = np.flatnonzero(found >= 0)
    entries = (np.ones(len(known), counts.dtype), (found[known], known))
    return (counts @ sparse.csr_matrix(entries, (len(genes), len(wanted)))).tocsr()


def log_normalize(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return log(counts per 10,000 + 1)."""
    total = np.asarray(counts.sum(axis=1)).ravel()
    scaled = sparse.diags_array(1e4 / np.maximum(total, 1e-9)) @ counts
    return sparse.csr_matrix(scaled.log1p().astype(np.float32))


def seen_genes(counts: sparse.csr_matrix, genes: np.ndarray) -> np.ndarray:
    """Return the genes with a count in any cell."""
    return genes[counts.getnnz(axis=0) > 0]


def common_genes(
    train: Sequence[Reference], genes: np.ndarray, seen: np.ndarray, *, rule: str
) -> tuple[list[Reference], np.ndarray]:
    """Return the training sets to use and the genes to use them with.

    Parameters
    ----------
    train
        Training sets, some of them measured on a small panel of genes.
    genes
        Genes of the test set.
    seen
        Genes with a count in a test cell.
    rule
        ``"shared"`` leaves panels out and takes the genes that all others share with the test set; ``"filled"``
        keeps every set, takes the test genes that half of the sets hold and fills the rest with zeros.
    """
    if rule == "filled":
        held = np.sum([np.isin(genes, one.genes) for one in train], axis=0)
        return list(train), genes[held >= len(train) / 2]
    share = np.array([np.isin(seen, one.genes).mean() for one in train])
    wide = [one for one, enough in zip(train, share >= min(LEAST_SHARE_OF_GENES, share.max()), strict=True) if enough]
    return wide, genes[np.all([np.isin(genes, one.genes) for one in wide], axis=0)]


@dataclass(frozen=True)
class Task:
    """A training and a test matrix with the same genes on the same scale."""

    x: sparse.csr_matrix  # (training cells, genes), log-normalised
    labels: np.ndarray
    test: sparse.csr_matrix  # (test cells, genes), log-normalised
    genes: np.ndarray
    group: np.ndarray  # (training cells,) data set of every cell

    @cached_property
    def components(self) -> tuple[np.ndarray, np.ndarray]:
        """Principal components of the training cells: their coordinates and those of the test cells."""
        pca = PCA(min(50, min(self.x.shape) - 1), svd_solver="arpack", random_state=0)
        return pca.fit_transform(self.x), pca.transform(self.test)


def stack_counts(train: Sequence[Reference], genes: np.ndarray) -> sparse.csr_matrix:
    """Return the counts of all training cells in the order of ``genes``."""
    return sparse.vstack([columns_of(one.counts, one.genes, genes) for one in train], format="csr")


def task_of(train: Sequence[Reference], counts: sparse.csr_matrix, genes: np.ndarray, *, rule: str) -> Task:
    """Bring training sets and test counts together by one of the rules of :func:`common_genes`."""
    used, common = common_genes(train, genes, seen_genes(counts, genes), rule=rule)
    labels = np.concatenate([one.labels for one in used])
    group = np.concatenate([np.full(len(one.labels), one.group) for one in used])
    test = log_normalize(columns_of(counts, genes, common))
    return Task(log_normalize(stack_counts(used, common)), labels, test, common, group)


def thin_out(one: Reference, rng: np.random.Generator) -> Reference:
    """Keep at most ``CELLS_PER_CLASS`` cells of every class."""
    order = rng.permutation(len(one.labels))
    place_in_class = pd.Series(one.labels[order]).groupby(one.labels[order]).cumcount().to_numpy()
    return one.take(np.sort(order[place_in_class < CELLS_PER_CLASS]))


def inner_folds(train: Sequence[Reference], *, seed: int) -> Iterator[tuple[list[Reference], Reference]]:
    """Split training cells once more: one set held out at a time, or three folds where there is only one set."""
    small = [thin_out(one, np.random.default_rng(seed)) for one in train]
    groups = sorted({one.group for one in small})
    if len(groups) > 1:
        for group in groups:
            rest = [one for one in small if one.group != group]
            yield from ((rest, one) for one in small if one.group == group)
        return
    for one in small:
        splitter = StratifiedKFold(3, shuffle=True, random_state=seed)
        yield from (([one.take(fit)], one.take(held)) for fit, held in splitter.split(one.labels, one.labels))
