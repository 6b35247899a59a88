import sys
import tomllib
from pathlib import Path

import pytest

from scbert_tools._optional import EXTRAS, require

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_installed_package_is_returned() -> None:
    assert require("json", purpose="This test").loads("1") == 1


@pytest.mark.parametrize(
    ("package", "remedy"),
    [("rds2py", r"pip install 'scbert-tools\[seurat\]'"), ("unheard_of", "pip install unheard_of")],
    ids=["package of an extra", "other package"],
)
def test_missing_package_names_the_remedy(package: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"Reading this needs `{package}`: {remedy}"):
        require(package, purpose="Reading this")


@pytest.mark.parametrize("package", sorted(EXTRAS))
def test_every_extra_is_declared_and_brings_its_package(package: str) -> None:
    declared = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    assert any(requirement.startswith(package) for requirement in declared[EXTRAS[package]])
