"""Fine-tuning on a reference: inside the folds of ``within.py``, from few cells, its parts, its speed and memory.

Run ``python fine_tune.py --help`` from this folder. Nothing starts from the shipped model but ``speed``, for it
has seen some of these labels: ``within.py`` and ``few`` start from models of the shipped kind that were trained without
the cells and donors tested on, the rest from an encoder pretrained on such sets without labels.
"""

from __future__ import annotations

import resource
import sys
import time
import warnings
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import anndata as ad
import numpy as np
import pandas as pd
import typer
from datasets import Labelled
from results import FOLDER, markdown
from scipy import sparse
from scoring import Prediction, score, trainable_classes

import scbert_tools as sbt
from scbert_tools.genes import align_columns, match_genes
from scbert_tools.infer.forward import read_cells
from scbert_tools.model.config import ModelConfig
from scbert_tools.model.labels import LabelTree
from scbert_tools.tl._fine_tune import LR_FRESH
from scbert_tools.tokens.levels import to_levels
from scbert_tools.train.fine_tuning import read_logits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from scbert_tools.model.annotator import Annotator

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

CELLS_PER_CLASS = 20
SHARES = (0.05, 0.1, 0.25, 1.0)
TEST_SHARE = 0.25


@cache
def unlabelled_model(group: str) -> Annotator:
    """Return a model whose encoder was pretrained without labels and without cells or donors of a group."""
    import ours

    network = ours.pbmc.fresh_network(ours.vocabulary(), LabelTree.flat("ab"), seed=0)[1]
    network.load_state_dict(ours.pbmc.load_file(ours.pretrained_without(group)), strict=False)
    config = ModelConfig(n_genes=len(ours.vocabulary()), **ours.pbmc.SIZES)
    return sbt.Annotator(
        network=network, config=config, vocabulary=ours.vocabulary(), labels=LabelTree.flat("ab"), name="pretrained"
    )


@cache
def labelled_model(group: str) -> Annotator:
    """Return a model of the shipped kind that saw no cell of a group of data sets, kept in the work folder.

    It is trained on the labelled sets of ``transfer.py``. Sets beyond them, which it never sees, start from the model
    without ``zheng``.
    """
    import ours
    from datasets import SOURCES

    return ours.left_out_model(group if group in {one.group for one in SOURCES.values()} else "zheng")


def adata_of(parts: Sequence[Labelled]) -> ad.AnnData:
    """Return labelled cells as an AnnData, each set a donor of its own."""
    obs = pd.DataFrame(
        {
            "label": np.concatenate([one.label for one in parts]),
            "donor": np.repeat([one.name for one in parts], [len(one.label) for one in parts]),
        }
    ).set_axis([f"cell{i}" for i in range(sum(len(one.label) for one in parts))])
    counts = sparse.vstack([one.counts for one in parts]).tocsr()
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=parts[0].genes))


def learnable(parts: Sequence[Labelled]) -> ad.AnnData:
    """Return the training cells whose label has enough of them, as the peers are given them."""
    adata = adata_of(parts)
    return adata[adata.obs["label"].isin(trainable_classes(adata.obs["label"].to_numpy(str), target="label"))].copy()


def fit(train: Sequence[Labelled], seed: int, **options: Any) -> tuple[Annotator, float]:
    """Return a model fine-tuned on some cells, and the seconds; whole sets judge where there are several."""
    adata, begun = learnable(train), time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*model genes found")
        warnings.filterwarnings("ignore", message="Labels of a single cell")
        # Every label is a class, also one that a model's own tree would take for any of those below it.
        flat = dict.fromkeys(adata.obs["label"].unique().tolist())
        options = {"model": unlabelled_model(train[0].group), "label_tree": flat} | options
        model = sbt.tl.fine_tune(adata, "label", batch_key="donor" if len(train) > 1 else None, rng=seed, **options)
    return model, time.perf_counter() - begun


def name_cells(model: Annotator, test: Labelled) -> tuple[Prediction, Prediction]:
    """Return what the model says of cells, and what its Transformer says without the votes."""
    begun, cells = time.perf_counter(), cells_of(model, test)
    states = read_cells(model, lambda rows: cells[rows], cells.shape[0], progress=False)
    said, names = states.probabilities(model.calibration.temperature), np.array(model.classes)
    seconds = time.perf_counter() - begun
    alone = read_logits(model.network, to_levels(cells, model.levels), np.arange(cells.shape[0]))
    share = f"share={model.training['transformer_share']:g} power={model.config.vote_power:g}"
    return (
        Prediction(names[said.argmax(axis=1)], said.max(axis=1), 0.0, seconds, options=share),
        Prediction(names[alone.argmax(axis=1)], None, 0.0, seconds),
    )


def cells_of(model: Annotator, test: Labelled) -> sparse.csr_matrix:
    """Return the counts of cells in the genes of a model."""
    return align_columns(test.counts, match_genes(list(test.genes), model.vocabulary))


