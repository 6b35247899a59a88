"""One loop for every objective: it yields its steps, and its state can be stopped and taken up again."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import nn

from ..data.device import Room, current_device, device_of, training_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ..data.reference import TrainBatch
    from .config import TrainConfig
    from .objective import Objective


Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Step:
    """One finished training step."""

    index: int
    loss: float
    lr: float


class Trainer(Generic[Network]):
    """A network in training: its weights, their moving average, the optimiser and the step reached.

    It trains on the device of the settings. Where the memory of a GPU cannot take a batch, the step is made from
    parts of it, whose gradients are added.

    Parameters
    ----------
    network
        Trained in place.
    config
        Length and speed.
    """

    def __init__(self, network: Network, config: TrainConfig) -> None:
        self.network, self.config, self.room = network.to(current_device()), config, Room()
        self.average = deepcopy(network).eval()
        self.optimizer = torch.optim.AdamW(_parameter_groups(network, config.weight_decay), betas=(0.9, 0.98))
        self.step = 0

    def fit(self, batch_of: Callable[[int], TrainBatch], loss_of: Objective[Network]) -> Generator[Step, None, None]:
        """Train from the step reached to the last one.

        Batches are made one step ahead in a thread. Dropout is seeded by the step, so an interrupted training goes on
        to the same weights; the caller's own random state is left alone.

        Parameters
        ----------
        batch_of
            Makes the batch of a step.
        loss_of
            What to minimise.

        Raises
        ------
        FloatingPointError
            If the loss or its gradient is no longer a number; the moving average still holds the weights before.
        """
        # The next batch is made while this one trains; numpy and torch both let other threads run meanwhile.
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(batch_of, self.step)
            while self.step < self.config.n_steps:
                batch = coming.result()
                if self.step + 1 < self.config.n_steps:
                    coming = ahead.submit(batch_of, self.step + 1)
                yield self._take_step(batch, loss_of)

    def _take_step(self, batch: TrainBatch, loss_of: Objective[Network]) -> Step:
        """Lower the loss once."""
        lr = self.config.lr_at(self.step)
        loss = self.room.fit(lambda parts: self._descend(batch, loss_of, parts), len(batch))
        slope = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.max_grad_norm)
        if not (math.isfinite(loss) and torch.isfinite(slope)):
            self.optimizer.zero_grad(set_to_none=True)
            msg = (
                f"Training diverged at step {self.step}: the loss is {loss}, the norm of its gradient "
                f"{slope.item()}. Try a lower `lr` than {lr:.2g}."
            )
            raise FloatingPointError(msg)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._follow()
        self.step += 1
        return Step(self.step - 1, loss, lr)

    def _descend(self, batch: TrainBatch, loss_of: Objective[Network], parts: int) -> float:
        """Add up the gradients of the parts of a batch and return its loss."""
        self.optimizer.zero_grad(set_to_none=True)
        self.network.train()
        device, total = device_of(self.network), 0.0
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            # Chance hangs on the step's number alone, so an interrupted training goes on as if nothing had been.
            torch.manual_seed(self.config.seed * 1_000_003 + self.step)
            for piece in batch.pieces(parts):
                with training_precision(device):
                    loss = loss_of(self.network, piece.to(device)) * (len(piece) / len(batch))
                loss.backward()
                total += loss.item()
        return total

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the weights, faster at the beginning."""
        share = 1 - min(self.config.ema_decay, (self.step + 1) / (self.step + 10))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), share)


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Split parameters into matrices of linear layers, which decay, and everything else, which does not."""
    matrices = {id(module.weight) for module in network.modules() if isinstance(module, nn.Linear)}
    decayed = [p for p in network.parameters() if id(p) in matrices]
    free = [p for p in network.parameters() if id(p) not in matrices]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
