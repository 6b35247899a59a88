"""A training's state on disk: weights, average, optimiser and step in one safetensors file."""

from __future__ import annotations

import json
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Iterator
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

    Raises
    ------
    ValueError
        If the file is damaged, or of another network.
    """
    with _explained(path):
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


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of weights.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    with _explained(path):
        return load_file(path)


def check_folder(folder: Path | None) -> None:
    """Refuse a folder that cannot be written to, before hours of training are lost.

    Parameters
    ----------
    folder
        Made if it is missing; ``None`` is always fine.

    Raises
    ------
    PermissionError
        If nothing can be written there.
    """
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        msg = f"`folder` {str(folder)!r} cannot be written to ({error.strerror}); choose another one."
        raise PermissionError(msg) from error


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a checkpoint into what to do about it."""
    remedy = f"Remove {str(path.parent)!r} to begin anew, or give another `folder`."
    try:
        yield
    except (SafetensorError, KeyError, TypeError) as error:
        msg = f"{str(path)!r} is damaged ({error}). {remedy}"
        raise ValueError(msg) from error
    except RuntimeError as error:
        first = str(error).splitlines()[:2][-1].strip()
        msg = f"{str(path)!r} belongs to another training: {first} {remedy}"
        raise ValueError(msg) from error


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
