"""How well a ranking of genes agrees with a set of known ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import hypergeom, rankdata

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_MATCHED, CALIPER = 20, 0.05
"""Genes as abundant that a known one is compared with, and by how much their abundance may differ."""


def auroc(scores: NDArray[np.floating[Any]], known: NDArray[np.bool_]) -> float:
    """Return how often a known gene scores higher than another one, ties counting half; missing if there is no pair.

    Parameters
    ----------
    scores
        (genes,).
    known
        (genes,).
    """
    n_known, n_other = int(known.sum()), int((~known).sum())
    if not n_known or not n_other:
        return float("nan")
    # Mann and Whitney's U: the sum of ranks less the smallest it could be.
    return float((rankdata(scores)[known].sum() - n_known * (n_known + 1) / 2) / (n_known * n_other))


def matched_auroc(
    scores: NDArray[np.floating[Any]], known: NDArray[np.bool_], *, abundance: NDArray[np.floating[Any]]
) -> float:
    """Return how often a known gene scores higher than one of the other genes nearest in abundance, ties counting half.

    Known markers are abundant genes, so that any ranking by abundance finds them; here it earns nothing by that. Known
    genes without another as abundant count for nothing.

    Parameters
    ----------
    scores
        (genes,).
    known
        (genes,).
    abundance
        (genes,) share of cells that express a gene.
    """
    others = np.flatnonzero(~known)
    if not known.any() or not others.size:
        return float("nan")
    others = others[np.argsort(abundance[others], kind="stable")]
    n_matched = min(N_MATCHED, len(others))
    sides = [np.searchsorted(abundance[others], abundance[known], side=side) for side in ("left", "right")]
    first = (np.add(*sides) // 2 - n_matched // 2).clip(0, len(others) - n_matched)
    nearest = others[first[:, None] + np.arange(n_matched)]  # (known, matched)
    alike = np.abs(abundance[nearest] - abundance[known][:, None]) <= CALIPER
    own, alikes = scores[known][:, None], alike.sum(axis=1)
    above = ((own > scores[nearest]) + 0.5 * (own == scores[nearest])) * alike
    met = alikes > 0
    return float((above.sum(axis=1)[met] / alikes[met]).mean()) if met.any() else float("nan")


def enrichment_p(known: NDArray[np.bool_], top: NDArray[np.int64]) -> float:
    """Return the probability that as many known genes are among so many taken at random (hypergeometric tail).

    Parameters
    ----------
    known
        (genes,) which of all genes that could have been taken are known.
    top
        Places of the genes taken.
    """
    return float(hypergeom.sf(int(known[top].sum()) - 1, len(known), int(known.sum()), len(top)))


def against_others(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores (genes, groups) minus their mean over the other groups; a single group stays as it is."""
    n_groups = scores.shape[1]
    if n_groups == 1:
        return scores
    return scores - (scores.sum(axis=1, keepdims=True) - scores) / (n_groups - 1)
