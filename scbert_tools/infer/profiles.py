"""How much the expression of a cell is like that of the model's classes, read beside the network in the same pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

SCALE = 10_000.0
"""Counts a cell is brought to before the logarithm."""

MOST_CELLS = 200
"""Cells of a class from which on a data set weighs no more for its profile."""

FAINT = 0.01
"""Mean log-expression below which genes count as equally rare."""

LEAST = 1e-9
"""Keeps divisions by the norm of an empty cell apart from zero."""


@dataclass(frozen=True)
class Likeness:
    """Products of cells with the profiles of classes, from which every cosine follows.

    Parameters
    ----------
    products
        (cells, classes) float32, scalar product of a cell's log-expression with each profile.
    norms
        (cells,) float32, Euclidean length of a cell's log-expression.
    gram
        (classes, classes) scalar products among the profiles, over the same genes.
    rarity
        (cells,) float32, how rarely the genes that a cell expresses are expressed in any class, 0 for empty cells.
    strangeness
        (cells,) float32, how rarely they are expressed in that class to which they are least strange all together.
    """

    products: NDArray[np.float32]
    norms: NDArray[np.float32]
    gram: NDArray[np.float32]
    rarity: NDArray[np.float32]
    strangeness: NDArray[np.float32]

    @property
    def cosines(self) -> NDArray[np.float32]:
        """(cells, classes) cosine of each cell with each class, 0 for empty cells."""
        lengths = np.sqrt(np.diag(self.gram))
        return self.products / (np.maximum(self.norms, LEAST)[:, None] * np.maximum(lengths, LEAST))

    @property
    def contrasts(self) -> NDArray[np.float32]:
        """(cells, classes) the same after the mean of all profiles was taken off cells and profiles."""
        # With m the mean profile, (x - m)·(p - m) = x·p - x·m - m·p + m·m: each term is a mean of products at hand,
        # and the expression is not needed again.
        across = self.gram.mean(axis=1)
        middle = across.mean()
        shared = self.products.mean(axis=1)
        products = self.products - shared[:, None] - across + middle
        norms = np.sqrt(np.maximum(self.norms**2 - 2 * shared + middle, LEAST))
        lengths = np.sqrt(np.maximum(np.diag(self.gram) - 2 * across + middle, LEAST))
        return np.where(self.norms[:, None] > 0, products / (norms[:, None] * lengths), 0).astype(np.float32)


class ProfileReader:
    """Hands out rows and notes, on their way to the network, how like the classes they are and what markers they hold.

    Parameters
    ----------
    rows
        Gives the cells of a slice as (cells, genes) values proportional to counts.
    profiles
        (classes, genes) mean log-expression; genes that were not measured must be zero.
    n_cells
        Number of cells.
    markers
        Places of genes whose expression is kept.
    """

    def __init__(
        self,
        rows: Callable[[slice], sparse.csr_matrix],
        profiles: NDArray[np.float32],
        n_cells: int,
        *,
        markers: NDArray[np.int64],
    ) -> None:
        self.rows, self.known, self.columns = rows, (profiles != 0).any(axis=0), _columns(profiles)
        products = np.zeros((n_cells, len(profiles)), np.float32)
        norms, rarity, strangeness = np.zeros((3, n_cells), np.float32)
        self.likeness = Likeness(products, norms, profiles @ profiles.T, rarity, strangeness)
        """What was noted of the cells handed out so far."""
        self.markers, self._kept = markers, dict[int, sparse.csr_matrix]()

    def __call__(self, cells: slice) -> sparse.csr_matrix:
        """Return the rows of some cells and keep their products with the profiles."""
        rows = self.rows(cells)
        logs = log_expression(rows, known=self.known)
        for name, values in _sums(logs, self.columns).items():
            getattr(self.likeness, name)[cells] = values
        self._kept[cells.start] = logs[:, self.markers]
        return rows

    @property
    def observed(self) -> sparse.csr_matrix:
        """(cells, markers) log-expression of the markers in the cells handed out so far."""
        none = sparse.csr_matrix((0, len(self.markers)), dtype=np.float32)
        return sparse.vstack([none, *(self._kept[start] for start in sorted(self._kept))], format="csr")


def log_expression(rows: sparse.csr_matrix, *, known: NDArray[np.bool_] | None = None) -> sparse.csr_matrix:
    """Return log(counts per 10,000 + 1), over all genes or over the known ones alone; other genes become zero.

    Parameters
    ----------
    rows
        (cells, genes) values proportional to counts.
    known
        (genes,) which genes count.
    """
    logs = sparse.csr_matrix(rows, dtype=np.float32, copy=True)
    if known is not None:
        logs.data *= known[logs.indices]
    factor = (SCALE / np.maximum(_row_sums(logs.data, logs.indptr), LEAST)).astype(np.float32)
    logs.data = np.log1p(logs.data * np.repeat(factor, np.diff(logs.indptr)))
    return logs


@dataclass(frozen=True)
class LabelledCells:
    """Cells of one data set with what is known of their type.

    Parameters
    ----------
    logs
        (cells, genes) from :func:`log_expression`.
    allowed
        (cells, classes) classes that the label of each cell leaves open.
    measured
        (genes,) which genes the data set holds.
    """

    logs: sparse.csr_matrix
    allowed: NDArray[np.bool_]
    measured: NDArray[np.bool_]


def class_profiles(sets: Sequence[LabelledCells], *, n_rounds: int = 2) -> NDArray[np.float32]:
    """Return the mean log-expression of every class, (classes, genes); zero where no cell tells.

    Cells whose label leaves several classes open join the one they are most like, by the profiles of the round before;
    in the first round they count for all of them.

    Parameters
    ----------
    sets
        The labelled cells of every data set.
    n_rounds
        How often open labels are settled.
    """
    profiles = _means([(one, one.allowed / np.maximum(one.allowed.sum(axis=1, keepdims=True), 1)) for one in sets])
    for _ in range(n_rounds):
        profiles = _means([(one, _settled(one, profiles)) for one in sets])
    return profiles


def _settled(one: LabelledCells, profiles: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return each cell in the allowed class it is most like: (cells, classes) of 0 and 1."""
    contrasts = likeness_of(one.logs, profiles * one.measured).contrasts
    best = np.where(one.allowed, contrasts, -np.inf).argmax(axis=1)
    chosen = np.zeros(one.allowed.shape)
    chosen[np.arange(len(best)), best] = one.allowed.any(axis=1)
    return chosen


