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

STANDARD_ERRORS = 2.0
"""Of its gain on held-out cells, that the Transformer has to gain: with one, few judges let it in by luck."""


@dataclass(frozen=True)
class Blend:
    """Logits are ``((1 - share) * votes + share * transformer) / temperature``.

    Parameters
    ----------
    share
        Share of the Transformer, 0 to 1.
    temperature
        What blended logits are divided by.
    """

    share: float
    temperature: float

    def __call__(self, votes: NDArray[np.float32], transformer: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated logits, (cells, classes)."""
        return np.asarray(((1 - self.share) * votes + self.share * transformer) / self.temperature, np.float32)

    def put_into(self, head: CellHead, votes: Votes) -> float:
        """Make a head say the blend, and return the temperature that its logits are to be divided by."""
        # (1 - s) v + s t = (1 - s) (v + s / (1 - s) t): a head adds its correction at full weight, and the factor
        # 1 - s goes into the temperature. At s = 1 the votes fall silent instead.
        loudness = 0.0 if self.share == 1 else 1.0
        correction = 1.0 if self.share == 1 else self.share / (1 - self.share)
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

    No share is given to the Transformer unless one gains more than two standard errors: a few cells that happen to suit
    it are no reason to trust it.

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
    tried = [cooled(Blend(share, 1.0)(votes, transformer), allowed, several=several) for share in SHARES]
    losses = np.stack([each for each, _ in tried]).astype(np.float64)
    losses *= 1 if weight is None else weight / weight.mean()
    best = int(losses.mean(axis=1).argmin())
    gain = losses[0] - losses[best]
    trusted = best if gain.mean() > STANDARD_ERRORS * gain.std() / np.sqrt(len(gain)) else 0
    return Blend(SHARES[trusted], tried[trusted][1])


def cooled(
    logits: NDArray[np.float32], allowed: NDArray[np.bool_], *, several: bool
) -> tuple[NDArray[np.float32], float]:
    """Return the surprise of every cell under the best temperature, and that temperature; as for :func:`surprise`."""
    bounds = tuple(np.log(TEMPERATURES))

    def each(log_temperature: float) -> NDArray[np.float32]:
        return surprise(logits / np.float32(np.exp(log_temperature)), allowed, several=several)

    found = minimize_scalar(lambda value: float(each(value).mean()), bounds=bounds, method="bounded").x
    return each(found), float(np.exp(found))
