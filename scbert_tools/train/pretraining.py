"""Masked gene prediction: what the network learns from cells without labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..data.device import device_of
from .coexpression import gene_facts
from .guesses import level_frequencies
from .loop import Trainer
from .masked_genes import MaskedGeneModel, name_log_likelihood
from .watch import History, run_training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from ..data.reference import BatchMaker, TrainBatch
    from ..model.network import CellTransformer
    from .coexpression import GeneFacts
    from .config import TrainConfig
    from .masked_genes import Answers

HELD_OUT_SHARE = 0.03
"""Share of the cells that only judge."""

LOOKS = 8
"""Batches of held-out cells in one look."""


@dataclass(frozen=True)
class Pretrained:
    """A pretrained network and how well it predicts hidden genes."""

    network: CellTransformer
    history: History
    report: dict[str, float]


def pretrain_network(
    network: CellTransformer,
    batches: BatchMaker,
    config: TrainConfig,
    *,
    held_out_share: float = HELD_OUT_SHARE,
    folder: Path | None = None,
    progress: bool = True,
) -> Pretrained:
    """Train embedding and encoder on masked genes of cells in memory.

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
    seen, away = _split(batches, share=held_out_share, seed=config.seed)
    facts = gene_facts(batches.reference, network.embedding.gene.embedding_dim, seed=config.seed)
    return pretrain_on(network, seen, away, facts, config, folder=folder, progress=progress)


def pretrain_on(
    network: CellTransformer,
    seen: Callable[[int], TrainBatch],
    away: Callable[[int], TrainBatch],
    facts: GeneFacts,
    config: TrainConfig,
    *,
    folder: Path | None = None,
    progress: bool = True,
) -> Pretrained:
    """Train embedding and encoder on masked genes of batches, wherever they come from.

    Parameters
    ----------
    network
        Fresh; its classification head is not touched.
    seen, away
        Give the batch of a step: of cells to learn from, and of cells that only judge.
    facts
        What is known of the genes: their vectors to start from, and where they were measured.
    config
        Length, speed and seed.
    folder
        Where checkpoints go, and are looked for.
    progress
        Show a progress bar.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = MaskedGeneModel(network, facts)
    trainer = Trainer(model, config)
    questions = [away(step) for step in range(LOOKS)]

    def loss_of(model: MaskedGeneModel, batch: TrainBatch) -> Tensor:
        loss: Tensor = model(batch, _generator(config.seed, trainer.step))
        return loss

    history = run_training(trainer, seen, loss_of, _look(questions), folder=folder, progress=progress)
    answers = _answers(trainer.average, questions)
    report = name_report(answers, questions, facts) | masked_gene_report(answers, seen)
    return Pretrained(trainer.average.network, history, report)


@torch.inference_mode()
def _answers(model: MaskedGeneModel, questions: list[TrainBatch]) -> list[Answers]:
    """Return what a model says of held-out cells, always with the same genes hidden."""
    device = device_of(model)
    said = [model.answer(batch.to(device), _generator(0, place)) for place, batch in enumerate(questions)]
    return [one.cpu() for one in said]


def name_report(answers: list[Answers], questions: list[TrainBatch], facts: GeneFacts) -> dict[str, float]:
    """Return how well hidden genes are named, by the model and by a guess that knows how common every gene is.

    Both choose among all genes that were measured and are not shown.

    Parameters
    ----------
    answers
        What the trained model says of held-out cells.
    questions
        These cells.
    facts
        What is known of the genes.

    Returns
    -------
    Cross-entropies ``gene_name_loss`` (model) and ``gene_commonness_loss`` (guess).
    """
    common, found = torch.from_numpy(facts.commonness), []
    for said, batch in zip(answers, questions, strict=True):
        guess = torch.where(said.names.isfinite(), common, -torch.inf)
        found.append([name_log_likelihood(names, batch.cells, said.hidden) for names in (said.names, guess)])
    of_model, of_guess = (-float(torch.cat(part).mean()) for part in zip(*found, strict=True))
    return {"gene_name_loss": of_model, "gene_commonness_loss": of_guess}


def masked_gene_report(answers: list[Answers], seen: Callable[[int], TrainBatch]) -> dict[str, float]:
    """Return how well the levels of hidden expressed genes are told, by the model and by guesses that know little.

    The guesses know how common levels are at all, of the gene, or in cells of the same depth, which most genes of a
    cell share: seen once, they have the level of one molecule. A model that does not beat the last has learned depth.

    All are asked exactly the same: the expressed genes hidden from held-out cells.

    Parameters
    ----------
    answers
        What the trained model says of held-out cells.
    seen
        Gives batches of training cells, of which 100 are counted for the guesses.

    Returns
    -------
    Cross-entropies ``masked_gene_loss`` (model), ``overall_level_loss`` (how common each level is),
    ``gene_level_loss`` (how common it is for the gene) and ``lowest_level_loss`` (how common it is in cells of the same
    lowest level, so of like depth), and the shares of levels told exactly: ``masked_gene_accuracy``, and of the
    commonest level in each of the three ways, ``overall_level_accuracy``, ``gene_level_accuracy`` and
    ``lowest_level_accuracy``.
    """
    (genes, truth, lowest), said = _of_expressed(answers)
    common = level_frequencies(seen, n_genes=int(genes.max(initial=0)) + 1, n_levels=said.shape[1])
    guesses = {
        "masked_gene": _given_expressed(said, common.overall[0]),
        "overall_level": np.log(np.broadcast_to(common.overall, said.shape)),
        "gene_level": np.log(common.by_gene[genes]),
        "lowest_level": np.log(common.by_lowest[lowest]),
    }
    every = np.arange(len(truth))
    losses = {f"{name}_loss": float(-guess[every, truth].mean()) for name, guess in guesses.items()}
    right = {f"{name}_accuracy": float((guess.argmax(axis=1) == truth).mean()) for name, guess in guesses.items()}
    return losses | right


def _given_expressed(logits: NDArray[np.float64], faint: float) -> NDArray[np.float64]:
    """Return log-probabilities of levels of genes known to be expressed, as the guesses know it: (genes, levels).

    The model was asked for absent genes as well, whose level is 0. Of expressed genes, only a share that is ``faint``
    has it.
    """
    above = logits[:, 1:] - np.logaddexp.reduce(logits[:, 1:], axis=1, keepdims=True)
    return np.hstack([np.full((len(logits), 1), np.log(faint)), above + np.log1p(-faint)])


def _of_expressed(answers: list[Answers]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return what is known of all hidden expressed genes, and the logits of their levels.

    Returns
    -------
    (3, genes) places in the vocabulary, true levels and lowest levels shown of their cells; (genes, levels).
    """
    found = []
    for said in answers:
        asked, real = said.asked, said.asked.expressed
        lowest = asked.lowest[:, None].expand_as(asked.levels)
        known = torch.stack([part[real].long() for part in (asked.genes, asked.levels, lowest)])
        found.append((known.T, said.levels[real].double()))
    known, logits = (torch.cat(part) for part in zip(*found, strict=True))
    return known.T.numpy(), logits.numpy()


