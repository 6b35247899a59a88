"""Which of the matrices of a data set to annotate from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .scale import ExpressionScale

ENOUGH_GENES = 0.9
"""Counts of a tenth fewer genes are worth more than a log of all; those of the 2,000 most variable genes are not."""


@dataclass(frozen=True)
class Candidate:
    """A matrix by its name (``"X"``, ``"raw"`` or that of a layer) and scale."""

    name: str
    scale: ExpressionScale


@dataclass(frozen=True)
class Choice:
    """The matrix to use, and why."""

    name: str
    scale: ExpressionScale
    reason: str


def choose_matrix(candidates: Sequence[Candidate], *, layer: str | None = None) -> Choice:
    """Choose the matrix that says most about the counts of the most genes.

    Among the usable ones, those with at least nine tenths of the genes of the widest compete; counts come before
    normalised values, certain readings before doubtful ones, and the earlier of ``candidates`` before the later.

    Parameters
    ----------
    candidates
        The matrices of a data set in order of preference, usually X, the layers, raw.
    layer
        Name of the one to use, whatever the others hold.

    Returns
    -------
    The chosen matrix with the reason in words.

    Raises
    ------
    KeyError
        If ``layer`` is not among the candidates.
    ValueError
        If the named one, or every one, holds values that cannot be brought back to counts.

    Examples
    --------
    >>> import numpy as np
    >>> from scbert_tools.tokens.scale import Candidate, choose_matrix, detect_scale
    >>> counts = Candidate("X", detect_scale(np.array([[0, 3], [1, 2]])))
    >>> choose_matrix([counts]).reason
    'X holds counts'
    """
    usable = [candidate for candidate in candidates if candidate.scale.usable]
    if layer is not None:
        return _named(layer, candidates, usable)
    if not usable:
        msg = (
            f"No matrix holds expression that can be used: {_listed(candidates)}. "
            'Give counts or log-normalised values in `adata.X`, `adata.raw` or `adata.layers["counts"]`.'
        )
        raise ValueError(msg)
    widest = max(candidate.scale.n_genes for candidate in usable)
    wide = [candidate for candidate in usable if candidate.scale.n_genes >= ENOUGH_GENES * widest]
    best = min(wide, key=_rank)
    return Choice(best.name, best.scale, _reason(best, usable, wide))


def _named(layer: str, candidates: Sequence[Candidate], usable: Sequence[Candidate]) -> Choice:
    named = next((candidate for candidate in candidates if candidate.name == layer), None)
    elsewhere = f"usable: {', '.join(repr(candidate.name) for candidate in usable) or 'none'}"
    if named is None:
        msg = f"`layer` is {layer!r}, which is not in the data; present: {_listed(candidates)}; {elsewhere}."
        raise KeyError(msg)
    if not named.scale.usable:
        msg = f"`layer` is {layer!r}, which holds {named.scale} ({named.scale.evidence}); {elsewhere}."
        raise ValueError(msg)
    return Choice(named.name, named.scale, f"{named.name} was asked for and holds {named.scale}")


def _rank(candidate: Candidate) -> tuple[bool, bool]:
    return (not candidate.scale.certain, candidate.scale.kind != "counts")


def _reason(best: Candidate, usable: Sequence[Candidate], wide: Sequence[Candidate]) -> str:
    reason = f"{best.name} holds {best.scale}"
    if len(wide) < len(usable):
        reason += f" of {best.scale.n_genes:,} genes, more than the other matrices"
    return reason


def _listed(candidates: Sequence[Candidate]) -> str:
    return "; ".join(f"{each.name} ({each.scale}: {each.scale.evidence})" for each in candidates) or "no matrix at all"
