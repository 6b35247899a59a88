"""What holds for every call unless the call says otherwise, and the logger of the package."""

from __future__ import annotations

import logging

logger = logging.getLogger("scbert_tools")
logger.addHandler(logging.NullHandler())

VERBOSITIES = {"silent": logging.CRITICAL + 1, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


class Settings:
    """Session-wide defaults; ``scbert_tools.settings`` is the only instance.

    Examples
    --------
    >>> import scbert_tools as sbt
    >>> sbt.settings.batch_size = 128
    >>> sbt.settings
    Settings(verbosity='silent', device='auto', batch_size=128)
    >>> sbt.settings.reset()
    """

    def __init__(self) -> None:
        self._handler: logging.Handler | None = None
        self.reset()

    def reset(self) -> None:
        """Return to the defaults: silent, ``device="auto"``, 256 cells in a batch."""
        self.verbosity = "silent"
        self.device = "auto"
        self.batch_size = 256

    @property
    def verbosity(self) -> str:
        """How much is told on standard error: ``"silent"``, ``"warning"``, ``"info"`` or ``"debug"``.

        Scanpy's numbers 0 to 3 are taken too. ``"silent"`` leaves the logger ``scbert_tools`` to the
        handlers that an application may have given it.
        """
        return self._verbosity

    @verbosity.setter
    def verbosity(self, value: str | int) -> None:
        names = list(VERBOSITIES)
        chosen = names[value] if isinstance(value, int) and 0 <= value < len(names) else value
        if chosen not in VERBOSITIES:
            msg = f"`verbosity` must be one of {names} or a number from 0 to {len(names) - 1}, got {value!r}."
            raise ValueError(msg)
        self._verbosity = str(chosen)
        self._tell()

    @property
    def device(self) -> str:
        """Where models run: ``"auto"`` (CUDA, else Apple's MPS, else CPU), or a torch device such as ``"cuda:1"``."""
        return self._device

    @device.setter
    def device(self, value: str) -> None:
        if not isinstance(value, str) or not value:
            msg = f'`device` must be "auto" or the name of a torch device such as "cpu" or "cuda:1", got {value!r}.'
            raise ValueError(msg)
        self._device = value

    @property
    def batch_size(self) -> int:
        """Cells that go through a model together; lower it when memory runs out."""
        return self._batch_size

    @batch_size.setter
    def batch_size(self, value: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            msg = f"`batch_size` must be a whole number of at least 1 cell, got {value!r}."
            raise ValueError(msg)
        self._batch_size = value

    def torch_device(self) -> str:
        """Name the device to use now, with ``"auto"`` resolved."""
        if self.device != "auto":
            return self.device
        from torch import backends, cuda

        return "cuda" if cuda.is_available() else "mps" if backends.mps.is_available() else "cpu"

    def _tell(self) -> None:
        """Give the logger one handler for the chosen level, or none."""
        if self._handler is not None:
            logger.removeHandler(self._handler)
            self._handler = None
        logger.setLevel(logging.NOTSET if self.verbosity == "silent" else VERBOSITIES[self.verbosity])
        if self.verbosity != "silent":
            self._handler = logging.StreamHandler()
            self._handler.setFormatter(logging.Formatter("scbert_tools: %(message)s"))
            logger.addHandler(self._handler)

    def __repr__(self) -> str:
        return f"Settings(verbosity={self.verbosity!r}, device={self.device!r}, batch_size={self.batch_size})"


settings = Settings()
