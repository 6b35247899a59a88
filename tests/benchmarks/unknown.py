"""Cells of types that a model never saw: whole lineages, and one type left out of all training sets.

    python unknown.py --left-out symphony --seed 0                      # brain, pancreas, tumour cells
    python unknown.py --left-out symphony --seed 0 --without "NK cell"  # a sibling nobody taught
    python unknown_table.py

Every training is a job of its own and leaves the scores of its cells in the work folder.
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
from held_out import TREE_OF_ALL, material, profiles_without
from ours import WORK, cells_of, pretrained_without, read_counts, vocabulary
from scoring import folds, settle, trainable_classes
from sources import ONTOLOGY, TREE, Source, read_source

from scbert_tools.infer.novelty import SIGNS, signs_of_novelty
from scbert_tools.infer.profiles import likeness_of, log_expression
from scbert_tools.model.annotator import Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def disagreement(annotator: Annotator, logits: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    """Return how far votes of genes and corrected votes are apart (symmetric Kullback-Leibler divergence)."""
    with torch.inference_mode():
        votes = logits - annotator.network.head.correction(torch.from_numpy(embedding)).numpy()
    p, q = (np.exp(x - x.max(axis=1, keepdims=True)) for x in (logits, votes))
    p, q = (np.maximum(x / x.sum(axis=1, keepdims=True), 1e-6) for x in (p, q))
    return ((p - q) * np.log(p / q)).sum(axis=1)


def scores_of(
    annotator: Annotator, known: tuple[np.ndarray, np.ndarray], counts: sparse.csr_matrix, profiles: np.ndarray
) -> dict[str, np.ndarray]:
    """Return every score of some cells."""
    states = read_counts(annotator, counts)
    leaves = [TREE_OF_ALL.leaves.index(name) for name in annotator.classes]
    signs = signs_of_novelty(states.logits, likeness_of(log_expression(counts), profiles[leaves]))
    return {
        **dict(zip(SIGNS, signs, strict=True)),
        "max_softmax": -states.probabilities(1.0).max(axis=1),
        **distances(states.embedding, known),
        "disagreement": disagreement(annotator, states.logits, states.embedding),
        "best": np.array(leaves)[states.logits.argmax(axis=1)],
        "n_genes": states.n_tokens,
    }


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
    profiles, one = profiles_without(test.group, without), material(left_out)
    groups = {"known": scores_of(annotator, known, cells_of(test).counts, profiles * one.measured)}
    for name in [] if without else FOREIGN:
        foreign, measured = foreign_cells(name)
        shared = measured & one.measured
        for kind, counts in {"known": cells_of(test).counts, "foreign": foreign}.items():
            groups[f"{kind}/{name}"] = scores_of(annotator, known, on_genes(counts, shared), profiles * shared)
        groups[f"alone/{name}"] = scores_of(annotator, known, foreign, profiles * measured)
    STORED.mkdir(parents=True, exist_ok=True)
    flat = {f"{group}:{key}": x for group, scores in groups.items() for key, x in scores.items()}
    classes = trainable_classes(np.concatenate([x.coarse for x in sets]))
    asked = np.isin(settle(test.coarse, test.coarse)[0], classes)
    file = "_".join([left_out, str(seed), *without.split()])
    np.savez_compressed(STORED / f"{file}.npz", truth=test.coarse, asked=asked, without=without, **flat)


if __name__ == "__main__":
    typer.run(train)
