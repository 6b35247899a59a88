"""Labelled and unlabelled cells to learn from, and the batches of one training step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from ..tokens.levels import Levels, to_levels
from .augment import Augmentation, Kin, augment
from .batches import Batch, drop_tokens, pad

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Reference:
    """Cells of one or more data sets, in the genes of one vocabulary.

    Parameters
    ----------
    counts
        (cells, vocabulary) counts, or values proportional to counts that were rounded.
    label
        (cells,) code of each cell's label.
    dataset
        (cells,) code of each cell's data set.
    """

    counts: sparse.csr_matrix
    label: NDArray[np.int64]
    dataset: NDArray[np.int64]

    def __post_init__(self) -> None:
        sizes = {self.counts.shape[0], len(self.label), len(self.dataset)}
        if len(sizes) > 1:
            msg = f"`counts`, `label` and `dataset` must be of the same cells, got {sorted(sizes)} of them."
            raise ValueError(msg)

    def __len__(self) -> int:
        return len(self.label)

    def take(self, cells: NDArray[np.int64]) -> Reference:
        """Return only ``cells``."""
        return Reference(self.counts[cells], self.label[cells], self.dataset[cells])

    @cached_property
    def group(self) -> NDArray[np.int64]:
        """(cells,) code of label and data set together."""
        pairs = np.stack([self.label, self.dataset])
        return np.unique(pairs, axis=1, return_inverse=True)[1].reshape(-1)

    @cached_property
    def kin(self) -> Kin:
        """Who may be summed with whom."""
        return Kin(self.group)

    @cached_property
    def chance(self) -> NDArray[np.float64]:
        """(cells,) chance to be drawn: a group is drawn with the square root of its size."""
        # Each cell by one over the root, n cells of a group together by the root of n.
        weight = 1 / np.sqrt(self.kin.size[self.group])
        return weight / weight.sum()


def no_cells(n_genes: int) -> Reference:
    """Return a reference without cells, to be exchanged for one that has some."""
    nothing = np.zeros(0, np.int64)
    return Reference(sparse.csr_matrix((0, n_genes), dtype=np.float32), nothing, nothing)


@dataclass(frozen=True)
class TrainBatch:
    """One training step's cells and what is known of them.

    Parameters
    ----------
    cells
        Their tokens.
    label
        (cells,) codes of the labels.
    dataset
        (cells,) codes of the data sets.
    """

    cells: Batch
    label: Tensor
    dataset: Tensor

    def __len__(self) -> int:
        return len(self.label)

    def to(self, device: torch.device) -> TrainBatch:
        """Return the same batch on a device."""
        return TrainBatch(self.cells.to(device), self.label.to(device), self.dataset.to(device))

    def pieces(self, n_pieces: int) -> list[TrainBatch]:
        """Return the batch dealt out into pieces; one piece is the batch itself.

        The views of a cell are half the batch apart, so they stay together as long as the pieces divide the half.
        """
        if n_pieces == 1:
            return [self]
        return [
            TrainBatch(self.cells.every(i, n_pieces), self.label[i::n_pieces], self.dataset[i::n_pieces])
            for i in range(n_pieces)
        ]


@dataclass(frozen=True, kw_only=True)
class BatchMaker:
    """Draws, augments and tokenises the batch of any step; a step's batch depends on its number and the seed only."""

    reference: Reference
    levels: Levels = field(default_factory=Levels)
    strength: Augmentation | None = field(default_factory=Augmentation)
    """Augmentation; ``None`` reads the cells as they are."""
    batch_size: int = 128
    token_limit: int = 400
    """Expected number of tokens kept of a longer cell."""
    token_dropout: float = 0.2
    views: int = 1
    """How often each cell is drawn and augmented anew within a batch; 2 for contrastive learning."""
    seed: int = 0

    def on(self, reference: Reference, *, seed: int) -> BatchMaker:
        """Return the same maker for other cells and another seed."""
        return replace(self, reference=reference, seed=seed)

    def __call__(self, step: int) -> TrainBatch:
        """Return the batch of ``step``."""
        rng = np.random.default_rng([self.seed, step])
        drawn = rng.choice(len(self.reference), self.batch_size // self.views, p=self.reference.chance)
        cells = np.tile(drawn, self.views)
        tokens = to_levels(self._seen(cells, rng), self.levels)
        kept = drop_tokens(tokens, share=self.token_dropout, limit=self.token_limit, rng=rng)
        codes = (torch.from_numpy(part[cells]) for part in (self.reference.label, self.reference.dataset))
        return TrainBatch(pad(kept), *codes)

    def _seen(self, cells: NDArray[np.int64], rng: np.random.Generator) -> sparse.csr_matrix:
        """Return the counts of ``cells`` as this step sees them."""
        if self.strength is None:
            return self.reference.counts[cells]
        return augment(self.reference.counts, cells, kin=self.reference.kin, strength=self.strength, rng=rng)
