"""Models that come with the package, and models in folders of your own."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike

    from .model.annotator import Annotator

__all__ = ["available", "load"]

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
    if name in shipped:
        return _load_shipped(str(name))
    if not Path(name).is_dir():
        msg = f"`model` is {str(name)!r}, neither a shipped model {shipped} nor a folder; check the name or path."
        raise FileNotFoundError(msg)
    return Annotator.load(name)


@lru_cache(maxsize=4)
def _load_shipped(name: str) -> Annotator:
    """Read a shipped model once."""
    from .model.annotator import Annotator

    return Annotator.load(SHIPPED / name)
