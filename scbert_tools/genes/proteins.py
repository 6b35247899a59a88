"""Telling the names of antibodies from those of genes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ANTIBODIES = 1000
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
    return sum(bool(ANTIBODY.search(str(name))) for name in names) > 0.4 * len(names)
