"""Checkpoints of the published scBERT format, read through one table of names and shapes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .config import ModelConfig
from .scbert import HEAD_SIZES, build_scbert

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from numpy.typing import ArrayLike
    from torch import Tensor

    from .scbert import ScbertNetwork

    Shape: TypeAlias = tuple[str | int, ...]
    Table: TypeAlias = dict[str, tuple[str, Shape]]

LAYER = "performer.net.layers.{}."
BODY: Table = {
    # scBERT adds the vector of the level to that of the gene, which is our shift at a scale of 1.
    "token_emb.weight": ("embedding.shift.weight", ("n_levels", "width")),
    "pos_emb.emb.weight": ("embedding.gene.weight", ("sequence", "width")),
    "norm.weight": ("encoder.norm.weight", ("width",)),
    "norm.bias": ("encoder.norm.bias", ("width",)),
}
"""From a name in the checkpoint to ours, and the shape in words; equal words are equal numbers."""
LAYERS: Table = {
    "0.norm.weight": ("attention_norm.weight", ("width",)),
    "0.norm.bias": ("attention_norm.bias", ("width",)),
    "0.fn.fast_attention.projection_matrix": ("attention.directions", ("n_features", "head_width")),
    "0.fn.to_q.weight": ("attention.query.weight", ("all_heads", "width")),
    "0.fn.to_k.weight": ("attention.key.weight", ("all_heads", "width")),
    "0.fn.to_v.weight": ("attention.value.weight", ("all_heads", "width")),
    "0.fn.to_out.weight": ("attention.out.weight", ("width", "all_heads")),
    "0.fn.to_out.bias": ("attention.out.bias", ("width",)),
    "1.norm.weight": ("think_norm.weight", ("width",)),
    "1.norm.bias": ("think_norm.bias", ("width",)),
    "1.fn.fn.w1.weight": ("think.0.weight", ("feed_forward", "width")),
    "1.fn.fn.w1.bias": ("think.0.bias", ("feed_forward",)),
    "1.fn.fn.w2.weight": ("think.2.weight", ("width", "feed_forward")),
    "1.fn.fn.w2.bias": ("think.2.bias", ("width",)),
}
MASKED_HEAD: Table = {
    "to_out.weight": ("head.weight", ("n_levels", "width")),
    "to_out.bias": ("head.bias", ("n_levels",)),
}
CLASS_HEAD: Table = {
    "to_out.conv1.weight": ("head.read.weight", (1, 1, 1, "width")),
    "to_out.conv1.bias": ("head.read.bias", (1,)),
    "to_out.fc1.weight": ("head.wide.weight", (HEAD_SIZES[0], "sequence")),
    "to_out.fc1.bias": ("head.wide.bias", (HEAD_SIZES[0],)),
    "to_out.fc2.weight": ("head.narrow.weight", HEAD_SIZES[::-1]),
    "to_out.fc2.bias": ("head.narrow.bias", (HEAD_SIZES[1],)),
    "to_out.fc3.weight": ("head.classes.weight", ("n_classes", HEAD_SIZES[1])),
    "to_out.fc3.bias": ("head.classes.bias", ("n_classes",)),
}
NOT_WEIGHTS = {"performer.calls_since_last_redraw"}


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the parameters of a checkpoint; no code in the file is run.

    Parameters
    ----------
    path
        ``.pth`` file with ``model_state_dict``, or with the parameters themselves.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a checkpoint.
    """
    if not Path(path).is_file():
        msg = f"`checkpoint` {str(path)!r} is not there; give the path of a .pth file."
        raise FileNotFoundError(msg)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        msg = f"`checkpoint` {str(path)!r} cannot be read as weights ({type(error).__name__}); give scBERT's .pth file."
        raise ValueError(msg) from error
    state = _state_of(content)
    if not state:
        msg = f"`checkpoint` {str(path)!r} holds {type(content).__name__} without parameters; give scBERT's .pth file."
        raise ValueError(msg)
    return state


def _state_of(content: Any) -> dict[str, Tensor]:
    """Return the parameters in what a file held, without the prefix of parallel training; empty if there are none."""
    inner = content.get("model_state_dict", content) if isinstance(content, dict) else {}
    if not isinstance(inner, dict):
        return {}
    named = {str(name).removeprefix("module."): value for name, value in inner.items()}
    return {name: value for name, value in named.items() if isinstance(value, torch.Tensor) and name not in NOT_WEIGHTS}


def table_for(state: Mapping[str, Tensor]) -> Table:
    """Return the table that fits a checkpoint: its number of layers, and the head it has."""
    found = {int(match[1]) for match in map(re.compile(r"performer\.net\.layers\.(\d+)\.").match, state) if match}
    layers = {
        LAYER.format(layer) + name: (f"encoder.layers.{layer}.{ours}", shape)
        for layer in range(max(found, default=0) + 1)
        for name, (ours, shape) in LAYERS.items()
    }
    fine_tuned = any(name.startswith("to_out.conv1") or name.startswith("to_out.fc") for name in state)
    return BODY | layers | (CLASS_HEAD if fine_tuned else MASKED_HEAD)


