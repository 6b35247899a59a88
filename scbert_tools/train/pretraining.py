"""Masked gene prediction: what the network learns from cells without labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ..model.heads import MaskedGeneHead
from .loop import Trainer
from .objective import masked_gene_loss
from .watch import History, run_training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from ..data.reference import BatchMaker, TrainBatch
    from ..model.network import CellTransformer
    from .config import TrainConfig

HIDDEN_SHARE = 0.15
"""Share of a cell's expressed genes that are hidden."""

LOOKS = 8
"""Batches of held-out cells in one look."""


@dataclass(frozen=True)
class Pretrained:
    """A pretrained network and how well it predicts hidden genes."""

    network: CellTransformer
    history: History
    report: dict[str, float]


class MaskedGeneModel(nn.Module):
    """A network together with the head that predicts hidden genes.

    Parameters
    ----------
    network
        Its embedding and encoder are trained.
    head
        Predicts levels.
    """

    def __init__(self, network: CellTransformer, head: MaskedGeneHead) -> None:
        super().__init__()
        self.network, self.head = network, head

    def forward(self, batch: TrainBatch, generator: torch.Generator) -> Tensor:
        """Return the loss of one batch."""
        return masked_gene_loss(self.network, self.head, batch, share=HIDDEN_SHARE, generator=generator)


def pretrain_network(
    network: CellTransformer,
    batches: BatchMaker,
    config: TrainConfig,
    *,
    held_out_share: float = 0.03,
    folder: Path | None = None,
    progress: bool = True,
) -> Pretrained:
    """Train embedding and encoder on masked genes.

    Parameters
    ----------
    network
        Fresh; its classification head is not touched.
    batches
        The cells; labels are not looked at, and only thinning is applied to them.
    config
        Length, speed and seed.
    held_out_share
        Share of cells that only judge.
    folder
        Where checkpoints go, and are looked for.
    progress
        Show a progress bar.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        head = MaskedGeneHead(
            width=network.head.in_features,
            gene_width=network.embedding.gene.embedding_dim,
            n_levels=network.embedding.scale.num_embeddings,
        )
    seen, away = _split(batches, share=held_out_share, seed=config.seed)
    trainer = Trainer(MaskedGeneModel(network, head), config)
    questions = [away(step) for step in range(LOOKS)]

    def loss_of(model: MaskedGeneModel, batch: TrainBatch) -> Tensor:
        loss: Tensor = model(batch, _generator(config.seed, trainer.step))
        return loss

    history = run_training(trainer, seen, loss_of, _look(questions), folder=folder, progress=progress)
    report = {"masked_gene_loss": min(history.held_out)} | level_baselines(seen, questions)
    return Pretrained(trainer.average.network, history, report)


def level_baselines(seen: Callable[[int], TrainBatch], questions: list[TrainBatch]) -> dict[str, float]:
    """Return the loss on expressed genes of two answers that read no cell: commonest levels, and each gene's levels.

    Parameters
    ----------
    seen
        Gives batches of training cells, of which 100 are counted.
    questions
        Held-out cells.
    """
    genes, levels = (np.concatenate(part) for part in zip(*(_tokens(seen(step)) for step in range(100)), strict=True))
    asked, truth = (np.concatenate(part) for part in zip(*map(_tokens, questions), strict=True))
    n_levels = int(max(levels.max(), truth.max())) + 1
    overall = (np.bincount(levels, minlength=n_levels) + 1) / (len(levels) + n_levels)
    n_genes = int(max(genes.max(), asked.max())) + 1
    table = np.zeros((n_genes, n_levels))
    np.add.at(table, (genes, levels), 1)
    by_gene = (table + 10 * overall) / (table.sum(axis=1, keepdims=True) + 10)
    return {
        "overall_level_loss": float(-np.log(overall[truth]).mean()),
        "gene_level_loss": float(-np.log(by_gene[asked, truth]).mean()),
    }


def _tokens(batch: TrainBatch) -> tuple[np.ndarray, np.ndarray]:
    """Return genes and levels of the real tokens of a batch."""
    real = batch.cells.mask[:, 0, 0]
    return batch.cells.genes[real].numpy(), batch.cells.levels[real].numpy()


def _split(batches: BatchMaker, *, share: float, seed: int) -> tuple[BatchMaker, BatchMaker]:
    """Return makers of training and of held-out batches; cells are thinned but keep all their tokens."""
    strength = None if batches.strength is None else replace(batches.strength, max_pooled=1, panel_share=0.0)
    whole = replace(batches, strength=strength, batch_size=48, token_dropout=0.0, token_limit=900)
    n_cells = len(batches.reference)
    if n_cells < 2:
        msg = f"`batches` must hold at least 2 cells, one of them to judge, got {n_cells}."
        raise ValueError(msg)
    held_out = np.random.default_rng(seed).permutation(n_cells)[: max(1, int(share * n_cells))]
    kept = np.setdiff1d(np.arange(n_cells), held_out)
    return (
        whole.on(batches.reference.take(kept), seed=seed),
        whole.on(batches.reference.take(held_out), seed=seed + 1),
    )


def _look(questions: list[TrainBatch]) -> Callable[[MaskedGeneModel], float]:
    """Return a function from a model to its loss on held-out cells, always with the same genes hidden."""

    @torch.inference_mode()
    def look(model: MaskedGeneModel) -> float:
        losses = [model(batch, _generator(0, place)).item() for place, batch in enumerate(questions)]
        return float(np.mean(losses))

    return look


def _generator(seed: int, step: int) -> torch.Generator:
    """Return the source of randomness of one step."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)
