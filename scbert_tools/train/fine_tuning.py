"""Fine-tuning: gene votes solved to convergence, a Transformer trained with contrast, held-out cells that judge."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from .._settings import settings
from ..data.augment import Augmentation
from ..data.batches import by_length, pad
from ..data.device import Room, current_device, device_of
from ..data.reference import BatchMaker
from ..model.heads import CellHead
from ..model.parallel import leave_a_core
from ..tokens.levels import to_levels
from .blend import Blend, cooled, fit_blend
from .config import TrainConfig
from .contrast import Contrast, contrastive_objective, read_cell, sibling_emphasis
from .folds import batch_folds, cell_folds
from .loop import Trainer
from .memory import pieces_for
from .vote_search import VoteRule, VoteSearch
from .watch import History, run_training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from ..data.reference import Reference
    from ..data.targets import Targets
    from ..model.network import CellTransformer
    from ..tokens.levels import TokenRows
    from .start import Start
    from .votes import Votes

TOKENS_PER_LOOK = 16_384
"""Padded tokens that go through the network together when it is judged."""


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How a model is fine-tuned."""

    training: TrainConfig = field(default_factory=lambda: TrainConfig(n_steps=400, check_every=50, patience=3))
    contrast: Contrast = field(default_factory=Contrast)
    strength: Augmentation | None = field(
        default_factory=lambda: Augmentation(max_pooled=2, min_kept=0.7, panel_share=0.0, untouched=0.3)
    )
    """Augmentation; mild, because cells of one reference differ little in depth."""
    cells_per_step: int = 64
    token_limit: int = 700
    token_dropout: float = 0.1
    n_folds: int = 8
    """Folds of the cells; the first one judges the Transformer, others help it to choose the votes."""
    n_judged: int = 1_000
    """Cells that choose the votes: as many folds are left out in turn as hold them, two at least."""


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned network, how its logits become probabilities, and what judged it.

    Parameters
    ----------
    network
        With its head set.
    temperature
        What its logits are divided by.
    blend
        How votes and Transformer were joined; ``None`` for a network without votes.
    rule
        How the votes were solved for.
    history
        Looks at the held-out cells.
    judges
        (held-out cells,) which cells of the reference judged.
    logits
        By name of the part, (held-out cells, classes): what votes, Transformer and both together said of the judges.
    """

    network: CellTransformer
    temperature: float
    blend: Blend | None
    rule: VoteRule | None
    history: History
    judges: NDArray[np.int64]
    logits: dict[str, NDArray[np.float32]]


def fine_tune_network(
    start: Start,
    reference: Reference,
    targets: Targets,
    config: FineTuning,
    *,
    batch: NDArray[np.int64] | None = None,
    folder: Path | None = None,
    progress: bool = True,
) -> FineTuned:
    """Train a network on labelled cells and set its head so that held-out cells are least surprising.

    Parameters
    ----------
    start
        The network to train, with a head for the classes.
    reference
        Counts of the cells in the genes of ``start``; ``label`` are places in ``targets.names``.
    targets
        What the labels mean; its ``code`` is not looked at.
    config
        How to train.
    batch
        (cells,) codes of batches that are held out whole; single cells are held out by default.
    folder
        Where checkpoints go, and are looked for.
    progress
        Show a progress bar.
    """
    rng = np.random.default_rng(config.training.seed)
    fold = _folds(reference.label, batch, config.n_folds, rng)
    judges, learners = np.flatnonzero(fold == 0), np.flatnonzero(fold != 0)
    tokens = to_levels(reference.counts, start.levels)
    allowed = targets.membership[reference.label]
    train = partial(
        train_transformer, start, reference, targets, config, learners=learners, judges=judges, folder=folder
    )
    if not isinstance(start.network.head, CellHead):
        network, history = train(progress=progress)
        said = read_logits(network, tokens, judges)
        temperature = cooled(said, allowed[judges], several=targets.several)[1]
        parts = {"ours": said / np.float32(temperature)}
        return FineTuned(network, temperature, None, None, history, judges, parts)

    search = VoteSearch(
        tokens, len(start.vocabulary), allowed, reference.label, fold, several=targets.several, hints=start.hints
    )
    with ThreadPoolExecutor(1) as beside, leave_a_core():
        coming = beside.submit(_settle, search, config.n_judged)
        network, history = train(progress=progress)
        settled = coming.result()
    said, votes = (
        read_logits(network, tokens, judges),
        settled.without_judges(search.loudness(settled.rule.power)[judges]),
    )
    weight = search.importance(np.arange(len(reference)))[judges]
    blend = fit_blend(votes, said, allowed[judges], weight=weight, several=targets.several)
    network.head.votes.power = settled.rule.power
    temperature = blend.put_into(network.head, settled.everyone)
    parts = {"ours": blend(votes, said), "votes alone": votes, "transformer alone": said}
    return FineTuned(network, temperature, blend, settled.rule, history, judges, parts)


@dataclass(frozen=True)
class _Settled:
    """The votes of a reference, with and without the cells that judge."""

    rule: VoteRule
    without_judges: Votes
    everyone: Votes


def _settle(search: VoteSearch, n_judged: int) -> _Settled:
    """Choose how to solve for votes, and solve."""
    size = np.bincount(search.fold)
    n_folds = max(2, int(np.searchsorted(np.cumsum(size), n_judged)) + 1)
    rule = search.best(range(min(n_folds, len(size))))
    without_judges = search.without(0, rule)
    return _Settled(rule, without_judges, search.solve(np.arange(len(search.label)), rule, start=without_judges))


def _folds(
    label: NDArray[np.int64], batch: NDArray[np.int64] | None, n_folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the fold of every cell, whole batches if there are any."""
    if batch is None:
        return cell_folds(label, n_folds=n_folds, rng=rng)
    return batch_folds(label, batch, n_folds=n_folds, rng=rng)


