"""Telling the names of antibodies from those of genes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .tables import approved_symbols

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ANTIBODIES = 1000
MOST_GENES = 0.4
"""Share of the names that must be those of antibodies and not symbols of genes."""
ANTIBODY = re.compile(
    r"""\(.*\)|^CD\d+[A-Za-z]?\d?\b|^(adt|hto|prot|anti|hu|ab)[._ -]|[._ -](adt|hto|prot|ab|totalseq\w*|protein)$
    |totalseq|isotype|\bIg[GMDAE]\d?|HLA[-. ]?(DR|ABC|A,B,C)$|TCR|mouse|rat\b|armenian""",
    re.IGNORECASE | re.VERBOSE,
)


def look_like_proteins(names: Sequence[str]) -> bool:
    """Whether the names are those of an antibody panel.

    Parameters
    ----------
    names
        Names of the columns of a matrix.

    Examples
    --------
    >>> look_like_proteins(["CD4_TotalSeqB", "CD8a_TotalSeqB", "IgG1_control_TotalSeqB"])
    True
    """
    if not 0 < len(names) <= MOST_ANTIBODIES:
        return False
    suspects = [str(name) for name in names if ANTIBODY.search(str(name))]
    if len(suspects) <= MOST_GENES * len(names):
        return False
    # CD4 is the name of an antibody and of a gene: only those that no gene has tell the two apart.
    return sum(name.upper() not in approved_symbols() for name in suspects) > MOST_GENES * len(names)