STARTS = {"ours": labelled_model, "ours_unlabelled": unlabelled_model}
"""What fine-tuning starts from: a model that knows types of blood, or an encoder that never saw a label."""


def fit_predict(train: Sequence[Labelled], test: Labelled, seed: int, *, method: str) -> dict[str, Prediction]:
    """Fine-tune on some cells and name others, from one of :data:`STARTS`."""
    model, seconds = fit(train, seed, model=STARTS[method](train[0].group))
    return {method: replace(name_cells(model, test)[0], seconds_fit=seconds)}


def split_of(name: str, seed: int) -> tuple[list[Labelled], Labelled]:
    """Return training and test cells: the first donor of the pancreas, or a quarter of the cells."""
    from sklearn.model_selection import train_test_split
    from within import load_baron, take, whole

    if name == "baron":
        donors = load_baron()
        test = donors.pop(seed % len(donors))
        return donors, test
    one = whole(name)
    fit, held = train_test_split(np.arange(len(one.label)), test_size=TEST_SHARE, stratify=one.label, random_state=seed)
    return [take(one, fit)], take(one, held)


def thinned(parts: Sequence[Labelled], kept: Callable[[NDArray[np.str_]], NDArray[np.int64]]) -> list[Labelled]:
    """Return the parts with the cells that a rule keeps of all their labels together."""
    from within import take

    rows = np.isin(np.arange(sum(len(one.label) for one in parts)), kept(np.concatenate([p.label for p in parts])))
    bounds = np.cumsum([0, *(len(one.label) for one in parts)])
    chosen = [take(one, rows[a:b]) for one, a, b in zip(parts, bounds[:-1], bounds[1:], strict=True)]
    return [one for one in chosen if len(one.label)]


def some_of_each(n: int, rng: np.random.Generator) -> Callable[[NDArray[np.str_]], NDArray[np.int64]]:
    """Return a rule that keeps at most ``n`` random cells of every label."""

    def kept(label: NDArray[np.str_]) -> NDArray[np.int64]:
        every = [rng.permutation(np.flatnonzero(label == name))[:n] for name in np.unique(label)]
        return np.concatenate(every)

    return kept


def a_share(share: float, rng: np.random.Generator) -> Callable[[NDArray[np.str_]], NDArray[np.int64]]:
    """Return a rule that keeps a share of every label, five cells at least."""

    def kept(label: NDArray[np.str_]) -> NDArray[np.int64]:
        every = [rng.permutation(np.flatnonzero(label == name)) for name in np.unique(label)]
        return np.concatenate([one[: max(5, round(share * len(one)))] for one in every])

    return kept


def logistic_predict(train: Sequence[Labelled], test: Labelled) -> Prediction:
    """Return what the tuned logistic regression of the peers says."""
    from peers import PEERS
    from references import references_of

    return PEERS["logistic"](references_of(train, target="label"), test.counts, test.genes, seed=0)["logistic"]


def row(test: Labelled, train: Sequence[Labelled], prediction: Prediction, **what: object) -> dict[str, object]:
    """Return one line of a table; classes without training cells are not asked for."""
    names = trainable_classes(np.concatenate([one.label for one in train]), target="label")
    asked = np.isin(test.label, names)
    result = score(test.label[asked], np.asarray(prediction.labels, str)[asked])
    return {
        **what,
        "accuracy": result.accuracy,
        "macro_f1": result.macro_f1,
        "n_train": sum(len(one.label) for one in train),
        "seconds": prediction.seconds_fit,
    }


def rows_of(
    train: Sequence[Labelled], test: Labelled, seed: int, what: dict[str, object], **options: Any
) -> list[dict[str, object]]:
    """Return the lines of one fine-tuning: the whole model, and its Transformer alone."""
    model, seconds = fit(train, seed, **options)
    parts = dict(zip(("whole", "transformer"), name_cells(model, test), strict=True))
    return [
        row(test, train, replace(said, seconds_fit=seconds), **what, part=part, seed=seed)
        for part, said in parts.items()
    ]


def add(table: str, rows: list[dict[str, object]], key: list[str]) -> None:
    """Add lines to a table of the results, replacing those with the same key."""
    path = FOLDER / f"fine_tune_{table}.csv"
    found = pd.DataFrame(rows)
    if path.exists():
        found = pd.concat([pd.read_csv(path), found]).drop_duplicates(key, keep="last")
    found.sort_values(key).round(4).to_csv(path, index=False)


@app.command()
def few(
    name: Annotated[list[str], typer.Option("--set", help="A set of `within.py`, or `pdac`.")],
    n_seeds: Annotated[int, typer.Option(help="Draws of the training cells.")] = 3,
    method: Annotated[list[str] | None, typer.Option(help="What to run; everything by default.")] = None,
) -> None:
    """Learn from 20 cells of every label, from a model with labels or without, beside logistic regression."""
    for one in name:
        for seed in range(n_seeds):
            train, test = split_of(one, seed)
            train = thinned(train, some_of_each(CELLS_PER_CLASS, np.random.default_rng(seed)))
            for called in method or [*STARTS, "logistic"]:
                if called == "logistic":
                    said = logistic_predict(train, test)
                else:
                    said = fit_predict(train, test, seed, method=called)[called]
                add("few", [row(test, train, said, set=one, method=called, seed=seed)], ["set", "method", "seed"])


