"""Every public function keeps scanpy's conventions and is documented in full."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

import scbert_tools as sbt

MODULES = ["io", "models", "pl", "pp", "tl"]
SECTIONS = ["Parameters", "Returns", "Examples"]
OTHER_FIRST = {  # public functions that do not act on an AnnData
    "io.read_seurat": "path",
    "models.available": None,
    "models.load": "name",
    "models.load_scbert": "checkpoint",
    "pl.faithfulness": "curves",
    "pl.history": "history",
    "tl.pretrain": "data",
}
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def public_functions() -> dict[str, Callable[..., object]]:
    found = {}
    for module in MODULES:
        namespace = import_module(f"scbert_tools.{module}")
        found |= {f"{module}.{name}": getattr(namespace, name) for name in getattr(namespace, "__all__", [])}
    return {name: value for name, value in found.items() if inspect.isfunction(value)}


FUNCTIONS = public_functions()
EACH = pytest.mark.parametrize("name", sorted(FUNCTIONS))


def parameters_of(name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(FUNCTIONS[name]).parameters.values())


@pytest.mark.parametrize("module", MODULES)
def test_all_is_sorted_and_true(module: str) -> None:
    namespace = getattr(sbt, module)
    assert namespace.__all__ == sorted(namespace.__all__)
    assert all(hasattr(namespace, name) for name in namespace.__all__)


@EACH
def test_object_acted_on_comes_first(name: str) -> None:
    first = next((parameter.name for parameter in parameters_of(name)), None)
    assert first == OTHER_FIRST.get(name, "adata")


class Multimodal:
    """Like a MuData: tables, and modalities in place of a matrix."""

    obs = var = uns = pd.DataFrame()
    mod: ClassVar[dict[str, object]] = {"rna": object()}


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - OTHER_FIRST.keys()))
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("blood.h5ad", r"got the path 'blood.h5ad'\. Read the file first: `scanpy.read_h5ad\('blood.h5ad'\)`"),
        (Path("b.h5ad"), "got the path 'b.h5ad'"),
        (np.ones((2, 2)), r"got ndarray\. Make one of a matrix: `anndata.AnnData\(matrix\)`"),
        (Multimodal(), r'got Multimodal\. Give the modality .* `mdata\["rna"\]`'),
        (None, "got NoneType"),
    ],
    ids=["path", "Path", "matrix", "modalities", "nothing"],
)
def test_what_is_no_anndata_is_refused_at_once(name: str, given: object, message: str) -> None:
    needed = [p.name for p in parameters_of(name)[1:] if p.default is p.empty and p.kind in POSITIONAL]
    with pytest.raises(TypeError, match=f"`adata` must be an AnnData, {message}"):
        FUNCTIONS[name](given, *needed)


@EACH
def test_at_most_two_positional_parameters(name: str) -> None:
    assert sum(parameter.kind in POSITIONAL for parameter in parameters_of(name)) <= 2


@EACH
def test_switches_are_never_positional(name: str) -> None:
    switches = [p for p in parameters_of(name) if isinstance(p.default, bool) or p.annotation in (bool, "bool")]
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in switches)


@EACH
def test_everything_is_annotated(name: str) -> None:
    signature = inspect.signature(FUNCTIONS[name])
    assert signature.return_annotation is not inspect.Signature.empty
    assert not [p.name for p in signature.parameters.values() if p.annotation is inspect.Parameter.empty]


@EACH
def test_docstring_is_whole(name: str) -> None:
    text = inspect.getdoc(FUNCTIONS[name]) or ""
    needed = [section for section in SECTIONS if section != "Parameters" or parameters_of(name)]
    assert [section for section in needed if f"\n{section}\n{'-' * len(section)}\n" not in text] == []
    assert ">>> " in text


@EACH
def test_docstring_describes_every_parameter(name: str) -> None:
    lines = (inspect.getdoc(FUNCTIONS[name]) or "").splitlines()
    described = {part.strip(" *") for line in lines if not line.startswith(" ") for part in line.split(",")}
    assert [p.name for p in parameters_of(name) if p.name not in described] == []
