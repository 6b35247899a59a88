"""Where a training starts: fresh weights of a preset, or a trained model that gets new classes and further genes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..genes.vocabulary import Vocabulary
from ..model.annotator import LEVELS
from ..model.config import ModelConfig
from ..model.heads import CellHead
from ..model.network import build_network
from ..tokens.levels import Levels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from ..model.annotator import Annotator
    from ..model.network import CellTransformer

GENE_TABLE = "embedding.gene.weight"


@dataclass(frozen=True)
class Start:
    """A network about to be trained, and what it reads.

    Parameters
    ----------
    network
        With the weights that training starts from; nobody else's.
    config
        Its sizes.
    vocabulary
        Genes it reads.
    levels
        How expression is cut.
    hints
        (genes, classes of the model started from) what its genes vote; ``None`` where they do not.
    """

    network: CellTransformer
    config: ModelConfig
    vocabulary: Vocabulary
    levels: Levels
    hints: NDArray[np.float32] | None = None


def fresh_start(preset: str, genes: Iterable[str], n_classes: int, *, seed: int, **sizes: Any) -> Start:
    """Return a network of a preset with random weights.

    Parameters
    ----------
    preset
        ``"mini"``, ``"base"`` or ``"scbert"``.
    genes
        Genes to read.
    n_classes
        Classes to tell apart; 0 for pretraining.
    seed
        Seed of the weights; the caller's random state is left alone.
    **sizes
        Fields of :class:`~scbert_tools.model.config.ModelConfig` that are to differ from the preset.
    """
    vocabulary = Vocabulary(tuple(genes))
    config = ModelConfig.of(preset, n_genes=len(vocabulary), **sizes)
    kind = LEVELS.get(config.preset, Levels)
    return Start(_seeded(config, n_classes, seed), config, vocabulary, kind(n_levels=config.n_levels))


def start_from(
    annotator: Annotator, n_classes: int, *, further_genes: Iterable[str] = (), seed: int, **sizes: Any
) -> Start:
    """Return a network with the encoder of a model, a fresh head, and rows for genes the model did not read.

    The encoder is that from before the model learned its labels, if it was kept: what labels made of it suits them
    alone, while what they taught single genes comes along as hints.

    A further gene starts as a random vector of the same spread as the known ones. Published-format scBERT models
    read a fixed sequence, so their genes stay as they are.

    Parameters
    ----------
    annotator
        The model; it is not changed.
    n_classes
        Classes to tell apart.
    further_genes
        Genes to read besides those of the model.
    seed
        Seed of what is new.
    **sizes
        Fields of the configuration that do not belong to the encoder, such as ``vote_power``.
    """
    further = [] if annotator.config.preset == "scbert" else list(further_genes)
    vocabulary = Vocabulary((*annotator.vocabulary.genes, *further))
    config = replace(annotator.config, n_genes=len(vocabulary), **sizes)
    network = _seeded(config, n_classes, seed)
    network.load_state_dict(_fitted(network.state_dict(), annotator.untaught or annotator.network.state_dict()))
    return Start(network, config, vocabulary, annotator.levels, _votes_known(annotator, len(vocabulary)))


def _votes_known(annotator: Annotator, n_genes: int) -> NDArray[np.float32] | None:
    """Return what the genes of a model vote, further genes being silent; nothing if all are."""
    head = annotator.network.head
    if not (isinstance(head, CellHead) and head.votes.weight.any()):
        return None
    known = head.votes.weight.detach().cpu().numpy()
    return np.pad(known, ((0, n_genes - len(known)), (0, 0)))


def _seeded(config: ModelConfig, n_classes: int, seed: int) -> CellTransformer:
    """Build a network without touching the caller's random state."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")  # a head without classes
        torch.manual_seed(seed)
        return build_network(config, n_classes)


def _fitted(fresh: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the fresh weights with everything known put in, but for the head."""
    taken = {name: tensor for name, tensor in known.items() if not name.startswith("head.")}
    genes, mixed = taken[GENE_TABLE], dict(fresh) | taken
    # Further genes get vectors spread like the trained ones, which is what the layers above have learned to read.
    new = fresh[GENE_TABLE][len(genes) :]
    mixed[GENE_TABLE] = torch.cat([genes, new * genes.std(dim=0) + genes.mean(dim=0)])
    return mixed
