"""How logits become probabilities that mean what they say, and when a label is given."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

ALWAYS_STORED = ("temperature", "threshold")
"""Stored in every model; the other settings only where they differ from the default, as older folders lack them."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What turns logits into probabilities that mean what they say."""

    temperature: float = 1.0
    """Logits are divided by it; fitted on data sets the network never saw."""
    threshold: float = 0.5
    """A label is given when the calibrated probability of its node reaches this."""
    set_names: tuple[str, ...] = ()
    """Labels that conformal sets are made of; every leaf stands under exactly one. Empty: no held-out cells known."""
    gate: tuple[float, ...] = ()
    """Weights with which a cell decides how much it listens to others; empty for the usual ones."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "set_names", tuple(self.set_names))
        object.__setattr__(self, "gate", tuple(self.gate))
        if not self.temperature > 0:
            msg = f"`temperature` must be above 0, got {self.temperature!r}."
            raise ValueError(msg)
        if not 0 < self.threshold <= 1:
            msg = f"`threshold` must be above 0 and at most 1, got {self.threshold!r}."
            raise ValueError(msg)

    def to_json(self) -> dict[str, Any]:
        """Return what ``config.json`` holds, in values that JSON gives back unchanged."""
        default = asdict(Calibration())
        stored = {name: list(x) if isinstance(x, tuple) else x for name, x in asdict(self).items()}
        return {name: x for name, x in stored.items() if name in ALWAYS_STORED or getattr(self, name) != default[name]}
