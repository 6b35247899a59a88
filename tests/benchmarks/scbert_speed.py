"""Seconds per cell of the published architecture at full length, and memory and time of the full size.

Run ``python scbert_speed.py published`` or ``python scbert_speed.py base`` on a machine that does nothing else.
"""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING, Annotated

import anndata as ad
import numpy as np
import torch
import typer
from datasets import SHARED

import scbert_tools as sbt
from scbert_tools.genes.vocabulary import Vocabulary
from scbert_tools.model.annotator import Annotator
from scbert_tools.model.config import ModelConfig
from scbert_tools.model.labels import LabelTree
from scbert_tools.model.network import build_network

if TYPE_CHECKING:
    from collections.abc import Callable

N_GENES = 16_906
CELLS = SHARED / "data" / "unlabelled" / "pbmc_kang_full_unlabelled.h5ad"
app = typer.Typer(add_completion=False)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds on the clock and seconds of processor time."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def tell(what: str, seconds: tuple[float, float]) -> None:
    """Report times and the peak of memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    typer.echo(f"{what}: {seconds[0]:.2f} s on the clock, {seconds[1]:.2f} s of processor time, peak {peak:.1f} GB")


@app.command()
def published(n_cells: Annotated[int, typer.Option()] = 4, threads: Annotated[int, typer.Option()] = 1) -> None:
    """Time one forward pass of the published architecture over cells that express 1,000 of 16,906 genes."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = build_network(ModelConfig.of("scbert", n_genes=N_GENES), 10).eval()
    genes = torch.stack([torch.randperm(N_GENES)[:1000] for _ in range(n_cells)])
    levels, mask = torch.randint(1, 6, genes.shape), torch.ones(n_cells, 1, 1, 1000, dtype=torch.bool)
    with torch.inference_mode():
        clock, processor = timed(lambda: network(genes, levels, mask))
    tell(f"{n_cells} cells, {threads} threads, per cell", (clock / n_cells, processor / n_cells))


@app.command()
def base(n_cells: Annotated[int, typer.Option()] = 8, threads: Annotated[int, typer.Option()] = 1) -> None:
    """Time one training step and one annotation of real cells with the full size."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    adata = ad.read_h5ad(CELLS)[:n_cells].copy()
    config = ModelConfig.of("base", n_genes=adata.n_vars)
    network = build_network(config, 10)
    names = LabelTree.flat([f"class {place}" for place in range(10)])
    model = Annotator(network=network, config=config, vocabulary=Vocabulary(tuple(adata.var_names)), labels=names)
    tell("training step", timed(lambda: train_once(model, adata)))
    tell("annotate", timed(lambda: sbt.tl.annotate(adata, model=model)))
    typer.echo(f"{int(np.mean((adata.X > 0).sum(axis=1)))} expressed genes per cell, all read")


def train_once(model: Annotator, adata: ad.AnnData) -> None:
    """Take one step of AdamW on the cross-entropy of arbitrary labels."""
    from scipy import sparse

    from scbert_tools.data.batches import pad
    from scbert_tools.tokens.levels import to_levels

    optimizer = torch.optim.AdamW(model.network.parameters())
    batch = pad(to_levels(sparse.csr_matrix(adata.X, dtype=np.float32), model.levels))
    logits = model.network.train()(batch.genes, batch.levels, batch.mask).logits
    torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)) % 10).backward()
    optimizer.step()


if __name__ == "__main__":
    app()
