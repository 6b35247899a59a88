"""Are the cells like those the model learned from? Depth, genes and chemistry, in words a user can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXPECTED = 0.01
"""Share of known cells beyond either end of the usual range."""

WORTH_SAYING = 0.05
"""Share of cells beyond it from which a user is told."""

ODD, MANY_ODD = 0.05, 0.25
"""A data set is odd when so many of its cells are odder than all but 5 % of held-out cells."""

LOW_COVERAGE = 0.5
"""Share of the model's genes below which depth cannot be compared with that of training cells."""


def depth_warnings(n_genes: NDArray[np.int64], known: NDArray[np.float32], *, gene_coverage: float) -> list[str]:
    """Say which share of cells is shallower or deeper than the cells the model learned from.

    Parameters
    ----------
    n_genes
        (cells,) expressed genes of the model.
    known
        (n,) expressed genes per training cell at evenly spaced quantiles.
    gene_coverage
        Share of the model's genes that were measured.
    """
    if gene_coverage < LOW_COVERAGE:
        return [
            f"Only {gene_coverage:.0%} of the model's genes were measured; "
            "labels rest on fewer genes than in training, and depth cannot be compared."
        ]
    fewest, most = np.quantile(known, [EXPECTED, 1 - EXPECTED])
    ends = [("fewer", n_genes < fewest, fewest), ("more", n_genes > most, most)]
    return [
        f"{cells.mean():.0%} of cells have {word} genes than {1 - EXPECTED:.0%} of training cells "
        f"({word} than {limit:.0f}); their confidence was not tested at such depth."
        for word, cells, limit in ends
        if cells.mean() > WORTH_SAYING
    ]


def oddness_warnings(p_known: NDArray[np.float32]) -> list[str]:
    """Say when far more cells look odd than in data sets of known cells, as in another tissue or chemistry.

    Parameters
    ----------
    p_known
        (cells,) share of held-out known cells that are at least as odd.
    """
    share = float((p_known < ODD).mean())
    if share <= MANY_ODD:
        return []
    return [
        f"{share:.0%} of cells are odder than {1 - ODD:.0%} of known cells: another tissue, species or chemistry than "
        "the model has seen? Check the labels against marker genes, or fine-tune on labelled cells."
    ]
