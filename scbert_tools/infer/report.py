"""What a user should know after an annotation, in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .decide import REASONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .verdict import Verdict

MOST_LABELS = 6
"""Labels that are listed; the rest are counted together."""


def report_lines(verdict: Verdict, *, n_proposed: int, warnings: Sequence[str]) -> list[str]:
    """Return the report: labels, unassigned cells by reason, doublets, refinement and whatever is out of the ordinary.

    Parameters
    ----------
    verdict
        What is said of the cells.
    n_proposed
        Clusters proposed among cells of unknown types.
    warnings
        Sentences about depth, genes and chemistry.
    """
    lines = [_labels(verdict), _reasons(verdict, n_proposed)]
    if verdict.doublet is not None and verdict.doublet.any():
        lines.append(f"{_share(verdict.doublet.mean())} look like two cells in one droplet")
    if verdict.changed:
        n_moved = sum(each["lost"] for each in verdict.changed.values())
        moves = ", ".join(f"{name} -{each['lost']} +{each['won']}" for name, each in verdict.changed.items())
        lines.append(f"refinement changed {n_moved} labels: {moves}")
    return [line for line in [*lines, *warnings] if line]


def _labels(verdict: Verdict) -> str:
    """Return the commonest labels and their shares."""
    decision = verdict.decision
    n_cells = np.bincount(decision.code[decision.reason == 0], minlength=len(decision.names)).tolist()
    order = [i for i in sorted(range(len(n_cells)), key=lambda i: (-n_cells[i], decision.names[i])) if n_cells[i]]
    total = max(len(decision.code), 1)
    told = [f"{decision.names[i]} {_share(n_cells[i] / total)}" for i in order[:MOST_LABELS]]
    rest = [f"{len(order) - MOST_LABELS} more"] if len(order) > MOST_LABELS else []
    return f"{total} cells: " + ", ".join([*told, *rest] or ["none named"])


def _reasons(verdict: Verdict, n_proposed: int) -> str:
    """Return how many cells have no label, and why."""
    n_cells = np.bincount(verdict.decision.reason, minlength=len(REASONS))[1:]
    told = [f"{REASONS[i + 1]} {_share(n / len(verdict.decision.code))}" for i, n in enumerate(n_cells) if n]
    clusters = f"; {n_proposed} cluster{'s' * (n_proposed > 1)} proposed among the unlike" if n_proposed else ""
    return f"unassigned: {', '.join(told)}{clusters}" if told else ""


def _share(share: float) -> str:
    """Return a share with one digit where it is small."""
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
