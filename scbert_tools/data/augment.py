"""Depth and panel augmentation: what a cell would look like sequenced deeper, shallower or with fewer genes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Strengths of the augmentation, drawn anew for every cell and epoch."""

    max_pooled: int = 6
    """Cells of one label and data set summed into one, log-uniform from 1: makes deeper cells."""
    min_kept: float = 0.25
    """Lowest share of counts kept by binomial thinning, log-uniform up to 1: makes shallower cells."""
    panel_share: float = 0.25
    """Share of cells that see only a random panel of genes."""
    min_panel: float = 0.1
    """Smallest panel, as a share of the vocabulary, log-uniform up to 1."""
    untouched: float = 0.2
    """Share of cells left as they are."""

    def __post_init__(self) -> None:
        if self.max_pooled < 1:
            msg = f"`max_pooled` must be at least 1, got {self.max_pooled!r}."
            raise ValueError(msg)
        for name in ("min_kept", "min_panel"):
            if not 0 < getattr(self, name) <= 1:
                msg = f"`{name}` must be above 0 and at most 1, got {getattr(self, name)!r}."
                raise ValueError(msg)
        for name in ("panel_share", "untouched"):
            if not 0 <= getattr(self, name) <= 1:
                msg = f"`{name}` must lie between 0 and 1, got {getattr(self, name)!r}."
                raise ValueError(msg)


class Kin:
    """Cells that may be summed: those of the same label in the same data set.

    Parameters
    ----------
    group
        (cells,) integer code of label and data set.
    """

    def __init__(self, group: np.ndarray) -> None:
        self.group = group
        self.order = np.argsort(group, kind="stable")
        self.size = np.bincount(group)
        self.start = np.concatenate([[0], np.cumsum(self.size)[:-1]])

    def draw(self, rows: np.ndarray, n_partners: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return random relatives: ``n_partners[i]`` of row ``i``, one row after another."""
        group = np.repeat(self.group[rows], n_partners)
        # Relatives lie side by side in `order`: a random place within the group's stretch is a random relative.
        place = self.start[group] + (rng.random(len(group)) * self.size[group]).astype(np.int64)
        return self.order[place]


def pool_cells(
    counts: sparse.csr_matrix, rows: np.ndarray, *, n_pooled: np.ndarray, kin: Kin, rng: np.random.Generator
) -> sparse.csr_matrix:
    """Return ``rows``, each summed with ``n_pooled - 1`` relatives: (rows, genes)."""
    partners = kin.draw(rows, n_pooled - 1, rng)
    owner = np.concatenate([np.arange(len(rows)), np.repeat(np.arange(len(rows)), n_pooled - 1)])
    members = np.concatenate([rows, partners])
    chosen = sparse.csr_matrix((np.ones(len(members), counts.dtype), (owner, members)), (len(rows), counts.shape[0]))
    return (chosen @ counts).tocsr()


def thin(counts: sparse.csr_matrix, kept: np.ndarray, rng: np.random.Generator) -> sparse.csr_matrix:
    """Return counts of which each molecule of cell ``i`` survived with probability ``kept[i]``."""
    share = np.repeat(kept, np.diff(counts.indptr))
    touched = share < 1
    counts.data[touched] = rng.binomial(np.rint(counts.data[touched]).astype(np.int64), share[touched])
    counts.eliminate_zeros()
    return counts


def restrict_panel(counts: sparse.csr_matrix, shares: np.ndarray, rng: np.random.Generator) -> sparse.csr_matrix:
    """Return counts in which cell ``i`` keeps only a random ``shares[i]`` of all genes; 1 keeps all."""
    kept = rng.random(counts.nnz) < np.repeat(shares, np.diff(counts.indptr))
    counts.data[~kept] = 0
    counts.eliminate_zeros()
    return counts


def log_uniform(low: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``size`` numbers between ``low`` and 1, uniform in their logarithm."""
    return np.exp(np.log(low) * rng.random(size))


def augment(
    counts: sparse.csr_matrix, rows: np.ndarray, *, kin: Kin, strength: Augmentation, rng: np.random.Generator
) -> sparse.csr_matrix:
    """Return augmented counts of ``rows``: pooled, thinned, seen through a panel.

    Parameters
    ----------
    counts
        (cells, genes) raw counts.
    rows
        (batch,) cells wanted.
    kin
        Who may be summed with whom.
    strength
        How far to go.
    rng
        Source of randomness.
    """
    size = len(rows)
    touched = rng.random(size) >= strength.untouched
    # Log-uniform from 1 to one more than the most, since the floor is taken.
    n_pooled = np.where(touched, np.floor(1 / log_uniform(1 / (strength.max_pooled + 1), size, rng)), 1).astype(
        np.int64
    )
    deeper = pool_cells(counts, rows, n_pooled=np.minimum(n_pooled, strength.max_pooled), kin=kin, rng=rng)
    shallower = thin(deeper, np.where(touched, log_uniform(strength.min_kept, size, rng), 1.0), rng)
    narrow = rng.random(size) < strength.panel_share
    return restrict_panel(shallower, np.where(narrow, log_uniform(strength.min_panel, size, rng), 1.0), rng)
