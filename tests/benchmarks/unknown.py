"""Cells of types that a model never saw: whole lineages, and one type left out of all training sets.

    python unknown.py --left-out symphony --seed 0                      # brain, pancreas, tumour cells
    python unknown.py --left-out symphony --seed 0 --without "NK cell"  # a sibling nobody taught
    python unknown_table.py

Every training is a job of its own and leaves its logits, and distances of its vectors, in the work folder.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import anndata as ad
import numpy as np
import ours
import pbmc
import torch
import typer
from datasets import SHARED
from held_out import TREE_OF_ALL, material
from ours import WORK, cells_of, pretrained_without, read_counts, vocabulary
from scoring import folds, settle, trainable_classes
from sources import ONTOLOGY, TREE, Source, read_source

from scbert_tools.model.annotator import Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datasets import Labelled
    from scipy import sparse

    from scbert_tools.model.annotator import Annotator

STORED = WORK / "unknown"
VOTES = "votes"
"""Folder of what ``siblings.py`` found."""

SIBLINGS = ("NK cell", "CD8 T", "CD16 monocyte", "dendritic cell", "B cell")
FOREIGN = {
    "brain_allen": ("labelled/brain_allen_nuclei1800.h5ad", None),
    "brain_darmanis": ("labelled/brain_darmanis57.h5ad", None),
    "pancreas_baron": ("labelled/baron_pancreas.h5ad", r"^(?!macrophage|mast|t_cell)"),
    "tumour_pdac": ("labelled/pdac_moncada_sc.h5ad", r"^(Ductal|Cancer|Tuft|Acinar|Endothelial|Fibro|Endocrine)"),
    "tumour_hnscc": ("labelled/hnscc_puram_ref.h5ad", r"^(Fibroblast|Endothelial)"),
}
"""Cells of lineages that blood does not hold: file, and which of its labels."""


def without_type(train: Sequence[Labelled], gone: str) -> list[Labelled]:
    """Return the sets without the cells that are, or may be, of a type."""
    out = TREE_OF_ALL.membership([gone])[0]
    kept = []
    for one in train:
        may_be = (material(one.name).allowed & out).any(axis=1)
        kept.append(replace(one, counts=one.counts[~may_be], label=one.label[~may_be]))
    return [one for one in kept if len(one.label)]


def train_without(train: Sequence[Labelled], group: str, gone: str, seed: int) -> Annotator:
    """Train the recipe's last stage on labelled cells alone: a teacher would name cells of the type left out."""
    pbmc.TREE = {name: above for name, above in TREE.items() if gone not in TREE_OF_ALL.lineage(name)}
    pbmc.ONTOLOGY = {name: term for name, term in ONTOLOGY.items() if name in pbmc.TREE}
    reference, names = pbmc.labelled_reference([cells_of(one) for one in without_type(train, gone)])
    trained = pbmc.fine_tune(
        reference,
        names,
        vocabulary(),
        pretrained=pretrained_without(group),
        config=replace(pbmc.FINE_TUNING, seed=seed),
    )
    return pbmc.assemble(trained, vocabulary(), Calibration(), "")