def _means(sets: Sequence[tuple[LabelledCells, NDArray[np.float64]]]) -> NDArray[np.float32]:
    """Return weighted means per class, a data set weighing by its cells up to ``MOST_CELLS``."""
    weighted, weight = 0.0, 0.0
    for one, belongs in sets:
        n_cells = belongs.sum(axis=0)
        mean = (one.logs.T @ belongs).T / np.maximum(n_cells, LEAST)[:, None]
        share = np.minimum(n_cells, MOST_CELLS)[:, None]
        weighted, weight = weighted + share * mean, weight + share * one.measured
    return np.asarray(weighted / np.maximum(weight, LEAST), np.float32)


def likeness_of(logs: sparse.csr_matrix, profiles: NDArray[np.float32]) -> Likeness:
    """Return the likeness of cells to classes.

    Parameters
    ----------
    logs
        (cells, genes) from :func:`log_expression`.
    profiles
        (classes, genes), zero for genes that were not measured.
    """
    return Likeness(gram=profiles @ profiles.T, **_sums(logs, _columns(profiles)))


def _columns(profiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what is summed over the genes of a cell: profiles, rarity in any and in each class, and being known."""
    known = (profiles != 0).any(axis=0)
    rare = np.where(known, -np.log(np.vstack([profiles.max(axis=0, initial=0), profiles]) + FAINT), 0)
    return np.ascontiguousarray(np.vstack([profiles, rare, known]).T, np.float32)


def _sums(logs: sparse.csr_matrix, columns: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return the fields of :class:`Likeness` that are about cells."""
    norms = np.sqrt(_row_sums(logs.data**2, logs.indptr)).astype(np.float32)
    products, told = np.split(_product(logs, columns), [columns.shape[1] // 2 - 1], axis=1)
    rarity = told[:, :-1] / np.maximum(told[:, -1:], LEAST)
    return {"products": products, "norms": norms, "rarity": rarity[:, 0], "strangeness": rarity[:, 1:].min(axis=1)}


def _product(logs: sparse.csr_matrix, columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``logs @ columns``; torch sums with the widest registers, which SciPy does not."""
    starts, genes, weights = map(torch.from_numpy, (logs.indptr, logs.indices, logs.data))
    table = torch.from_numpy(columns)
    product: NDArray[np.float32] = functional.embedding_bag(
        genes, table, starts, per_sample_weights=weights, mode="sum", include_last_offset=True
    ).numpy()
    return product


def _row_sums(values: NDArray[np.float32], indptr: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the sum of the stored values of every row."""
    sums = np.zeros(len(indptr) - 1)
    filled = np.flatnonzero(np.diff(indptr))
    if filled.size:
        sums[filled] = np.add.reduceat(values, indptr[filled], dtype=np.float64)
    return sums