def train_transformer(
    start: Start,
    reference: Reference,
    targets: Targets,
    config: FineTuning,
    *,
    learners: NDArray[np.int64],
    judges: NDArray[np.int64],
    folder: Path | None = None,
    progress: bool = True,
) -> tuple[CellTransformer, History]:
    """Train the encoder, and the part of the head that reads the cell's vector alone, on some of the cells.

    Parameters
    ----------
    start, reference, targets, config, folder, progress
        As for :func:`fine_tune_network`.
    learners
        Cells to learn from.
    judges
        Cells that say when to stop.

    Returns
    -------
    The averaged weights that did best on the judges, and the looks at them.
    """
    batches = BatchMaker(
        reference=reference.take(learners),
        levels=start.levels,
        strength=config.strength,
        batch_size=min(config.cells_per_step, settings.batch_size),
        token_limit=config.token_limit,
        token_dropout=config.token_dropout,
        views=2 if config.contrast.weight else 1,
        seed=config.training.seed,
    )
    membership = torch.from_numpy(targets.membership)
    emphasis = sibling_emphasis(targets.membership, targets.tree, config.contrast.hardness)
    objective = contrastive_objective(membership, config.contrast, emphasis, several=targets.several)
    seen = reference.take(judges)
    look = _look(to_levels(seen.counts, start.levels), targets.membership[seen.label], several=targets.several)
    trainer = Trainer(start.network, config.training)
    if current_device().type == "cpu":  # which ends the process where a GPU would say that it is full
        longest = int(start.network.tokens_read(np.array([config.token_limit])).max())
        trainer.room = Room(pieces_for(start.config, n_cells=batches.batch_size, n_tokens=longest))
    history = run_training(trainer, batches, objective, look, folder=folder, progress=progress)
    return trainer.average, history


def _look(tokens: TokenRows, allowed: NDArray[np.bool_], *, several: bool) -> Callable[[CellTransformer], float]:
    """Return a function from a network to the mean surprise of held-out cells under their best temperature."""

    def look(network: CellTransformer) -> float:
        logits = read_logits(network, tokens, np.arange(len(tokens.lengths)))
        return float(cooled(logits, allowed, several=several)[0].mean())

    return look


@torch.inference_mode()
def read_logits(network: CellTransformer, tokens: TokenRows, cells: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return what the Transformer says of some cells without votes, (cells, classes)."""
    device = device_of(network)
    batches = list(by_length(network.tokens_read(tokens.lengths[cells]), TOKENS_PER_LOOK))
    said = [read_cell(network, pad(tokens, cells[some]).to(device))[0].float().cpu().numpy() for some in batches]
    return np.concatenate(said)[np.argsort(np.concatenate(batches))]
