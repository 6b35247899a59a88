"""Integrated gradients: what every gene adds to the evidence on the straight way from the baseline to the cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..model.latent import LatentEncoder
from .evidence import Inputs, evidence_of, inputs_of, votes_toward
from .latent_attention import read_openly

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from ..data.batches import Batch
    from ..model.network import CellTransformer
    from .evidence import Baseline

N_STEPS = 20
"""Places on the way where the gradient is taken: Gauss and Legendre's, of which so few are exact to a percent."""


@dataclass(frozen=True)
class IntegratedGradients:
    """Scores the genes of a batch; a kernel of :func:`~scbert_tools.infer.token_scores.score_groups`.

    Votes are linear in loudness, so their part is exact; the correction is integrated through the token vectors.

    Parameters
    ----------
    network
        A frozen network.
    direction
        (all cells, classes) what to explain in each cell.
    baseline
        What cells are compared with.
    n_steps
        Places on the way.
    """

    network: CellTransformer
    direction: Tensor
    baseline: Baseline
    n_steps: int = N_STEPS

    def __call__(self, batch: Batch, cells: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the scores (cells, tokens) and the change of evidence from the baseline (cells,)."""
        direction = self.direction[torch.from_numpy(cells)]
        with torch.no_grad():
            own, base = inputs_of(self.network, batch), self.baseline.of(batch.genes)
            start = Inputs(base.tokens, base.loudness * batch.mask[:, 0, 0])
            change = [evidence_of(self.network, batch, inputs, direction=direction) for inputs in (own, start)]
            votes = (own.loudness - start.loudness) * votes_toward(self.network, batch.genes, direction)
        # Votes are linear and done: on the way only the correction is asked, one product with the cell's vector.
        toward = direction @ self.network.head.correction.weight  # (cells, width)
        gains = torch.zeros_like(votes)
        encode = _encoding(self.network, batch, own.tokens, None if self.baseline.is_empty else start.tokens)
        for place, weight in _places(self.n_steps):
            gain = torch.full_like(votes, place).requires_grad_()
            gains += weight * torch.autograd.grad((encode(gain) * toward).sum(), gain)[0]
        return votes + gains, change[0] - change[1]


def _places(n_steps: int) -> list[tuple[float, float]]:
    """Return places between 0 and 1 and their weights."""
    place, weight = np.polynomial.legendre.leggauss(n_steps)
    return list(zip(((place + 1) / 2).tolist(), (weight / 2).tolist(), strict=True))


def _encoding(network: CellTransformer, batch: Batch, tokens: Tensor, start: Tensor | None) -> Callable[..., Tensor]:
    """Return the CLS latent (cells, width) as a function of how far each token has come, (cells, tokens)."""
    if isinstance(network.encoder, LatentEncoder) and start is None:
        return partial(_encode_openly, network.encoder, tokens, batch.mask)
    return partial(_encode_any, network, tokens, torch.zeros_like(tokens) if start is None else start, batch.mask)


def _encode_openly(encoder: LatentEncoder, tokens: Tensor, mask: Tensor, gain: Tensor) -> Tensor:
    """Encode token vectors made shorter, without a gradient of the vectors: half the work."""
    return read_openly(encoder, tokens, mask=mask, gain=gain)[0]


def _encode_any(network: CellTransformer, tokens: Tensor, start: Tensor, mask: Tensor, gain: Tensor) -> Tensor:
    """Encode token vectors on the way from ``start``, by the encoder's own forward pass."""
    return network.encoder(torch.lerp(start, tokens, gain[:, :, None]), mask, n_kept=1)[:, 0]
