"""What a model attends to: from CLS to the genes, and from genes to genes, whatever its architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..model.exact import ExactEncoder
from ..model.latent import LatentEncoder
from ..tokens.levels import to_levels
from .latent_attention import ROLLOUT, LatentAttention
from .self_attention import ExactAttention
from .token_scores import CELLS_PER_CHUNK, readable_batches

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray
    from scipy import sparse

    from ..model.annotator import Annotator

    Attention: TypeAlias = LatentAttention | ExactAttention


def attention_of(annotator: Annotator, of: str | int = ROLLOUT) -> Attention:
    """Return the attention of a model, a kernel of :func:`~scbert_tools.infer.token_scores.score_groups`.

    Parameters
    ----------
    annotator
        The model.
    of
        ``"rollout"`` over all layers, or the number of one layer, counted from 0.

    Raises
    ------
    ValueError
        If the model has no CLS that attends to genes, or no such layer.
    """
    network = annotator.network.eval()
    if not isinstance(network.encoder, LatentEncoder | ExactEncoder):
        msg = (
            f'`model` {annotator.name!r} has the architecture "{annotator.config.preset}", which has no CLS token and '
            'never forms its attention; use a model of the architecture "mini" or "base".'
        )
        raise ValueError(msg)
    layers = range(len(network.encoder.layers))
    if of != ROLLOUT and of not in layers:
        msg = f'`of` must be "{ROLLOUT}" or the number of a layer, {list(layers)}, got {of!r}.'
        raise ValueError(msg)
    return (LatentAttention if isinstance(network.encoder, LatentEncoder) else ExactAttention)(network, of)


def gene_attention(
    annotator: Annotator,
    rows: Callable[[NDArray[np.int64]], sparse.csr_matrix],
    *,
    cells: NDArray[np.int64],
    genes: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Return the mean attention from genes to genes, (genes, genes); missing where no cell expresses the first.

    Parameters
    ----------
    annotator
        A model whose attention :func:`attention_of` knows.
    rows
        Gives cells by their numbers as (cells, vocabulary) values proportional to counts.
    cells
        (cells,) numbers of the cells to average over.
    genes
        (genes,) numbers of the genes in the vocabulary.
    """
    attention = attention_of(annotator)
    sums, n_cells = torch.zeros(len(genes), len(genes)), torch.zeros(len(genes))
    place = torch.full((len(annotator.vocabulary) + 1,), -1)
    place[torch.from_numpy(genes)] = torch.arange(len(genes))
    for start in range(0, len(cells), CELLS_PER_CHUNK):
        tokens = to_levels(rows(cells[start : start + CELLS_PER_CHUNK]), annotator.levels)
        for _, batch in readable_batches(tokens):
            column = place[batch.genes.long()].masked_fill(~batch.mask[:, 0, 0], -1)
            sums += attention.between(batch, column, n_genes=len(genes)).sum(0)
            n_cells += torch.bincount(column[column >= 0], minlength=len(genes))
    return (sums / n_cells[:, None]).numpy()
