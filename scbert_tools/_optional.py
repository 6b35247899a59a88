"""Optional packages: the one place that knows which extra brings which package."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

EXTRAS = {
    "rds2py": "seurat",
    "captum": "explain",
    "shap": "explain",
    "igraph": "leiden",
    "zarr": "scale",
}


def require(package: str, *, purpose: str) -> ModuleType:
    """Return the optional package, or say which extra installs it.

    Parameters
    ----------
    package
        Import name of the package.
    purpose
        What needs it, as the beginning of a sentence.

    Raises
    ------
    ImportError
        If the package is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        extra = EXTRAS.get(package)
        remedy = f"pip install 'scbert-tools[{extra}]'" if extra else f"pip install {package}"
        msg = f"{purpose} needs `{package}`: {remedy}"
        raise ImportError(msg) from error
