"""Imports point one way, AnnData stays at the edge, and the library neither prints, asserts nor pickles."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import scbert_tools

ROOT = Path(scbert_tools.__file__).parent
LAYERS = ["genes", "tokens", "model", "data", "train", "infer", "models", "io", "pp", "tl", "pl"]
SIBLINGS = {"io", "pp", "tl", "pl"}  # adapters never import one another
FOUNDATIONS = ["_settings.py", "_optional.py", "_docs.py", "_keys.py", "_arguments.py"]
EDGE = {"_cli", "_cli_tables", "_demo", "__main__", "__init__"}  # above every layer: may import anything
PATHS = sorted(ROOT.rglob("*.py"))
LAYER_PATHS = [path for path in PATHS if path.relative_to(ROOT).parts[0].removesuffix(".py") in LAYERS]


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def import_nodes(path: Path) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]


def imported_modules(path: Path, nodes: list[ast.Import | ast.ImportFrom] | None = None) -> set[str]:
    """Own modules and subpackages, as paths below the package, that a file names in its relative imports."""
    found = set()
    for node in import_nodes(path) if nodes is None else nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*path.relative_to(ROOT).parts[: -node.level], *(node.module.split(".") if node.module else [])]
            found |= {module_at([*base, alias.name]) or module_at(base) for alias in node.names}
    return found


def module_at(parts: list[str]) -> str:
    """Name of the module or subpackage at a place, empty if there is none."""
    name = "/".join(parts)
    is_module = (ROOT / f"{name}.py").is_file() or (ROOT / name / "__init__.py").is_file()
    return (name or "__init__") if is_module else ""


def packages_named(path: Path) -> set[str]:
    """Top-level packages of a file's absolute imports."""
    nodes = import_nodes(path)
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", LAYER_PATHS, ids=name_of)
def test_imports_only_lower_layers(path: Path) -> None:
    own = layer_of(path)
    lower = set(LAYERS[: LAYERS.index(own) + 1]) - ((SIBLINGS - {own}) if own in SIBLINGS else set())
    named = {module.split("/")[0] for module in imported_modules(path)}
    assert named & (set(LAYERS) | EDGE) <= lower


@pytest.mark.parametrize("name", FOUNDATIONS)
def test_foundations_import_nothing_of_ours(name: str) -> None:
    assert not imported_modules(ROOT / name)


def test_every_module_has_its_layer() -> None:
    known = {*LAYERS, *EDGE, *(name.removesuffix(".py") for name in FOUNDATIONS)}
    assert {layer_of(path) for path in PATHS} <= known


def test_modules_form_no_cycle() -> None:
    modules = {name_of(path).removesuffix(".py").removesuffix("/__init__"): path for path in PATHS}
    at_import = {
        name: [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)]
        for name, path in modules.items()
    }
    graph = {name: imported_modules(path, at_import[name]) for name, path in modules.items()}
    assert set(TopologicalSorter(graph).static_order()) >= set(modules)  # raises CycleError


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_package_imports_itself_relatively(path: Path) -> None:
    assert "scbert_tools" not in packages_named(path)


@pytest.mark.parametrize("path", [path for path in LAYER_PATHS if layer_of(path) not in SIBLINGS], ids=name_of)
def test_anndata_is_known_at_the_edge_only(path: Path) -> None:
    assert not packages_named(path) & {"anndata", "scanpy"}


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_library_never_prints_asserts_or_pickles(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    assert not [node.lineno for node in nodes if isinstance(node, ast.Assert)]
    assert not [node.lineno for node in nodes if isinstance(node, ast.Name) and node.id == "print"]
    assert not packages_named(path) & {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
