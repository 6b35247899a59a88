"""What is fitted on held-out sets: the temperature, the usual signs of novelty, the gate of refinement."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
from held_out import MEMBERS, SET_NAMES, TREE_OF_ALL, HeldOutSet, material, others, profiles_without
from ours import WORK
from scipy import sparse
from scoring import load_once, score, settle

from scbert_tools.infer.held_out import HeldOutCells, usual_of_sets
from scbert_tools.infer.novelty import CELLS_BELIEVED, bulk, equal_sample, novelty, signs_of_novelty
from scbert_tools.infer.profiles import LabelledCells
from scbert_tools.infer.refine import average_evidence, gated_evidence, neighbour_weights, reasons_to_listen

if TYPE_CHECKING:
    from collections.abc import Sequence

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


LOSSES: dict[tuple[str, int, int], np.ndarray] = {}


def own_temperature(one: HeldOutSet) -> float:
    """Return the temperature that suits one set best."""
    key = one.name, one.seed, len(one.truth)
    if key not in LOSSES:
        LOSSES[key] = log_losses(one)
    return float(GRID[LOSSES[key].argmin()])


def temperature_of(sets: Sequence[HeldOutSet]) -> float:
    """Return the geometric mean of what suits each set: the next one will be as unlike them as they are each other."""
    return float(np.exp(np.log([own_temperature(one) for one in sets]).mean()))


def held_out_cells(one: HeldOutSet) -> HeldOutCells:
    """Return a left-out set as the package takes it."""
    whole = material(one.name)
    cells = LabelledCells(whole.logs[one.rows], whole.allowed[one.rows], whole.measured)
    profiles = profiles_without(load_once(one.name).group)
    return HeldOutCells(one.logits, one.code, one.n_genes, cells, profiles, graph_of(one))


def usual_of(sets: Sequence[HeldOutSet]) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the usual signs of novelty in held-out sets and the depths they were seen at."""
    signs = [signs_of_novelty(one.logits, one.likeness) for one in sets]
    return usual_of_sets(TREE_OF_ALL, [held_out_cells(one) for one in sets], signs, rng=np.random.default_rng(0))


def novelty_scores(one: HeldOutSet, usual: tuple[np.ndarray, tuple[float, float]]) -> np.ndarray:
    """Return the novelty of the cells of a set."""
    signs = signs_of_novelty(one.logits, one.likeness)
    return novelty(signs, one.logits.argmax(axis=1), one.n_genes, usual=usual[0], depth_range=usual[1])


def remembered(sets: Sequence[HeldOutSet], usual: tuple[np.ndarray, tuple[float, float]]) -> SimpleNamespace:
    """Return what the package compares the oddness of cells with: known cells beside the bulk of their sets."""
    odd = [novelty_scores(one, usual) for one in sets]
    bulks = np.array([bulk(one, np.inf) for one in odd])
    odd = [one - bulk(one, bulks.max()) for one in odd]
    together = [graph_of(one) @ x for one, x in zip(sets, odd, strict=True)]
    sample = (equal_sample(each, rng=np.random.default_rng(0)) for each in (odd, together))
    return SimpleNamespace(bulks=bulks, **dict(zip(("novelty", "novelty_together"), sample, strict=True)))


def beside_bulk(odd: np.ndarray, known: SimpleNamespace) -> np.ndarray:
    """Return the novelty of the cells of a data set as the package judges it."""
    return odd - bulk(odd, known.bulks.max(), believed=CELLS_BELIEVED)


@cache
def connectivities(name: str) -> sparse.csr_matrix:
    """Return scanpy's usual graph of a whole set."""
    path = WORK / "graphs" / f"{name}.npz"
    if not path.is_file():
        import anndata as ad
        import scanpy as sc

        adata = ad.AnnData(load_once(name).counts.copy())
        sc.pp.normalize_total(adata, target_sum=1e4)
        sc.pp.log1p(adata)
        sc.pp.highly_variable_genes(adata, n_top_genes=min(2000, adata.n_vars))
        sc.pp.pca(adata, n_comps=30, random_state=0)
        sc.pp.neighbors(adata, n_neighbors=15, random_state=0)
        path.parent.mkdir(parents=True, exist_ok=True)
        sparse.save_npz(path, sparse.csr_matrix(adata.obsp["connectivities"]))
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
