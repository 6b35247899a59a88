"""Where a network runs: device, precision, and what to do when its memory is full."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeVar

import torch

from .._settings import logger, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from torch import nn

Result = TypeVar("Result")
Network = TypeVar("Network", bound="nn.Module")


def current_device() -> torch.device:
    """Return the device that ``settings.device`` stands for.

    Raises
    ------
    ValueError
        If torch does not know it, or cannot use it on this machine.
    """
    name = settings.torch_device()
    try:
        # A name may be known and its device absent: only putting something there tells.
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        msg = f'`settings.device` is {name!r}, which cannot be used here: {reason}. Set it to "auto" or "cpu".'
        raise ValueError(msg) from error
    return device


def device_of(network: nn.Module) -> torch.device:
    """Return where the weights of a network are."""
    return next(network.parameters()).device


@contextmanager
def placed(network: Network, device: torch.device) -> Iterator[Network]:
    """Give a network that is on ``device`` within the block, and put it back afterwards."""
    home = device_of(network)
    try:
        yield network.to(device)
    finally:
        network.to(home)


def reading_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return half precision for reading cells on a GPU, and nothing on a CPU, where it does not pay."""
    return nullcontext() if device.type == "cpu" else torch.autocast(device.type, dtype=torch.float16)


def training_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return half precision for training on a GPU that has bfloat16, whose range needs no scaling of losses."""
    able = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast("cuda", dtype=torch.bfloat16) if able else nullcontext()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of a GPU is full."""
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error).lower()


class Room:
    """How many parts a batch is cut into to fit the memory of a device, twice as many whenever it is full.

    Parameters
    ----------
    parts
        Parts to begin with.
    """

    def __init__(self, parts: int = 1) -> None:
        self.parts = parts

    def fit(self, work: Callable[[int], Result], n_cells: int) -> Result:
        """Return ``work(parts)``, doing it again in twice as many parts as long as memory runs out.

        Parameters
        ----------
        work
            Processes a batch in a number of parts; is started anew after a failure.
        n_cells
            Cells of the batch: the most parts there can be.
        """
        while True:
            try:
                return work(min(self.parts, n_cells))
            except RuntimeError as error:
                if not is_out_of_memory(error) or self.parts >= n_cells:
                    raise
            before, self.parts = -(-n_cells // self.parts), 2 * self.parts
            _free()
            logger.warning("Out of memory with %d cells at once; going on with %d.", before, -(-n_cells // self.parts))


def _free() -> None:
    """Give back what torch keeps of the GPU's memory for later."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