def sizes_of(state: Mapping[str, Tensor], table: Table) -> dict[str, int]:
    """Return the number behind each word of the table, and refuse a checkpoint that does not fit the table.

    Raises
    ------
    ValueError
        If parameters are missing or unknown, or the shape of one is not that of the others.
    """
    missing, unknown = [name for name in table if name not in state], [name for name in state if name not in table]
    if missing or unknown:
        msg = (
            f"`checkpoint` is not of the published scBERT format: {len(missing)} parameters missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}. Give the .pth file that its training or fine-tuning wrote."
        )
        raise ValueError(msg)
    # By majority, so that the one damaged parameter is named and not its sound neighbours.
    votes: dict[str, Counter[int]] = {}
    for name, (_, shape) in table.items():
        for word, size in zip(shape, state[name].shape, strict=False):
            votes.setdefault(str(word), Counter())[size] += 1
    sizes = {word: count.most_common(1)[0][0] for word, count in votes.items()}
    for name, (_, shape) in table.items():
        wanted = tuple(word if isinstance(word, int) else sizes[word] for word in shape)
        _check_shape(name, tuple(state[name].shape), wanted)
    return sizes


def _check_shape(name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Refuse the first parameter whose shape is not that of the others."""
    if shape != wanted:
        msg = (
            f"`checkpoint` has {name!r} of shape {shape}, but the other parameters ask for {wanted}; "
            "it is damaged or not of the published scBERT architecture."
        )
        raise ValueError(msg)


def network_of(state: Mapping[str, Tensor], *, maximum: str = "batch") -> tuple[ModelConfig, ScbertNetwork, int]:
    """Return sizes, network and number of classes (0 after pretraining) of a checkpoint's parameters.

    Parameters
    ----------
    state
        Parameters by their name in the checkpoint.
    maximum
        See :class:`~scbert_tools.model.config.ModelConfig`.

    Raises
    ------
    ValueError
        If the parameters are not those of the published format.
    """
    table = table_for(state)
    sizes = sizes_of(state, table)
    n_classes = sizes.get("n_classes", 0)
    config = ModelConfig.of(
        "scbert",
        n_genes=sizes["sequence"] - 1,
        n_levels=sizes["n_levels"],
        gene_width=sizes["width"],
        width=sizes["width"],
        n_layers=sum(name.endswith("to_q.weight") for name in table),
        n_heads=sizes["all_heads"] // sizes["head_width"],
        head_width=sizes["head_width"],
        n_features=sizes["n_features"],
        feed_forward=sizes["feed_forward"],
        maximum=maximum,
    )
    network = build_scbert(config, n_classes)
    own = network.state_dict()
    # Only the convolution, (1, 1, 1, width), has other dimensions than the linear layer that does the same here.
    renamed = {ours: state[name].float().reshape(own[ours].shape) for name, (ours, _) in table.items()}
    network.load_state_dict(own | renamed)
    return config, network.eval(), n_classes


def check_genes(config: ModelConfig, genes: Sequence[str]) -> None:
    """Refuse a list of genes that is not as long as the checkpoint's.

    Raises
    ------
    ValueError
        If the numbers differ.
    """
    if len(genes) != config.n_genes:
        msg = (
            f"`genes` has {len(genes)} names, but the checkpoint was trained on {config.n_genes} genes; "
            "give all of them in the order of its gene2vec table."
        )
        raise ValueError(msg)


def check_gene2vec(network: ScbertNetwork, gene2vec: str | os.PathLike[str] | ArrayLike | None) -> None:
    """Refuse gene vectors that are not those inside the checkpoint: its genes are others, or in another order.

    Raises
    ------
    ValueError
        If shape or values differ.
    """
    if gene2vec is None:
        return
    given = np.asarray(np.load(gene2vec) if isinstance(gene2vec, str | Path) else gene2vec, dtype=np.float32)
    # Without the last row, which belongs to the trailing place and to no gene.
    own = network.embedding.gene.weight.detach().numpy()[:-1]
    if given.shape != own.shape:
        msg = (
            f"`gene2vec` has shape {given.shape}, but the checkpoint holds {own.shape} (genes, width); give its table."
        )
        raise ValueError(msg)
    different = np.flatnonzero(~np.isclose(given, own, atol=1e-3).all(axis=1))
    if different.size:
        msg = (
            f"`gene2vec` differs from the vectors in the checkpoint for {different.size} genes, first {different[0]}; "
            "give the table it was trained with, or None to take what it holds."
        )
        raise ValueError(msg)


def class_names(n_classes: int, classes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the classes, numbered where none are given.

    Raises
    ------
    ValueError
        If there are more or fewer names than classes.
    """
    names = tuple(f"class {place}" for place in range(n_classes)) if classes is None else tuple(map(str, classes))
    if len(names) != n_classes or len(set(names)) != n_classes:
        msg = (
            f"`classes` has {len(names)} names ({len(set(names))} different), but the checkpoint has {n_classes} "
            f"classes; give one name for each, or None{'' if n_classes else ' as it is pretrained only'}."
        )
        raise ValueError(msg)
    return names
