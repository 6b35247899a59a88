"""Files of a model's folder, and what is said of damaged ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or say which file is damaged."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        msg = f"{str(path)!r} is not readable as JSON ({error}). Copy or install the model again."
        raise ValueError(msg) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weights file as 32-bit floats, or say that the file is damaged."""
    try:
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    except SafetensorError as error:
        msg = f"{str(path)!r} is not readable as safetensors ({error}). Copy or install the model again."
        raise ValueError(msg) from error


def read_tensors_if_any(path: Path) -> dict[str, Tensor]:
    """Return the same of a file that a model may lack, nothing if it does."""
    return read_tensors(path) if path.is_file() else {}
