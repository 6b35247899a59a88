"""Models that come with the package, and models in folders of your own."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import ArrayLike

    from .model.annotator import Annotator

__all__ = ["available", "load", "load_scbert"]

SHIPPED = Path(__file__).parent / "pretrained"


def available() -> list[dict[str, Any]]:
    """List the models that are installed with the package.

    Returns
    -------
    One record per model: name, number of genes, classes and size on disk in MB.

    Examples
    --------
    >>> import scbert_tools as sbt
    >>> [model["name"] for model in sbt.models.available()]
    ['pbmc']
    """
    return [_summary(path.parent) for path in sorted(SHIPPED.glob("*/config.json"))]


def _summary(folder: Path) -> dict[str, Any]:
    """Return what a list of models shows, without reading the weights."""
    sizes = json.loads((folder / "config.json").read_text())["model"]
    records = json.loads((folder / "classes.json").read_text())
    inner = {record["parent"] for record in records}
    return {
        "name": folder.name,
        "genes": sizes["n_genes"],
        "classes": ", ".join(record["name"] for record in records if record["name"] not in inner),
        "megabytes": round(sum(file.stat().st_size for file in folder.iterdir()) / 1e6, 1),
    }


def load(name: str | PathLike[str] | Annotator) -> Annotator:
    """Return a model by name or from its folder.

    Parameters
    ----------
    name
        Name of a shipped model or path of a folder written by :meth:`~scbert_tools.Annotator.save`; a model that is
        loaded already is handed back.

    Returns
    -------
    The model, ready for ``model=`` of every function. A shipped model is read once and then shared: do not change it.

    Raises
    ------
    FileNotFoundError
        If there is no such model or folder, or files of it are missing.
    TypeError
        If it is neither a text, a path nor a model.
    ValueError
        If the folder is damaged or from a newer version.

    Examples
    --------
    >>> import scbert_tools as sbt
    >>> sbt.models.load("pbmc").name
    'pbmc'
    """
    from .model.annotator import Annotator

    if isinstance(name, Annotator):
        return name
    shipped = [record["name"] for record in available()]
    if not isinstance(name, str | os.PathLike):
        msg = f"`model` must be one of {shipped}, a folder or a loaded model, got {type(name).__name__} {name!r}."
        raise TypeError(msg)
    if name in shipped:
        return _load_shipped(str(name))
    if not Path(name).is_dir():
        msg = f"`model` is {str(name)!r}, neither a shipped model {shipped} nor a folder; check the name or path."
        raise FileNotFoundError(msg)
    return Annotator.load(name)


def load_scbert(
    checkpoint: str | PathLike[str],
    *,
    genes: Sequence[str],
    gene2vec: str | PathLike[str] | ArrayLike | None,
    classes: Sequence[str] | None = None,
    maximum: str = "batch",
) -> Annotator:
    """Return the model in a checkpoint that the published scBERT code wrote.

    The file is read without running code from it, and all its weights are used as they are. Expression is then cut
    into levels as its preprocessing does: counts per 10,000 over its genes, log2(x + 1), rounded down, at most 5.

    Parameters
    ----------
    checkpoint
        Its ``.pth`` file, pretrained or fine-tuned.
    genes
        Its genes (16,906 in the published model), in the order of its gene2vec table.
    gene2vec
        That table (genes, 200), or its ``.npy`` file, which is compared with the vectors inside the checkpoint so that
        a wrong list of genes is noticed. ``None`` trusts the checkpoint.
    classes
        Names of its classes in the order of its outputs, i.e. the sorted labels of the data it was fine-tuned on;
        numbered by default.
    maximum
        The published attention takes a maximum over all cells of a batch, so what it says of a cell depends a little
        on the others. ``"batch"`` does the same: for the same cells together it agrees with the published network
        within 1e-5. ``"cell"`` takes the maximum of every cell alone: answers never depend on the batch and are those
        of the published prediction, which reads one cell at a time; encodings of a batch may differ by a few
        hundredths. On a CPU, cells of the published length are read one at a time, where both are the same.

    Returns
    -------
    The model, ready for ``model=`` of every function. A pretrained one can embed cells, and names no types.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a checkpoint of this format, or genes, gene vectors or classes do not fit it.

    Notes
    -----
    Architecture: Yang et al. 2022, doi:10.1038/s42256-022-00534-z. Its weights have a licence of their own.

    Examples
    --------
    >>> import scbert_tools as sbt
    >>> genes = open("genes.txt").read().split()  # doctest: +SKIP
    >>> model = sbt.models.load_scbert("finetuned.pth", genes=genes, gene2vec="gene2vec_16906.npy")  # doctest: +SKIP
    >>> sbt.tl.annotate(adata, model=model)  # doctest: +SKIP
    """
    from .genes.vocabulary import Vocabulary
    from .model import legacy
    from .model.annotator import Annotator
    from .model.labels import LabelTree
    from .tokens.scbert_levels import ScbertLevels

    config, network, n_classes = legacy.network_of(legacy.read_checkpoint(checkpoint), maximum=maximum)
    legacy.check_genes(config, genes)
    legacy.check_gene2vec(network, gene2vec)
    return Annotator(
        network=network,
        config=config,
        vocabulary=Vocabulary(tuple(genes)),
        labels=LabelTree.flat(legacy.class_names(n_classes, classes)),
        levels=ScbertLevels(n_levels=config.n_levels),
        name=Path(checkpoint).stem,
    )


@lru_cache(maxsize=4)
def _load_shipped(name: str) -> Annotator:
    """Read a shipped model once."""
    from .model.annotator import Annotator

    return Annotator.load(SHIPPED / name)