def embedding_of(annotator: Annotator, train: Sequence[Labelled]) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of training cells and the class the model gives them."""
    read = [read_counts(annotator, cells_of(one).counts) for one in train]
    return np.concatenate([x.embedding for x in read]), np.concatenate([x.logits.argmax(axis=1) for x in read])


def distances(embedding: np.ndarray, known: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """Return Mahalanobis distance to the nearest class (shared covariance) and cosine distance to its mean."""
    vectors, label = known
    classes = [c for c in np.unique(label) if (label == c).sum() >= 20]
    centres = np.stack([vectors[label == c].mean(axis=0) for c in classes])
    scatter = np.concatenate([vectors[label == c] - m for c, m in zip(classes, centres, strict=True)])
    covariance = scatter.T @ scatter / len(scatter)
    covariance += 1e-3 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    half = np.linalg.cholesky(np.linalg.inv(covariance))
    squared = ((embedding[:, None] - centres) @ half) ** 2
    unit = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9) for x in (embedding, centres)]
    return {"mahalanobis": squared.sum(axis=2).min(axis=1), "prototype": -(unit[0] @ unit[1].T).max(axis=1)}


def on_all_leaves(logits: np.ndarray, leaves: Sequence[int]) -> np.ndarray:
    """Return logits of all classes of the tree; classes that nobody taught are impossible."""
    every = np.full((len(logits), len(TREE_OF_ALL.leaves)), -np.inf, np.float32)
    every[:, leaves] = logits
    return every


def seen_by(
    annotator: Annotator, known: tuple[np.ndarray, np.ndarray], counts: sparse.csr_matrix
) -> dict[str, np.ndarray]:
    """Return what a model says of some cells, and how far their vectors are from those of training cells."""
    states = read_counts(annotator, counts)
    leaves = [TREE_OF_ALL.leaves.index(name) for name in annotator.classes]
    return {"logits": on_all_leaves(states.logits, leaves), **distances(states.embedding, known)}


def foreign_cells(name: str) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return counts of foreign cells and which genes were measured."""
    path, labels = FOREIGN[name]
    cells = read_source(Source(path, ""), SHARED / "data", vocabulary())
    column = ad.read_h5ad(SHARED / "data" / path, backed="r").obs["cell_type"].astype(str)
    rows = np.flatnonzero(column.str.match(labels) if labels else np.ones(len(column), bool))
    measured = np.zeros(cells.counts.shape[1], bool)
    measured[cells.match.target[cells.match.target >= 0]] = True
    return cells.counts[rows], measured


def on_genes(counts: sparse.csr_matrix, genes: np.ndarray) -> sparse.csr_matrix:
    """Return cells as if only some genes had been measured."""
    kept = counts.tocsr(copy=True)
    kept.data *= genes[kept.indices]
    kept.eliminate_zeros()
    return kept


def groups_of(test: Labelled, *, foreign: bool) -> dict[str, tuple[sparse.csr_matrix, np.ndarray]]:
    """Return counts of groups of cells and the genes measured: a set, or that beside foreign cells on shared genes."""
    counts, own = cells_of(test).counts, material(test.name).measured
    groups = {"known": (counts, own)}
    for name in FOREIGN if foreign else ():
        odd, measured = foreign_cells(name)
        shared = measured & own
        groups |= {f"known/{name}": (on_genes(counts, shared), shared), f"alone/{name}": (odd, measured)}
        groups[f"foreign/{name}"] = on_genes(odd, shared), shared
    return groups


def store(
    folder: Path, test: Labelled, sets: Sequence[Labelled], groups: dict[str, dict[str, np.ndarray]], **about: str
) -> None:
    """Leave what a model said of groups of cells; ``about`` gives ``seed`` and ``without`` what."""
    classes = trainable_classes(np.concatenate([x.coarse for x in sets]))
    asked = np.isin(settle(test.coarse, test.coarse)[0], classes)
    flat = {f"{group}:{key}": x for group, found in groups.items() for key, x in found.items()}
    folder.mkdir(parents=True, exist_ok=True)
    file = "_".join([test.name, about["seed"], *about["without"].split()])
    np.savez_compressed(folder / f"{file}.npz", asked=asked, without=about["without"], **flat)


def train(
    *,
    left_out: Annotated[str, typer.Option(help="Set that known cells are taken from.")],
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
    without: Annotated[str, typer.Option(help="Type that no training cell has; foreign lineages without it.")] = "",
) -> None:
    """Train one model and store the scores of known and unknown cells."""
    torch.set_num_threads(1)
    test, sets = next(iter(folds([left_out])))
    if without:
        annotator = train_without(sets, test.group, without, seed)
    else:
        annotator = ours.fitted_model(sets, test.group, seed=seed, without="")
    known = embedding_of(annotator, without_type(sets, without) if without else sets)
    groups = groups_of(test, foreign=not without).items()
    seen = {group: seen_by(annotator, known, counts) for group, (counts, _) in groups}
    store(STORED, test, sets, seen, seed=str(seed), without=without)


if __name__ == "__main__":
    typer.run(train)
