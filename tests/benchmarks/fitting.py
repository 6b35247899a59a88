"""What is fitted on held-out sets: the temperature, the usual signs of novelty, the gate of refinement."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from graphs import usual_graph
from held_out import MEMBERS, SET_NAMES, TREE_OF_ALL, HeldOutSet, material, others, profiles_without
from ours import WORK, vocabulary
from scipy import sparse
from scoring import load_once, score, settle

from scbert_tools.infer.held_out import HeldOutCells, usual_novelty
from scbert_tools.infer.novelty import novelty_of, p_known, signs_of_novelty, surplus_beside_bulk
from scbert_tools.infer.profiles import LabelledCells
from scbert_tools.infer.refine import average_evidence, gated_evidence, neighbour_weights, reasons_to_listen
from scbert_tools.infer.surplus import marker_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scbert_tools.model.known_cells import UsualNovelty

GRID = np.exp(np.linspace(np.log(0.5), np.log(5), 47))
"""Temperatures tried."""

PENALTY = 1.0
CAUTIONS = np.arange(0, 6.25, 0.25)
"""Tried, to be taken off the gate's first weight: what is lost by listening wrongly weighs more than what is won."""

TOLERANCE = 1e-9

LEVELS = (0.01, 0.05)
"""P-values of being known below which cells are rejected in the tables."""


def log_losses(one: HeldOutSet) -> np.ndarray:
    """Return minus the mean log-likelihood of the outcomes, for every temperature of the grid."""
    losses = []
    for temperature in GRID:
        right, stated = one.outcome(one.likely(temperature))
        stated = np.clip(stated, 1e-6, 1 - 1e-6)
        losses.append(-np.where(right, np.log(stated), np.log1p(-stated)).mean())
    return np.array(losses)


@cache
def own_temperature(one: HeldOutSet) -> float:
    """Return the temperature that suits one set best."""
    return float(GRID[log_losses(one).argmin()])


def temperature_of(sets: Sequence[HeldOutSet]) -> float:
    """Return the geometric mean of what suits each set: the next one will be as unlike them as they are each other."""
    return float(np.exp(np.log([own_temperature(one) for one in sets]).mean()))


@cache
def markers() -> np.ndarray:
    """Return what every gene counts as a known marker."""
    return marker_weights(vocabulary().genes)


@cache
def held_out_cells(one: HeldOutSet) -> HeldOutCells:
    """Return a left-out set as the package takes it."""
    whole = material(one.name)
    cells = LabelledCells(whole.logs[one.rows], whole.allowed[one.rows], whole.measured)
    profiles = profiles_without(load_once(one.name).group)
    return HeldOutCells(one.logits, one.code, one.n_genes, cells, profiles, graph_of(one))


def usual_of(sets: Sequence[HeldOutSet], temperature: float) -> UsualNovelty:
    """Return what is usual of the cells of held-out sets."""
    cells, rng = [held_out_cells(one) for one in sets], np.random.default_rng(0)
    return usual_novelty(TREE_OF_ALL, cells, markers=markers(), temperature=temperature, rng=rng)


@dataclass(frozen=True)
class Judged:
    """How odd the cells of one data set are, alone and by the markers of their group, and p-values of being known."""

    signs: np.ndarray
    novelty: np.ndarray
    group: np.ndarray | None
    p_alone: np.ndarray
    p_together: np.ndarray


def judged(one: HeldOutCells, usual: UsualNovelty, temperature: float) -> Judged:
    """Return how odd the cells of a data set are, as the package judges it by what is usual elsewhere."""
    surplus = one.surplus(markers(), temperature=temperature)
    signs = signs_of_novelty(one.logits, one.likeness, surplus())
    odd, group, together = novelty_of(signs, one.best, n_genes=one.n_genes, known=usual), None, None
    if one.weights is not None:
        together, group = one.weights @ odd, surplus(weights=one.weights)
        group = surplus_beside_bulk(group, n_genes=one.n_genes, bulks=usual.surplus_bulks)
    return Judged(signs, odd, group, p_known(odd, usual), p_known(odd, usual, together=together, surplus=group))


@cache
def connectivities(name: str) -> sparse.csr_matrix:
    """Return scanpy's usual graph of a whole set."""
    path = WORK / "graphs" / f"{name}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        sparse.save_npz(path, usual_graph(load_once(name).counts))
    return sparse.load_npz(path)


def graph_of(one: HeldOutSet) -> sparse.csr_matrix:
    """Return how much the cells of a set listen to each other, in the graph of the whole set."""
    return neighbour_weights(connectivities(one.name)[one.rows][:, one.rows])


def gate_material(one: HeldOutSet, temperature: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return reasons to listen, whether it was right to, and what that counts, where exactly one of two views is right.

    A cell counts as little as its class is large: what refinement must not cost are the rare ones.
    """
    weights, alone = graph_of(one), one.probabilities(temperature)
    together = average_evidence(alone, weights)
    right = [one.outcome(x @ MEMBERS)[0] for x in (alone, together)]
    told = np.flatnonzero(right[0] != right[1])
    _, kind, n_cells = np.unique(one.truth, return_inverse=True, return_counts=True)
    return reasons_to_listen(alone, together, weights)[told], right[1][told], 1 / n_cells[kind][told]


def gate_weights(sets: Sequence[HeldOutSet], temperature: float) -> np.ndarray:
    """Return the weights of the gate without caution, every class of every set weighing about the same."""
    from sklearn.linear_model import LogisticRegression

    x, y, weight = (np.concatenate(part) for part in zip(*(gate_material(s, temperature) for s in sets), strict=True))
    fitted = LogisticRegression(C=PENALTY, fit_intercept=False, max_iter=1000)
    return np.asarray(fitted.fit(x, y, sample_weight=weight / weight.mean()).coef_[0])


def cautious(gate: np.ndarray, caution: float) -> tuple[float, ...]:
    """Return the weights of a gate that needs more reason to listen."""
    return tuple((gate - caution * (np.arange(len(gate)) == 0)).round(3).tolist())


def gains(one: HeldOutSet, gates: Sequence[tuple[float, ...]], temperature: float) -> list[float]:
    """Return what each gate adds to the macro-F1 of a set."""
    alone, weights = one.probabilities(temperature), graph_of(one)
    before = macro_f1(one, alone @ MEMBERS)
    return [macro_f1(one, gated_evidence(alone, weights, gate=gate) @ MEMBERS) - before for gate in gates]


def macro_f1(one: HeldOutSet, likely: np.ndarray) -> float:
    """Return the macro-F1 of the likeliest coarse names, (cells, names)."""
    return score(*settle(one.truth, np.array(SET_NAMES)[likely.argmax(axis=1)])).macro_f1


def fit_gate(sets: Sequence[HeldOutSet], temperature: float) -> tuple[float, ...]:
    """Return the gate with the least caution under which no set loses that the weights were fitted without."""
    harm = np.zeros(len(CAUTIONS))
    for name in dict.fromkeys(one.name for one in sets):
        gate = gate_weights(others(sets, name), temperature)
        gates = [cautious(gate, caution) for caution in CAUTIONS]
        harm = np.maximum(harm, -np.mean([gains(one, gates, temperature) for one in sets if one.name == name], axis=0))
    harmless = np.flatnonzero(harm <= TOLERANCE)
    caution = CAUTIONS[harmless[0] if len(harmless) else -1]
    return cautious(gate_weights(sets, temperature), caution)
