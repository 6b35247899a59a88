"""What is read off the encoder: the cell type, or the level of a hidden gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


class MaskedGeneHead(nn.Module):
    """Predict the level of any gene from what the latents know: the gene's vector asks, the latents answer.

    Parameters
    ----------
    width
        Numbers per latent.
    gene_width
        Numbers per gene vector.
    n_levels
        Expression levels to choose from.
    """

    def __init__(self, *, width: int, gene_width: int, n_levels: int) -> None:
        super().__init__()
        self.ask = nn.Linear(gene_width, width)
        self.answer = nn.Linear(width, 2 * width)
        self.decide = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, n_levels))

    def forward(self, genes: Tensor, latents: Tensor) -> Tensor:
        """Return level logits.

        Parameters
        ----------
        genes
            (cells, asked, gene_width) vectors of the genes asked for.
        latents
            (cells, latents, width).

        Returns
        -------
        (cells, asked, n_levels).
        """
        question = self.ask(genes)
        keys, values = self.answer(latents).chunk(2, dim=-1)
        known = functional.scaled_dot_product_attention(question[:, None], keys[:, None], values[:, None])
        return self.decide(question + known.squeeze(1))
