"""Texts that several docstrings share, and the decorator that puts them in.

A docstring names a shared text by a line of its own, ``{adata}`` say; the line's indentation is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import cleandoc
from typing import TypeVar

Documented = TypeVar("Documented", bound=Callable[..., object])

TEXTS = {
    "adata": """
        adata
            Annotated data, cells in rows and genes in columns. Counts or log-normalised values of all measured
            genes are wanted, not a selection of variable ones. Anything else, such as the path of a file, raises
            ``TypeError``.
    """,
    "copy": """
        copy
            Leave ``adata`` untouched and return an annotated copy.
    """,
    "key_added": """
        key_added
            Prefix of every field written; a second run with another prefix leaves the first one alone.
    """,
    "layer": """
        layer
            Layer with the values to read. ``None`` picks the usable one among ``X``, ``raw`` and the layers.
    """,
    "model": """
        model
            Name of a shipped model (see :func:`scbert_tools.models.available`), path of a model's folder, or an
            :class:`~scbert_tools.Annotator`.
    """,
    "label_key": """
        label_key
            Column of ``adata.obs`` with the cell types to learn from or to compare with.
    """,
    "groupby": """
        groupby
            Column of ``adata.obs`` whose groups are summarised separately. ``None`` takes the predicted labels.
    """,
    "batch_size": """
        batch_size
            Cells that go through the model together. ``None`` takes ``scbert_tools.settings.batch_size``.
    """,
    "device": """
        device
            Torch device such as ``"cpu"`` or ``"cuda:0"``. ``None`` takes ``scbert_tools.settings.device``.
    """,
    "rng": """
        rng
            Generator of random numbers, or a seed for one. The same seed gives the same result.
    """,
    "random_state": """
        random_state
            Scanpy's older name of ``rng``: a seed. Give one of the two.
    """,
    "ax": """
        ax
            Axes to draw into. ``None`` makes a new figure.
    """,
    "show": """
        show
            Show the figure at once. Plots in a notebook show themselves.
    """,
    "returns_copy": """
        ``None``, or the annotated copy if ``copy=True``. Written are:
    """,
    "returns_axes": """
        The axes drawn into; show or save their figure as you like.
    """,
}

_MARKER = re.compile(r"^( *)\{(\w+)\}$", flags=re.MULTILINE)


def shared_docs(function: Documented) -> Documented:
    """Replace each marker line of the docstring by the shared text of that name.

    Parameters
    ----------
    function
        Function or class whose docstring holds lines such as ``{adata}``.

    Returns
    -------
    The same object; signature and type are unchanged.

    Raises
    ------
    KeyError
        When it is defined, if a marker names no shared text.

    Examples
    --------
    >>> @shared_docs
    ... def count(adata):
    ...     '''Count cells.
    ...
    ...     Parameters
    ...     ----------
    ...     {adata}
    ...     '''
    >>> "Annotated data, cells in rows" in count.__doc__
    True
    """
    if function.__doc__ is not None:
        function.__doc__ = _MARKER.sub(_text_of, function.__doc__)
    return function


def _text_of(marker: re.Match[str]) -> str:
    """Return the text that a marker names, at the marker's indentation."""
    indent, name = marker.groups()
    if name not in TEXTS:
        msg = f"No shared text is called {name!r}; `scbert_tools/_docs.py` has {sorted(TEXTS)}."
        raise KeyError(msg)
    return indent + f"\n{indent}".join(cleandoc(TEXTS[name]).splitlines())
