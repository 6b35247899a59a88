"""Name the cell types of a single-cell data set with a Transformer that reads every expressed gene.

The package is a plug-in for scanpy: ``import scbert_tools as sbt``, then call functions on an AnnData::

    file ──io──► AnnData ──pp──► AnnData (log CPM, Harmony, LIGER)
       genes   names → one vocabulary        tokens   expression → (gene, level) of the expressed genes
       model   embedding → encoder → heads   data     rows → batches        train   objective + loop
       infer   batches → arrays              tl  ──►  adata.obs / obsm / varm / uns        pl   figures

Everything but ``settings`` is imported when it is first used, so importing the package does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from ._settings import settings

if TYPE_CHECKING:
    from . import io, models, pl, pp, tl
    from .model.annotator import Annotator

    __version__: str

__all__ = ["Annotator", "__version__", "io", "models", "pl", "pp", "settings", "tl"]

_SUBMODULES = {"io", "models", "pl", "pp", "tl"}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name in _SUBMODULES:
        return import_module(f".{name}", __name__)
    if name == "Annotator":
        return import_module(".model.annotator", __name__).Annotator
    if name == "__version__":
        return version("scbert-tools")
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    """List the public names, imported already or not."""
    return sorted({*globals(), *__all__})
