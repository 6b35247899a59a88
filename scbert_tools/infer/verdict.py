"""Everything that is said of cells: probabilities, label, p-value of being known, likeness to a doublet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .decide import decide
from .doublets import doublet_scores, incompatible
from .familiarity import LOW_COVERAGE
from .forward import read_cells
from .novelty import novelty_of, p_known, p_value, signs_of_novelty, surplus_beside_bulk
from .profiles import ProfileReader
from .refine import GATE, changes, gated_evidence
from .surplus import surplus_reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy import sparse
    from scipy.sparse.linalg import LinearOperator

    from ..model.annotator import Annotator
    from ..model.known_cells import KnownCells
    from .decide import Decision
    from .forward import CellStates
    from .profiles import Likeness

DOUBLET_LIKE = 0.01
"""A cell is flagged when so few held-out cells look as much like two classes together."""


@dataclass(frozen=True)
class Reading:
    """What was read of cells in one pass.

    Parameters
    ----------
    states
        The network's answer.
    likeness
        Likeness to the profiles of the model, if it knows any.
    measured
        (vocabulary,) which genes of the model the data hold.
    observed
        (cells, markers) log-expression of the markers that the model looks at, if it does.
    """

    states: CellStates
    likeness: Likeness | None
    measured: NDArray[np.bool_]
    observed: sparse.csr_matrix | None = None

    @property
    def gene_coverage(self) -> float:
        """Share of the model's genes that were measured."""
        return float(self.measured.mean())


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said of the cells.

    Parameters
    ----------
    alone, probabilities
        (cells, classes) of every cell by itself, and after listening to others.
    decision
        Label, confidence and reason.
    p_known
        (cells,) share of held-out known cells that are at least as odd; ``None`` if the model knows none.
    doublet
        (cells,) whether a cell looks like two; ``None`` if the model knows no profiles or few genes were measured.
    changed
        Per label, cells that refinement moved away from it and to it.
    """

    alone: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    decision: Decision
    p_known: NDArray[np.float32] | None
    doublet: NDArray[np.bool_] | None
    changed: dict[str, dict[str, int]]


def read_all(
    annotator: Annotator,
    rows: Callable[[slice], sparse.csr_matrix],
    n_cells: int,
    *,
    measured: NDArray[np.bool_],
    progress: bool = True,
) -> Reading:
    """Run the network over all cells and compare them with the model's profiles on the way.

    Parameters
    ----------
    annotator
        The model.
    rows
        Gives the cells of a slice as (cells, vocabulary) values proportional to counts.
    n_cells
        Number of cells.
    measured
        (vocabulary,) which genes of the model the data hold.
    progress
        Show a progress bar when there are many cells.
    """
    known = annotator.known
    if known is None:
        return Reading(read_cells(annotator, rows, n_cells, progress=progress), None, measured)
    reader = ProfileReader(rows, known.profiles * measured, n_cells, markers=known.marker_columns)
    states = read_cells(annotator, reader, n_cells, progress=progress)
    return Reading(states, reader.likeness, measured, None if known.markers is None else reader.observed)


def judge(
    annotator: Annotator,
    reading: Reading,
    *,
    temperature: float,
    threshold: float | None = None,
    weights: sparse.csr_matrix | LinearOperator | None = None,
    reject: float | None = None,
) -> Verdict:
    """Decide what is said of every cell.

    Parameters
    ----------
    annotator
        The model.
    reading
        What was read of the cells.
    temperature
        What logits are divided by.
    threshold
        Probability that a label must reach; ``None`` for the model's own.
    weights
        (cells, cells) how much each cell listens to which; ``None`` judges every cell alone.
    reject
        Cells with a smaller p-value of being known get no label; ``None`` rejects none.
    """
    readable = reading.states.n_tokens > 0
    alone = reading.states.probabilities(temperature)
    # A cell without a gene of the model says nothing, where the network would still state its bias.
    alone[~readable] = 1 / len(annotator.classes)
    p = p_known_of(annotator, reading, weights)
    novel = None if p is None or reject is None else p < reject
    least = annotator.calibration.threshold if threshold is None else threshold
    name = partial(decide, tree=annotator.labels, threshold=least, readable=readable, novel=novel)
    gate = annotator.calibration.gate or GATE
    refined = alone if weights is None else gated_evidence(alone, weights, gate=gate)
    decision = name(refined)
    first = decision if refined is alone else name(alone)
    return Verdict(
        alone=alone,
        probabilities=refined,
        decision=decision,
        p_known=p,
        doublet=doublet_like(annotator, reading),
        changed=changes(first.code, decision.code, decision.names),
    )


def p_known_of(
    annotator: Annotator, reading: Reading, weights: sparse.csr_matrix | LinearOperator | None = None
) -> NDArray[np.float32] | None:
    """Return the share of held-out known cells that are at least as odd as each cell, or ``None``: (cells,)."""
    known, states = annotator.known, reading.states
    if known is None or reading.likeness is None:
        return None
    # At the temperature that held-out cells were judged at, whatever labels of the user's own say.
    likely = states.probabilities(annotator.calibration.temperature) * (states.n_tokens > 0)[:, None]
    more = _surplus_reader(known, reading, likely)
    signs = signs_of_novelty(states.logits, reading.likeness, None if more is None else more())
    odd = novelty_of(signs, states.logits.argmax(axis=1), n_genes=states.n_tokens, known=known)
    together = None if weights is None else np.asarray(weights @ odd, np.float32)
    group = None
    if weights is not None and more is not None and known.surplus_bulks is not None:
        group = surplus_beside_bulk(more(weights=weights), n_genes=states.n_tokens, bulks=known.surplus_bulks)
    p = p_known(odd, known, together=together, surplus=group)
    return np.where(states.n_tokens > 0, p, np.float32(1))


def _surplus_reader(
    known: KnownCells, reading: Reading, likely: NDArray[np.float32]
) -> Callable[..., NDArray[np.float32]] | None:
    """Return what gives the surplus of markers in each cell, or in company; ``None`` if the model knows no markers."""
    if known.markers is None or reading.observed is None:
        return None
    return surplus_reader(reading.observed, likely, known.profiles, measured=reading.measured, markers=known.markers)


def doublet_like(annotator: Annotator, reading: Reading) -> NDArray[np.bool_] | None:
    """Return which cells look like two, or ``None`` without profiles or where few genes were measured: (cells,)."""
    if annotator.known is None or reading.likeness is None or reading.gene_coverage < LOW_COVERAGE:
        return None
    scores = doublet_scores(reading.likeness, incompatible(annotator.labels, reading.likeness.gram))
    return p_value(scores, annotator.known.doublet) < DOUBLET_LIKE
