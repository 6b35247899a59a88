"""Names of written fields come from one place, begin with the user's key, and never meet."""

import ast
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import scbert_tools
from scbert_tools import _keys
from scbert_tools._keys import AnnotationKeys, ExplanationKeys

CLASSES = [AnnotationKeys, ExplanationKeys]
FIXED = {value for name, value in vars(_keys).items() if name.isupper()}
ROOT = Path(scbert_tools.__file__).parent
PATHS = [path for path in sorted(ROOT.rglob("*.py")) if path.name != "_keys.py"]


def names_of(keys):
    """Every name that an instance gives, by its property."""
    return {name: getattr(keys, name) for name, found in vars(type(keys)).items() if isinstance(found, property)}


def words(path):
    """Constants of text in a module; its docstrings are sentences and hold more."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("keys", CLASSES)
@pytest.mark.parametrize("added", ["scbert", "mine", "", "T_cells"])
def test_every_name_carries_the_key_of_the_user(keys, added):
    assert all(added in name for name in names_of(keys(added)).values())


@pytest.mark.parametrize("keys", CLASSES)
def test_runs_with_two_keys_share_no_field(keys):
    assert not set(names_of(keys("one")).values()) & set(names_of(keys("two")).values())


def test_names_of_one_key_differ():
    found = [name for keys in CLASSES for name in names_of(keys()).values()] + list(FIXED) + ["scbert"]
    assert len(found) == len(set(found)) > 15


@pytest.mark.parametrize("keys", CLASSES)
def test_every_name_says_where_it_is_written(keys):
    for name in names_of(keys()):
        assert any(field in getattr(keys, name).__doc__ for field in ("``obs``", "``obsm``", "``varm``", "``uns``"))


def test_embedding_is_named_as_scanpy_expects():
    assert AnnotationKeys("mine").embedding == "X_mine"


@pytest.mark.parametrize("keys", CLASSES)
def test_keys_cannot_be_changed(keys):
    with pytest.raises(FrozenInstanceError, match="added"):
        keys().added = "other"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_other_module_spells_out_a_name(path):
    spelled = {name for keys in CLASSES for name in names_of(keys()).values()} | FIXED - {"liger"}
    assert not words(path) & spelled
