"""Train a network to name cell types: split, batches, objective and looks put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..data.batches import by_length, pad
from ..data.device import device_of
from ..tokens.levels import to_levels
from .loop import Trainer
from .objective import cell_type_objective, marginal_loss
from .watch import History, run_training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from ..data.reference import BatchMaker, Reference
    from ..model.network import CellTransformer
    from ..tokens.levels import Levels
    from .config import TrainConfig


@dataclass(frozen=True)
class Trained:
    """The averaged network of a training and how it came about."""

    network: CellTransformer
    history: History


def split_held_out(group: NDArray[np.int64], *, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which cells to hold out: ``share`` of every group, none of a group too small to spare one.

    Parameters
    ----------
    group
        (cells,) code of label and data set.
    share
        Share to hold out.
    rng
        Source of randomness.
    """
    order = rng.permutation(len(group))
    order = order[np.argsort(group[order], kind="stable")]
    size = np.bincount(group)
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(np.cumsum(size) - size, size)
    return rank < np.floor(share * size[group])


def held_out_loss(reference: Reference, membership: Tensor, levels: Levels) -> Callable[[CellTransformer], float]:
    """Return a function from a network to its loss on unaugmented cells."""
    tokens = to_levels(reference.counts, levels)
    allowed = membership[torch.from_numpy(reference.label)]

    @torch.inference_mode()
    def look(network: CellTransformer) -> float:
        total = 0.0
        for cells in by_length(tokens.lengths, 2**16):
            batch = pad(tokens, cells).to(device_of(network))
            logits = network(batch.genes, batch.levels, batch.mask).logits.cpu()
            total += marginal_loss(logits, allowed[cells]).item() * len(cells)
        return total / max(1, len(reference))

    return look


def train_cell_types(
    network: CellTransformer,
    batches: BatchMaker,
    membership: NDArray[np.bool_],
    config: TrainConfig,
    *,
    held_out_share: float = 0.1,
    folder: Path | None = None,
    progress: bool = True,
) -> Trained:
    """Train on labelled cells and return the average that did best on cells held out.

    Parameters
    ----------
    network
        Fresh or pretrained.
    batches
        The reference and how it is augmented; its seed is taken from ``config``.
    membership
        (labels, classes), true where a label allows a class.
    config
        Length, speed and seed.
    held_out_share
        Share of every label and data set that only judges. Where none can be spared, the cells trained on judge.
    folder
        Where checkpoints go, and are looked for.
    progress
        Show a progress bar.
    """
    away = split_held_out(batches.reference.group, share=held_out_share, rng=np.random.default_rng(config.seed))
    allowed = torch.from_numpy(membership)
    judges = np.flatnonzero(away) if away.any() else np.arange(len(away))
    look = held_out_loss(batches.reference.take(judges), allowed, batches.levels)
    kept = batches.reference.take(np.flatnonzero(~away))
    trainer = Trainer(network, config)
    history = run_training(
        trainer,
        batches.on(kept, seed=config.seed),
        cell_type_objective(allowed),
        look,
        folder=folder,
        progress=progress,
    )
    return Trained(trainer.average, history)
