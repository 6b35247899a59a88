"""Run a training to its end: look at held-out cells, keep the best, stop early, resume after an interruption."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from safetensors.torch import save_file
from tqdm import tqdm

from .checkpoint import check_folder, read_checkpoint, read_weights, write_checkpoint
from .loop import Network, Trainer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from ..data.reference import TrainBatch
    from .objective import Objective


@dataclass
class History:
    """What was seen on the way.

    Parameters
    ----------
    steps
        Steps done at each look.
    loss
        Mean training loss since the look before.
    held_out
        Loss on the held-out cells.
    """

    steps: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)

    def add(self, step: int, loss: float, held_out: float) -> None:
        """Append one look."""
        self.steps.append(step)
        self.loss.append(loss)
        self.held_out.append(held_out)

    def since_best(self) -> int:
        """Return how many looks ago the held-out loss was lowest."""
        return len(self.held_out) - 1 - self.held_out.index(min(self.held_out))


def run_training(
    trainer: Trainer[Network],
    batch_of: Callable[[int], TrainBatch],
    loss_of: Objective[Network],
    look: Callable[[Network], float],
    *,
    folder: Path | None = None,
    progress: bool = True,
) -> History:
    """Train, and leave the averaged weights that did best on the held-out cells in ``trainer.average``.

    Parameters
    ----------
    trainer
        Network, optimiser and step; taken up where a checkpoint in ``folder`` left it.
    batch_of
        Makes the batch of a step.
    loss_of
        What to minimise.
    look
        Returns the held-out loss of a network.
    folder
        Where checkpoints go; ``None`` keeps none.
    progress
        Show a progress bar.

    Raises
    ------
    PermissionError
        If ``folder`` cannot be written to.
    ValueError
        If ``folder`` holds a damaged checkpoint, or that of a training with other settings.
    FloatingPointError
        If training diverges; the checkpoint before it stays.
    """
    check_folder(folder)
    keeper = _Keeper(trainer, folder)
    losses: list[float] = []
    steps = trainer.fit(batch_of, loss_of)
    if keeper.history.held_out and keeper.history.since_best() >= trainer.config.patience:
        steps.close()
    bar = tqdm(steps, total=trainer.config.n_steps, initial=trainer.step, desc="Training", disable=not progress)
    for step in bar:
        losses.append(step.loss)
        if trainer.step % trainer.config.check_every == 0 or trainer.step == trainer.config.n_steps:
            keeper.note(sum(losses) / len(losses), look(trainer.average))
            bar.set_postfix(loss=keeper.history.loss[-1], held_out=keeper.history.held_out[-1])
            losses.clear()
            if keeper.history.since_best() >= trainer.config.patience:
                steps.close()
                break
    trainer.average.load_state_dict(keeper.best)
    trainer.average.to("cpu")
    return keeper.history


class _Keeper(Generic[Network]):
    """The best weights so far and the history, in memory and, if wanted, on disk."""

    def __init__(self, trainer: Trainer[Network], folder: Path | None) -> None:
        self.trainer, self.folder, self.history = trainer, folder, History()
        self.best: dict[str, Tensor] = self._copy()
        if folder is not None and (folder / "last.safetensors").is_file():
            facts = read_checkpoint(trainer, folder / "last.safetensors")
            _refuse_other_config(facts.get("config"), asdict(trainer.config), folder)
            self.history = History(**facts["history"])
            self.best = read_weights(folder / "best.safetensors")

    def _copy(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.trainer.average.state_dict().items()}

    def note(self, loss: float, held_out: float) -> None:
        """Take down one look; keep the weights if they are the best so far."""
        self.history.add(self.trainer.step, loss, held_out)
        if self.history.since_best() == 0:
            self.best = self._copy()
        if self.folder is not None:
            # The best weights first, then the state that counts on them: killed in between, the last steps are taken
            # again and end the same.
            save_file(self.best, self.folder / "best.part")
            (self.folder / "best.part").replace(self.folder / "best.safetensors")
            facts = {"history": asdict(self.history), "config": asdict(self.trainer.config)}
            write_checkpoint(self.trainer, self.folder / "last.safetensors", **facts)


def _refuse_other_config(known: dict[str, Any] | None, wanted: dict[str, Any], folder: Path) -> None:
    """Refuse to go on with a training that was begun with other settings; old checkpoints do not tell theirs."""
    other = [name for name, value in (known or {}).items() if wanted.get(name) != value]
    if known is not None and other:
        described = ", ".join(f"{name} = {known[name]!r} instead of {wanted.get(name)!r}" for name in other)
        msg = (
            f"`folder` {str(folder)!r} holds a training begun with {described}. Use the same settings to go on "
            "with it, or another folder."
        )
        raise ValueError(msg)
