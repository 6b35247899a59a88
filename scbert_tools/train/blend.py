"""How far votes and Transformer are trusted: a share and a temperature, fitted on cells that neither learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from .votes import log_sum_exp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..model.heads import CellHead
    from .votes import Votes

SHARES = tuple(np.linspace(0, 1, 11).round(1).tolist())
"""Shares of the Transformer that are tried."""

TEMPERATURES = (0.2, 20.0)
"""Lowest and highest temperature."""

USUAL_SHARE = 0.3
"""Share of the Transformer where held-out cells do not tell: two opinions that err apart are better than one."""

STANDARD_ERRORS = 2.0
"""Of its gain on held-out cells, that another share has to gain: with one, few judges prefer it by luck."""


@dataclass(frozen=True)
class Blend:
    """Logits are ``((1 - share) * votes + share * transformer / heat) / temperature``.

    Parameters
    ----------
    share
        Share of the Transformer, 0 to 1.
    temperature
        What blended logits are divided by.
    heat
        What the Transformer's logits are divided by to be as sure of themselves as the votes have a right to be.
    """

    share: float
    temperature: float
    heat: float = 1.0

    def __call__(self, votes: NDArray[np.float32], transformer: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated logits, (cells, classes)."""
        mixed = (1 - self.share) * votes + self.share * (transformer / self.heat)
        return np.asarray(mixed / self.temperature, np.float32)

    def put_into(self, head: CellHead, votes: Votes) -> float:
        """Make a head say the blend, and return the temperature that its logits are to be divided by."""
        # (1 - s) v + s t / h = (1 - s) (v + s / (1 - s) t / h): a head adds its correction at full weight, and 1 - s
        # goes into the temperature. At s = 1 the votes fall silent instead.
        loudness = 0.0 if self.share == 1 else 1.0
        correction = (1.0 if self.share == 1 else self.share / (1 - self.share)) / self.heat
        with torch.no_grad():
            head.votes.weight.copy_(loudness * torch.from_numpy(votes.weight))
            head.votes.bias.copy_(loudness * torch.from_numpy(votes.bias))
            head.correction.weight.copy_(correction * head.alone.weight)
            head.correction.bias.copy_(correction * head.alone.bias)
        return self.temperature if self.share == 1 else self.temperature / (1 - self.share)


def surprise(logits: NDArray[np.float32], allowed: NDArray[np.bool_], *, several: bool) -> NDArray[np.float32]:
    """Return minus the log-probability of what is true of each cell, (cells,).

    Parameters
    ----------
    logits
        (cells, classes).
    allowed
        (cells, classes), true where the cell's label allows the class, or has it.
    several
        Whether classes are independent of each other.
    """
    if several:
        return np.asarray((np.logaddexp(0, logits) - allowed * logits).sum(axis=1), np.float32)
    within = log_sum_exp(np.where(allowed, logits, -np.inf))
    return np.asarray((log_sum_exp(logits) - within)[:, 0], np.float32)


def fit_blend(
    votes: NDArray[np.float32],
    transformer: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    *,
    weight: NDArray[np.float64] | None = None,
    several: bool = False,
) -> Blend:
    """Return the share and temperature under which held-out cells are least surprising.

    Each is first brought to the temperature that suits it, so that one which knows nothing says nothing. The share is
    the usual one, or less in proportion where the Transformer is the more surprised of the two, unless another gains
    more than two standard errors: a few cells that happen to suit it are no reason.

    Parameters
    ----------
    votes, transformer
        (cells, classes) logits of both for cells that neither was trained on.
    allowed
        (cells, classes), true where the cell's label allows the class, or has it.
    weight
        (cells,) importance of each cell for the share, equal by default; the temperature is fitted on all cells alike.
    several
        Whether classes are independent of each other.
    """
    heats = [cooled(logits, allowed, several=several)[1] for logits in (votes, transformer)]
    heat = heats[1] / heats[0]
    tried = [cooled(Blend(share, 1.0, heat)(votes, transformer), allowed, several=several) for share in SHARES]
    losses = np.stack([each for each, _ in tried]).astype(np.float64)
    losses *= 1 if weight is None else weight / weight.mean()
    mean = losses.mean(axis=1)
    heard = USUAL_SHARE * min(1.0, 2 * mean[0] / max(mean[0] + mean[-1], 1e-12))
    best, usual = int(mean.argmin()), int(np.abs(np.subtract(SHARES, heard)).argmin())
    trusted = best if is_gain(losses[usual] - losses[best], n_errors=STANDARD_ERRORS) else usual
    return Blend(SHARES[trusted], tried[trusted][1], heat)


def is_gain(gain: NDArray[np.float64], *, n_errors: float) -> bool:
    """Return whether held-out cells, (cells,), gain more on the mean than so many standard errors."""
    return bool(gain.mean() > n_errors * gain.std() / np.sqrt(len(gain)))


def cooled(
    logits: NDArray[np.float32], allowed: NDArray[np.bool_], *, several: bool
) -> tuple[NDArray[np.float32], float]:
    """Return the surprise of every cell under the best temperature, and that temperature; as for :func:`surprise`."""
    bounds = tuple(np.log(TEMPERATURES))

    def each(log_temperature: float) -> NDArray[np.float32]:
        return surprise(logits / np.float32(np.exp(log_temperature)), allowed, several=several)

    found = minimize_scalar(lambda value: float(each(value).mean()), bounds=bounds, method="bounded").x
    return each(found), float(np.exp(found))
