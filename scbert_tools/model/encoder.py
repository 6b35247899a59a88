"""The layer of every self-attention encoder; which attention it holds is a part handed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class EncoderLayer(nn.Module):
    """Pre-norm attention and feed-forward, each added to its input.

    Parameters
    ----------
    attention
        Turns (cells, tokens, width), and what else it is called with, into the same shape.
    width
        Numbers per token.
    feed_forward
        Hidden numbers of the feed-forward step.
    dropout
        Share of what a step adds that is dropped in training.
    """

    def __init__(self, *, attention: nn.Module, width: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.attention, self.attention_norm = attention, nn.LayerNorm(width)
        self.think = nn.Sequential(nn.Linear(width, feed_forward), nn.GELU(), nn.Linear(feed_forward, width))
        self.think_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, *context: Tensor) -> Tensor:
        """Return the tokens after one layer.

        Parameters
        ----------
        tokens
            (cells, tokens, width).
        *context
            What the attention takes besides the tokens, e.g. a mask.
        """
        tokens = tokens + self.dropout(self.attention(self.attention_norm(tokens), *context))
        return tokens + self.dropout(self.think(self.think_norm(tokens)))
