"""FAVOR+ attention: softmax attention through random features, at a cost linear in the number of tokens.

Choromanski et al. 2021, Rethinking Attention with Performers, ICLR: ``exp(q·k) = E[φ(q)·φ(k)]`` with positive features
``φ(x) = exp(ω·x - |x|² / 2)`` of random directions ω, so keys and values are summed up once for all queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from torch import Tensor

    Maximum: TypeAlias = Callable[[Tensor], Tensor]

FLOOR = 1e-4
"""Added to every feature, so that no token is ever out of sight."""
TOKENS_AT_ONCE = 2048
"""Tokens whose features are held together; small enough to stay in a CPU's cache."""


def maximum_per_cell(largest: Tensor) -> Tensor:
    """Return each cell's largest exponent for (cells, heads, …): a cell's result does not depend on its batch."""
    return largest.flatten(1).amax(dim=1)[:, None]


def maximum_of_batch(largest: Tensor) -> Tensor:
    """Return the largest exponent of all cells for (cells, heads, …), as published."""
    return largest.amax()


MAXIMA: dict[str, Maximum] = {"cell": maximum_per_cell, "batch": maximum_of_batch}
"""From which keys the maximum is taken that keeps exponents in range; it matters a little because of ``FLOOR``."""


def random_directions(n_features: int, width: int, generator: torch.Generator | None = None) -> Tensor:
    """Return random directions that are orthogonal in blocks, with lengths like those of normal vectors.

    Parameters
    ----------
    n_features
        Directions wanted.
    width
        Numbers per direction.
    generator
        Source of randomness; torch's own by default.

    Returns
    -------
    (n_features, width).
    """
    n_blocks = -(-n_features // width)
    blocks, triangles = torch.linalg.qr(torch.randn(n_blocks, width, width, generator=generator))
    blocks = blocks * triangles.diagonal(dim1=1, dim2=2).sign()[:, None]  # else some directions are never drawn
    lengths = torch.randn(n_features, width, generator=generator).norm(dim=1, keepdim=True)
    return blocks.mT.flatten(0, 1)[:n_features] * lengths


def summarise_keys(key: Tensor, value: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Sum up the keys and values of one head, with exponents relative to their largest.

    Parameters
    ----------
    key
        (tokens, width), scaled.
    value
        (tokens, columns).
    directions
        (features, width).

    Returns
    -------
    (features, columns) sums and () the largest ``ω·k`` of the keys, which exponents are relative to.
    """
    parts = [
        _summarise(*part, directions)
        for part in zip(key.split(TOKENS_AT_ONCE), value.split(TOKENS_AT_ONCE), strict=True)
    ]
    # Each part has exponents relative to its own largest, to stay in range: bring them to one before adding.
    largest = torch.stack([own for _, own in parts])
    shares = (largest - largest.amax()).exp()
    sums = torch.stack([part for part, _ in parts])
    return torch.einsum("p,pfc->fc", shares, sums), largest.amax()


def _summarise(key: Tensor, value: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Sum up a few tokens."""
    exponents = key @ directions.mT
    largest = exponents.detach().amax()
    features = exponents.sub_(_half_square(key) + largest).exp_()
    return features.mT @ value, largest


def read_summary(query: Tensor, summary: Tensor, directions: Tensor) -> Tensor:
    """Return what the queries of one head read.

    Parameters
    ----------
    query
        (tokens, width), scaled.
    summary
        (features, columns), of which the last column counts keys.
    directions
        (features, width).

    Returns
    -------
    (tokens, columns - 1).
    """
    # Adding FLOOR to every feature of a query adds this to all that it reads; no features have to be kept for it.
    floor = FLOOR * summary.sum(dim=0)
    parts = [torch.addmm(floor, _features(part, directions), summary) for part in query.split(TOKENS_AT_ONCE)]
    read = torch.cat(parts)
    return read[:, :-1] / read[:, -1:]


def _features(query: Tensor, directions: Tensor) -> Tensor:
    """Return the features of a few queries, each with exponents relative to its own largest."""
    # Dividing by a query's own largest cancels between numerator and denominator, but for FLOOR.
    exponents = query @ directions.mT
    largest = exponents.detach().amax(dim=1, keepdim=True)
    return exponents.sub_(_half_square(query) + largest).exp_()


def _half_square(vectors: Tensor) -> Tensor:  # (tokens, width) -> (tokens, 1)
    return vectors.square().sum(dim=1, keepdim=True) / 2


def favor_attention(query: Tensor, key: Tensor, value: Tensor, directions: Tensor, *, maximum: Maximum) -> Tensor:
    """Return what the queries read from all keys, head by head, without a matrix of tokens by tokens.

    Parameters
    ----------
    query, key, value
        (cells, heads, tokens, width).
    directions
        (features, width).
    maximum
        From the largest exponent of every head, (cells, heads), to the one that the floor is relative to.

    Returns
    -------
    (cells, heads, tokens, width).
    """
    # The fourth root on either side is the square root of softmax attention on their product.
    shape, scale = value.shape, key.shape[-1] ** -0.25
    counted = functional.pad(value, (0, 1), value=1.0).flatten(0, 1)  # the last column sums to the denominator
    pairs = zip((key * scale).flatten(0, 1), counted, strict=True)
    sums, largest = (torch.stack(part) for part in zip(*(summarise_keys(*p, directions) for p in pairs), strict=True))
    largest = largest.view(shape[:2])
    share = (largest - maximum(largest)).exp().flatten()
    summaries = sums * share[:, None, None] + FLOOR * counted.sum(dim=1, keepdim=True)
    queries = (query * scale).flatten(0, 1)
    return torch.stack([read_summary(*pair, directions) for pair in zip(queries, summaries, strict=True)]).view(shape)


class FavorAttention(nn.Module):
    """Multi-head FAVOR+ attention among all tokens of a cell.

    Parameters
    ----------
    width
        Numbers per token.
    n_heads
        Heads.
    head_width
        Numbers per token and head.
    n_features
        Random directions; more of them come closer to exact attention.
    maximum
        See :data:`MAXIMA`.
    """

    directions: Tensor

    def __init__(self, *, width: int, n_heads: int, head_width: int, n_features: int, maximum: Maximum) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, n_heads * head_width, bias=False) for _ in range(3))
        self.out = nn.Linear(n_heads * head_width, width)
        self.register_buffer("directions", random_directions(n_features, head_width))
        self.n_heads, self.maximum = n_heads, maximum

    def forward(self, tokens: Tensor) -> Tensor:  # (cells, tokens, width) -> same
        query, key, value = (self._heads(part(tokens)) for part in (self.query, self.key, self.value))
        read = favor_attention(query, key, value, self.directions, maximum=self.maximum)
        return self.out(read.transpose(1, 2).flatten(2))

    def _heads(self, vectors: Tensor) -> Tensor:  # (cells, tokens, heads * width) -> (cells, heads, tokens, width)
        return vectors.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
