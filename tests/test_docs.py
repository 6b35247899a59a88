from inspect import cleandoc

import pytest

from scbert_tools._docs import TEXTS, shared_docs


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
