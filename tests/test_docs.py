"""Shared texts come where they belong; every public name is documented, exemplified and on a page."""

import doctest
import inspect
import re
from importlib import import_module
from inspect import cleandoc
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from anndata import AnnData

import scbert_tools as sbt
from scbert_tools._docs import TEXTS, shared_docs

ROOT = Path(__file__).parents[1]
NEEDS_FILES_OF_THE_USER = {"io.read_seurat", "models.load_scbert"}


def public_names() -> dict[str, object]:
    """Walk every `__all__` from the package down, with the public methods of classes."""
    found: dict[str, object] = {}
    for name in sbt.__all__:
        value = getattr(sbt, name)
        if not inspect.ismodule(value):
            found[name] = value
            continue
        found[name] = import_module(value.__name__)
        found |= {f"{name}.{each}": getattr(value, each) for each in value.__all__}
    for name, value in list(found.items()):
        if inspect.isclass(value):
            own = {each: member for each, member in vars(value).items() if not each.startswith("_")}
            found |= {f"{name}.{each}": member for each, member in own.items() if callable(getattr(value, each))}
    return found


PUBLIC = public_names()
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value) and "." in name}
EACH_FUNCTION = pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {n for n in FUNCTIONS if n[0].isupper()}))


def docstring(name: str) -> str:
    return inspect.getdoc(PUBLIC[name]) or ""


@pytest.mark.parametrize("name", sorted(PUBLIC.keys() - {"__version__"}))
def test_public_name_is_documented(name: str) -> None:
    assert len(docstring(name).splitlines()[0]) > 10
    assert not re.search(r"^ *\{\w+\}$", docstring(name), flags=re.MULTILINE), "a marker was left"


@EACH_FUNCTION
def test_example_runs(name: str) -> None:
    examples = doctest.DocTestParser().get_examples(docstring(name))
    run = [each for each in examples if not each.options.get(doctest.SKIP)]
    assert any("sbt." in each.source or "import" in each.source for each in run)
    if name not in NEEDS_FILES_OF_THE_USER:
        assert any(f"{name.split('.')[-1]}(" in each.source for each in run), "the example never calls it"


@pytest.mark.parametrize("name", sorted(name for name in sbt.__all__ if not inspect.ismodule(PUBLIC[name])))
def test_name_of_the_package_itself_has_an_example(name: str) -> None:
    if name != "__version__":
        assert ">>> " in docstring(name)


@EACH_FUNCTION
def test_errors_are_listed_where_the_function_can_refuse(name: str) -> None:
    if inspect.signature(FUNCTIONS[name]).parameters:
        assert "\nRaises\n------\n" in docstring(name)


@EACH_FUNCTION
def test_function_with_copy_says_what_is_written(name: str) -> None:
    if "copy" in inspect.signature(FUNCTIONS[name]).parameters:
        returns = docstring(name).split("\nReturns\n-------\n")[1]
        assert re.search(r"(obs|obsm|var|varm|layers|uns)\[.+\].*\n? ", returns) or "layers" in returns


@pytest.mark.parametrize("name", sorted(name for name in sbt.__all__ if inspect.ismodule(PUBLIC[name])))
def test_namespace_has_a_page_with_all_its_members(name: str) -> None:
    page = ROOT.joinpath("tutorials", "reference", f"{name}.md").read_text(encoding="utf-8")
    assert f".. automodule:: scbert_tools.{name}\n   :members:\n" in page
    assert f"reference/{name}\n" in ROOT.joinpath("tutorials", "index.md").read_text(encoding="utf-8")


@EACH_FUNCTION
def test_readme_names_the_function(name: str) -> None:
    assert re.search(rf"\b{name.split('.')[-1]}\b", ROOT.joinpath("README.md").read_text(encoding="utf-8"))


def test_code_of_the_readme_runs_from_top_to_bottom(pbmc68k: AnnData, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    pbmc68k.raw.to_adata().write_h5ad("blood.h5ad")
    blocks = re.findall(r"```python\n(.+?)```", ROOT.joinpath("README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    exec(compile("\n".join(blocks), "README.md", "exec"), {})
    plt.close("all")
    assert "scbert_label,scbert_confidence" in Path("labels.csv").read_text(encoding="utf-8").splitlines()[0]
    assert Path("embedding.csv").stat().st_size > 0


def described(adata: object, *, copy: bool = False) -> None:
    """Do something.

    Parameters
    ----------
    {adata}
    other
        Say {adata} inside a line.
    {copy}
    """


def test_markers_become_texts_at_their_indentation() -> None:
    lines = cleandoc(shared_docs(described).__doc__ or "").splitlines()
    assert lines[4] == "adata"
    assert lines[5].startswith("    Annotated data")
    assert "    Say {adata} inside a line." in lines
    assert lines[-2] == "copy"


def test_unknown_marker_is_refused_where_the_function_is_defined() -> None:
    def function() -> None:
        """Do.

        {nothing}
        """

    with pytest.raises(KeyError, match=r"'nothing'.*_docs\.py.*'adata'"):
        shared_docs(function)


def test_function_without_docstring_is_left_alone() -> None:
    def function() -> None: ...

    assert shared_docs(function).__doc__ is None


@pytest.mark.parametrize("name", sorted(set(TEXTS) - {"returns_axes", "returns_copy"}))
def test_text_of_a_parameter_begins_with_its_name(name: str) -> None:
    first, second = cleandoc(TEXTS[name]).splitlines()[:2]
    assert first == name
    assert second.startswith("    ")