@app.command()
def contrast(
    name: Annotated[list[str], typer.Option("--set", help="A set of `within.py`, or `pdac`.")],
    n_seeds: Annotated[int, typer.Option(help="Splits and seeds.")] = 3,
    weight: Annotated[list[float] | None, typer.Option(help="Weights of the contrastive loss.")] = None,
) -> None:
    """Compare weights of the contrastive loss."""
    for one in name:
        for seed in range(n_seeds):
            train, test = split_of(one, seed)
            for used in weight or [0.0, 0.1, 0.5]:
                rows = rows_of(train, test, seed, {"set": one, "weight": used}, contrastive=used)
                add("contrast", rows, ["set", "weight", "part", "seed"])


@app.command()
def pretraining(
    name: Annotated[list[str], typer.Option("--set", help="A set of `within.py`, or `pdac`.")],
    n_seeds: Annotated[int, typer.Option(help="Splits and seeds.")] = 3,
    share: Annotated[list[float] | None, typer.Option(help="Shares of the reference.")] = None,
) -> None:
    """Compare a pretrained encoder with random weights on parts of a reference."""
    for one in name:
        for seed in range(n_seeds):
            whole_train, test = split_of(one, seed)
            for used in share or SHARES:
                train = thinned(whole_train, a_share(used, np.random.default_rng(seed)))
                for start, how in {"pretrained": {}, "random": {"model": fresh_model(), "lr": LR_FRESH}}.items():
                    rows = rows_of(train, test, seed, {"set": one, "share": used, "start": start}, **how)
                    add("pretraining", rows, ["set", "share", "start", "part", "seed"])


@cache
def fresh_model() -> Annotator:
    """Return the architecture and genes of the pretrained model with random weights."""
    import ours

    network = ours.pbmc.fresh_network(ours.vocabulary(), LabelTree.flat("ab"), seed=1)[1]
    config = ModelConfig(n_genes=len(ours.vocabulary()), **ours.pbmc.SIZES)
    return sbt.Annotator(network=network, config=config, vocabulary=ours.vocabulary(), labels=LabelTree.flat("ab"))


@app.command()
def speed(
    n_cells: Annotated[int, typer.Option(help="Cells of the reference, drawn from the sorted blood cells.")] = 5_000,
) -> None:
    """Measure time and memory of one fine-tuning from the shipped model, on the threads that torch has."""
    import torch
    from within import whole

    one = whole("zheng")
    rows = np.random.default_rng(0).integers(len(one.label), size=n_cells)
    adata = adata_of([Labelled(one.name, one.group, one.counts[rows], one.genes, one.label[rows])])
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    sbt.tl.fine_tune(adata, "label")
    seconds = time.perf_counter() - begun
    gigabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    line = {"n_cells": n_cells, "threads": torch.get_num_threads(), "seconds": seconds, "gigabytes_above": gigabytes}
    add("speed", [line], ["n_cells", "threads"])


@app.command()
def throughput(
    preset: Annotated[str, typer.Option(help="Size of the network.")] = "mini",
    n_steps: Annotated[int, typer.Option(help="Steps whose time counts, after 20 that do not.")] = 100,
    cells_per_step: Annotated[int, typer.Option(help="Cells of one step.")] = 48,
) -> None:
    """Measure how many cells per second pretraining reads, on the threads that torch has."""
    import torch
    from within import whole

    adata, seconds = adata_of([whole("zheng")]), []
    for n in (20, 20 + n_steps):
        begun = time.perf_counter()
        sbt.tl.pretrain(adata, preset=preset, n_steps=n, cells_per_step=cells_per_step)
        seconds.append(time.perf_counter() - begun)
    rate = n_steps * cells_per_step / (seconds[1] - seconds[0])
    line = {"preset": preset, "threads": torch.get_num_threads(), "cells_per_step": cells_per_step}
    add("throughput", [line | {"cells_per_second": rate}], list(line))


@app.command()
def report() -> None:
    """Print every table as markdown, means over the seeds."""
    for table, index, columns in (
        ("few", "set", "method"),
        ("contrast", ["set", "part"], "weight"),
        ("pretraining", ["set", "part", "share"], "start"),
    ):
        path = FOLDER / f"fine_tune_{table}.csv"
        if path.exists():
            means = pd.read_csv(path).pivot_table(index=index, columns=columns, values="macro_f1")
            sys.stdout.write(f"\n### {table}: macro-F1\n\n{markdown(means)}\n")


if __name__ == "__main__":
    app()
