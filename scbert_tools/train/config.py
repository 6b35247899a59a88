"""How a network is trained: one frozen object."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Length, speed and safety of a training."""

    n_steps: int = 2000
    lr: float = 2e-3
    """Highest learning rate, reached after the warm-up and then lowered along a cosine."""
    final_lr: float = 0.02
    """Last learning rate as a share of the highest."""
    warmup_steps: int = 100
    weight_decay: float = 0.05
    """On matrices of the encoder and the head; gene vectors, levels and norms are free."""
    max_grad_norm: float = 1.0
    ema_decay: float = 0.995
    """The weights delivered are a moving average over about 1 / (1 - decay) steps."""
    check_every: int = 200
    """Steps between looks at the held-out cells, each followed by a checkpoint."""
    patience: int = 10
    """Looks without improvement after which training stops."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_steps", "check_every", "patience"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                msg = f"`{name}` must be a whole number and at least 1, got {value!r}."
                raise ValueError(msg)
        if not 0 <= self.ema_decay < 1:
            msg = f"`ema_decay` must be at least 0 and below 1, got {self.ema_decay!r}."
            raise ValueError(msg)
        if not (isinstance(self.lr, Real) and self.lr > 0 and math.isfinite(self.lr)):
            msg = f"`lr` must be a number above 0, got {self.lr!r}; 1e-4 to 2e-3 are usual."
            raise ValueError(msg)

    def lr_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.n_steps))
        return self.lr * warm * (self.final_lr + (1 - self.final_lr) * cosine)