def _split(batches: BatchMaker, *, share: float, seed: int) -> tuple[BatchMaker, BatchMaker]:
    """Return makers of training and of held-out batches; nothing is pooled, for labels are not known."""
    n_cells = len(batches.reference)
    if n_cells < 2:
        msg = f"`batches` must hold at least 2 cells, one of them to judge, got {n_cells}."
        raise ValueError(msg)
    whole = without_kin(batches)
    held_out = np.random.default_rng(seed).permutation(n_cells)[: max(1, int(share * n_cells))]
    kept = np.setdiff1d(np.arange(n_cells), held_out)
    return (
        whole.on(batches.reference.take(kept), seed=seed),
        whole.on(batches.reference.take(held_out), seed=seed + 1),
    )


def without_kin(batches: BatchMaker) -> BatchMaker:
    """Return the same maker without what needs labels or hides what is asked for: no pooling, no panels."""
    strength = None if batches.strength is None else replace(batches.strength, max_pooled=1, panel_share=0.0)
    return replace(batches, strength=strength)


def _look(questions: list[TrainBatch]) -> Callable[[MaskedGeneModel], float]:
    """Return a function from a model to its loss on held-out cells, always with the same genes hidden."""

    @torch.inference_mode()
    def look(model: MaskedGeneModel) -> float:
        device = device_of(model)
        losses = [model(batch.to(device), _generator(0, place)).item() for place, batch in enumerate(questions)]
        return float(np.mean(losses))

    return look


def _generator(seed: int, step: int) -> torch.Generator:
    """Return the source of randomness of one step."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)
