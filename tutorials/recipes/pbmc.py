"""Train the shipped model ``pbmc`` from public cells.

Vocabulary; pretraining on masked genes; labels of clusters corrected where the cell itself contradicts them; a teacher
trained on labelled cells; labels the teacher is sure of on unlabelled blood of other chemistries; the model, trained on
both; its calibration.

    python tutorials/recipes/pbmc.py --data DIR [--work FOLDER]

Every stage leaves its result in the work folder and is skipped when it is there; an interrupted stage resumes from
its last checkpoint.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anndata as ad
import numpy as np
import torch
import typer
from safetensors.torch import load_file, save_file
from scipy import sparse
from sources import (
    BLOOD,
    LABELLED,
    ONTOLOGY,
    TREE,
    UNLABELLED,
    Cells,
    borne_out,
    clinging_platelets,
    read_source,
)

from scbert_tools.data.augment import Augmentation
from scbert_tools.data.reference import BatchMaker, Reference
from scbert_tools.genes import Vocabulary, match_genes
from scbert_tools.genes.tables import approved_symbols
from scbert_tools.infer.decide import decide
from scbert_tools.infer.forward import read_cells
from scbert_tools.model.annotator import Annotator, Calibration
from scbert_tools.model.config import ModelConfig
from scbert_tools.model.labels import UNASSIGNED, LabelTree
from scbert_tools.model.network import CellTransformer, build_network
from scbert_tools.train.config import TrainConfig
from scbert_tools.train.expectation import expected_votes
from scbert_tools.train.pretraining import pretrain_network
from scbert_tools.train.supervised import Trained, train_cell_types

if TYPE_CHECKING:
    from collections.abc import Sequence

LEFT_OUT = re.compile(
    r"^(RP[SL]\d|RP[SL][PA]\d?$|MT-|MTRNR|HSP[ABDEH]|DNAJ[AB]1$|JUN[BD]?$|FOS[BL]?|EGR\d|IER\d|MALAT1$|NEAT1$|XIST$"
    r"|RPS4Y|DDX3Y$|EIF1AY$|KDM5D$|UTY$|LINC\d|LOC\d|A[CLP]\d{6}|Y_RNA)"
)
"""Ribosomal, mitochondrial, heat-shock, immediate-early, sex and unnamed genes: they tell how a cell was handled."""

FEWEST_SETS_LISTED, FEWEST_SETS_SEEN, SEEN = 6, 3, 0.002
"""A gene is read if six full sets list it and three show it in 0.2 % of their cells."""

FEWEST_TOKENS = 100
"""Cells with fewer genes teach nothing in pretraining."""

MOST_CELLS = {"thymus": 3_000}
"""Cells taken of sets that would drown the others."""

MOST_TAUGHT = 4_000
"""Cells taken of each unlabelled set that the teacher names."""

SIZES = {"gene_width": 64, "width": 128, "n_latents": 8, "n_heads": 2, "n_layers": 2, "feed_forward": 256}
PRETRAINING = TrainConfig(n_steps=5_000, lr=2e-3)
TEACHER = TrainConfig(n_steps=600, lr=2e-3)
FINE_TUNING = TrainConfig(n_steps=1_000, lr=2e-3)
SURE = Calibration(temperature=1.8, threshold=0.7)
"""How sure the teacher must be of a label that it gives to the model."""

AUGMENTATION = Augmentation()
TEMPERATURE = 1.581
"""Fitted by ``tests/benchmarks/calibrate.py`` on data sets left out of training."""


@dataclass(frozen=True)
class Stage:
    """Where the data lie and where results go."""

    data: Path
    work: Path


def build_vocabulary(stage: Stage) -> Vocabulary:
    """Return the genes the model reads, chosen without looking at any label."""
    path = stage.work / "vocabulary.txt"
    if path.is_file():
        return Vocabulary.read(path)
    everything = Vocabulary(tuple(dict.fromkeys(approved_symbols().values())))
    listed, seen = Counter[str](), Counter[str]()
    for source in {source.path: source for source in [*LABELLED.values(), *UNLABELLED.values()]}.values():
        adata = ad.read_h5ad(stage.data / source.path)
        if adata.n_vars < 13_000:
            continue
        share = np.asarray((adata.X > 0).mean(axis=0)).ravel()
        target = match_genes(list(adata.var_names), everything).target
        listed.update({everything.genes[place] for place in target[target >= 0]})
        seen.update({everything.genes[place] for place in target[(target >= 0) & (share >= SEEN)]})
    genes = [g for g in sorted(listed) if listed[g] >= FEWEST_SETS_LISTED and seen[g] >= FEWEST_SETS_SEEN]
    vocabulary = Vocabulary(tuple(gene for gene in genes if not LEFT_OUT.match(gene)))
    stage.work.mkdir(parents=True, exist_ok=True)
    vocabulary.write(path)
    return vocabulary


def read_blood(name: str, data: Path, vocabulary: Vocabulary) -> Cells:
    """Read an unlabelled set of blood for the teacher, not more cells than would drown the others."""
    cells = read_source(BLOOD[name], data, vocabulary)
    return Cells(cells.counts[:MOST_TAUGHT], cells.label[:MOST_TAUGHT], cells.match)


def unlabelled_reference(sets: dict[str, Cells]) -> Reference:
    """Return all cells with enough genes, whatever their labels."""
    counts = [cells.counts[: MOST_CELLS.get(name)] for name, cells in sets.items()]
    dataset = np.repeat(np.arange(len(counts)), [x.shape[0] for x in counts])
    together = sparse.vstack(counts).tocsr()
    enough = np.flatnonzero(np.diff(together.indptr) >= FEWEST_TOKENS)
    return Reference(together[enough], np.zeros(len(enough), np.int64), dataset[enough])


def labelled_reference(sets: Sequence[Cells]) -> tuple[Reference, list[str]]:
    """Return the labelled cells of all sets and the names their label codes stand for."""
    known = [cells.labelled() for cells in sets]
    label = np.concatenate([cells.label for cells in known])
    names, codes = np.unique(label, return_inverse=True)
    dataset = np.repeat(np.arange(len(known)), [len(cells.label) for cells in known])
    return Reference(sparse.vstack([cells.counts for cells in known]).tocsr(), codes, dataset), names.tolist()


def fresh_network(vocabulary: Vocabulary, tree: LabelTree, *, seed: int) -> tuple[ModelConfig, CellTransformer]:
    """Return sizes and a network with random weights; the caller's random state is left alone."""
    config = ModelConfig(n_genes=len(vocabulary), **SIZES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return config, build_network(config, len(tree.leaves))


def pretrain(reference: Reference, vocabulary: Vocabulary, folder: Path, config: TrainConfig = PRETRAINING) -> Path:
    """Pretrain on masked genes and return the file with the encoder's weights."""
    path = folder / "pretrained.safetensors"
    if not path.is_file():
        _, network = fresh_network(vocabulary, LabelTree(TREE), seed=config.seed)
        batches = BatchMaker(reference=reference, batch_size=48, token_limit=900, token_dropout=0.0)
        trained = pretrain_network(network, batches, config, folder=folder / "pretraining")
        weights = {n: t for n, t in trained.network.state_dict().items() if not n.startswith("head.")}
        save_file(weights, path)
        (folder / "pretraining.json").write_text(json.dumps(trained.report, indent=1) + "\n")
    return path


def fine_tune(
    reference: Reference,
    names: list[str],
    vocabulary: Vocabulary,
    *,
    pretrained: Path | None,
    config: TrainConfig = FINE_TUNING,
    augmentation: Augmentation | None = AUGMENTATION,
    marked: bool = True,
    folder: Path | None = None,
) -> Trained:
    """Train the classes of the tree, from pretrained weights and the votes of known markers if they are wanted."""
    tree = LabelTree(TREE, ONTOLOGY)
    _, network = fresh_network(vocabulary, tree, seed=config.seed)
    if pretrained is not None:
        network.load_state_dict(load_file(pretrained), strict=False)
    if marked:
        network.head.votes.expect(torch.from_numpy(expected_votes(vocabulary.genes, tree)))
    batches = BatchMaker(reference=reference, strength=augmentation, batch_size=64, token_limit=500, token_dropout=0.1)
    return train_cell_types(network, batches, tree.membership(names), config, folder=folder)


def named_by(teacher: Annotator, sets: Sequence[Cells]) -> list[Cells]:
    """Return the cells with the labels the teacher is sure of, as deep in the tree as it is; none where it is not."""
    return [replace(cells, label=_sure_labels(teacher, cells)) for cells in sets]


def _sure_labels(teacher: Annotator, cells: Cells) -> np.ndarray:
    """Return the teacher's label of every cell, empty where it is not sure."""
    states = read_cells(teacher, lambda rows: cells.counts[rows], len(cells.label), progress=False)
    probabilities = states.probabilities(SURE.temperature)
    said = decide(probabilities, teacher.labels, threshold=SURE.threshold, readable=states.n_tokens > 0).labels
    return np.where(said == UNASSIGNED, "", said)


def train_with_teacher(
    labelled: Sequence[Cells],
    unlabelled: Sequence[Cells],
    vocabulary: Vocabulary,
    *,
    pretrained: Path | None,
    seed: int,
    augmentation: Augmentation | None = AUGMENTATION,
    marked: bool = True,
    folder: Path | None = None,
) -> Trained:
    """Train a teacher on labelled cells, let it name unlabelled ones, and train the model on both."""
    how: dict[str, Any] = {"pretrained": pretrained, "augmentation": augmentation, "marked": marked}
    stages = [None if folder is None else folder / name for name in ("teacher", "fine_tuning")]
    first = fine_tune(
        *labelled_reference(labelled), vocabulary, config=replace(TEACHER, seed=seed), folder=stages[0], **how
    )
    teacher = assemble(first, vocabulary, SURE, "")
    taught = [borne_out(cells, vocabulary.genes) for cells in named_by(teacher, unlabelled)]
    everything = labelled_reference([*labelled, *taught])
    return fine_tune(*everything, vocabulary, config=replace(FINE_TUNING, seed=seed), folder=stages[1], **how)


def assemble(
    trained: Trained, vocabulary: Vocabulary, calibration: Calibration, card: str, *, pretrained: Path | None = None
) -> Annotator:
    """Return the finished model, from whose pretrained weights fine-tuning may start."""
    return Annotator(
        network=trained.network,
        config=ModelConfig(n_genes=len(vocabulary), **SIZES),
        vocabulary=vocabulary,
        labels=LabelTree(TREE, ONTOLOGY),
        calibration=calibration,
        untaught={} if pretrained is None else load_file(pretrained),
        name="pbmc",
        card=card,
    )


def read_card(stage: Stage) -> str:
    """Return the model card: the written part and the list of the data sets."""
    written = (Path(__file__).parent / "pbmc_card.md").read_text()
    used = {source.path: source.credit for source in [*LABELLED.values(), *UNLABELLED.values()]}
    lines = [f"- `{Path(path).stem}`: {credit}" for path, credit in sorted(used.items())]
    return written.replace("{data_sets}", "\n".join(lines))


def main(
    *,
    data: Annotated[Path, typer.Option(help="Folder with the public data sets.")],
    work: Annotated[Path, typer.Option(help="Folder for intermediate results.")] = Path("recipe_pbmc"),
    output: Annotated[Path, typer.Option(help="Folder of the finished model.")] = Path("pbmc"),
    temperature: Annotated[float, typer.Option(help="What logits are divided by.")] = TEMPERATURE,
    threads: Annotated[int, typer.Option(help="Threads for torch.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    marked: Annotated[bool, typer.Option(help="Start from the votes of known markers.")] = True,
) -> None:
    """Train the model ``pbmc`` and write its folder."""
    torch.set_num_threads(threads)
    stage = Stage(data, work)
    vocabulary = build_vocabulary(stage)
    labelled = {name: read_source(source, data, vocabulary) for name, source in LABELLED.items()}
    unlabelled = {name: read_source(source, data, vocabulary) for name, source in UNLABELLED.items()}
    pretraining = replace(PRETRAINING, seed=seed)
    pretrained = pretrain(unlabelled_reference(unlabelled | labelled), vocabulary, work, pretraining)
    blood = [read_blood(name, data, vocabulary) for name in BLOOD]
    known = [cells.labelled() for cells in labelled.values()]
    trained = train_with_teacher(
        [*known, *clinging_platelets(known, np.random.default_rng(seed))],
        blood,
        vocabulary,
        pretrained=pretrained,
        seed=seed,
        marked=marked,
        folder=work,
    )
    calibration = Calibration(temperature=temperature)
    assemble(trained, vocabulary, calibration, read_card(stage), pretrained=pretrained).save(output, half=True)


if __name__ == "__main__":
    typer.run(main)
