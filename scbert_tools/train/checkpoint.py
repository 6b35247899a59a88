"""A training's state on disk: weights, average, optimiser and step in one safetensors file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safetensors import safe_open
from safetensors.torch import save_file

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from .loop import Trainer


def write_checkpoint(trainer: Trainer[Any], path: Path, **facts: object) -> None:
    """Write everything a training needs to go on; an older file is replaced only by a complete one.

    Parameters
    ----------
    trainer
        The training.
    path
        File to write.
    facts
        Further values to keep, such as the best score so far.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"network.{name}": tensor for name, tensor in trainer.network.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in trainer.average.state_dict().items()}
    for place, state in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{place}.{name}": tensor for name, tensor in state.items()}
    unfinished = path.with_suffix(".part")
    copies = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    save_file(copies, unfinished, metadata={"step": str(trainer.step), "facts": json.dumps(facts)})
    unfinished.replace(path)


def read_checkpoint(trainer: Trainer[Any], path: Path) -> dict[str, Any]:
    """Put a training back into the state of a checkpoint and return the facts kept with it.

    Parameters
    ----------
    trainer
        A training of the same network and configuration.
    path
        File written by :func:`write_checkpoint`.
    """
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    trainer.network.load_state_dict(_under(tensors, "network."))
    trainer.average.load_state_dict(_under(tensors, "average."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under(tensors, "optimizer.").items():
        place, field = name.split(".")
        state.setdefault(int(place), {})[field] = tensor
    trainer.optimizer.load_state_dict({**trainer.optimizer.state_dict(), "state": state})
    trainer.step = int(metadata["step"])
    facts: dict[str, Any] = json.loads(metadata["facts"])
    return facts


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
