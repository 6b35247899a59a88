"""What all tests share: a toy data set and tiny models for it, real cells, a seeded generator, default settings."""

import os
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import anndata as ad
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import scbert_tools as sbt
from scbert_tools.data.reference import BatchMaker, Reference
from scbert_tools.genes import Vocabulary
from scbert_tools.infer.forward import read_cells
from scbert_tools.model.annotator import Calibration
from scbert_tools.model.config import ModelConfig
from scbert_tools.model.labels import LabelTree
from scbert_tools.model.network import build_network
from scbert_tools.train.config import TrainConfig
from scbert_tools.train.supervised import train_cell_types

mpl.use("agg")

MARKERS = {
    "T cell": ["CD3D", "CD3E", "IL7R", "TRAC"],
    "B cell": ["MS4A1", "CD79A", "CD79B", "CD19"],
    "monocyte": ["LYZ", "CD14", "S100A8", "FCN1"],
}
GENES = [gene for genes in MARKERS.values() for gene in genes]
SHARED = Path(os.environ.get("SCBERT_TOOLS_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need the shared data sets where those are missing."""
    if SHARED.is_dir():
        return
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(pytest.mark.skip(reason=f"needs the shared data sets in {SHARED}"))


@pytest.fixture(autouse=True)
def _default_settings() -> Iterator[None]:
    yield
    sbt.settings.reset()


@pytest.fixture
def rng() -> np.random.Generator:
    """Seeded generator, new for every test."""
    return np.random.default_rng(0)


@pytest.fixture
def adata(rng: np.random.Generator) -> ad.AnnData:
    """30 cells × 12 genes of counts: three cell types, each with four marker genes, from two donors."""
    cell_type = np.repeat(list(MARKERS), 10)
    rates = np.array([[20.0 if gene in MARKERS[name] else 1.0 for gene in GENES] for name in cell_type])
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical(cell_type), "donor": pd.Categorical(np.tile(["d1", "d2"], 15))},
        index=[f"cell{i}" for i in range(30)],
    )
    counts = sparse.csr_matrix(rng.poisson(rates).astype(np.float32))
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES))


@pytest.fixture(scope="session")
def labels() -> LabelTree:
    """The three cell types of the toy data, two of them lymphocytes."""
    parents = {"lymphocyte": None, "T cell": "lymphocyte", "B cell": "lymphocyte", "monocyte": None}
    return LabelTree(parents, {"T cell": "CL:0000084", "B cell": "CL:0000236", "lymphocyte": "CL:0000542"})


@pytest.fixture
def reference(adata: ad.AnnData, labels: LabelTree) -> Reference:
    """The toy data as training material: labels are places in ``labels.names``, donors are data sets."""
    code = np.array([labels.names.index(name) for name in adata.obs["cell_type"]])
    return Reference(adata.X, code, adata.obs["donor"].cat.codes.to_numpy(np.int64))


@pytest.fixture(scope="session")
def annotator(labels: LabelTree) -> sbt.Annotator:
    """Untrained model of the 12 toy genes; shared, so leave it as it is."""
    config = ModelConfig(n_genes=len(GENES), gene_width=8, width=8, n_latents=2, n_heads=2, n_layers=2, feed_forward=16)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(config, len(labels.leaves)).eval()
    return sbt.Annotator(
        network=network, config=config, vocabulary=Vocabulary(tuple(GENES)), labels=labels, name="tiny", card="Toy."
    )


@pytest.fixture(scope="session")
def trained(annotator: sbt.Annotator) -> sbt.Annotator:
    """The tiny model, trained on cells like those of the toy data; shared, so leave it as it is."""
    rng = np.random.default_rng(1)
    leaf = np.repeat(np.arange(3), 40)
    marked = np.array([[gene in MARKERS[name] for gene in GENES] for name in annotator.classes])
    counts = sparse.csr_matrix(rng.poisson(np.where(marked[leaf], 20.0, 1.0)).astype(np.float32))
    maker = BatchMaker(reference=Reference(counts, leaf, np.zeros(120, np.int64)), batch_size=32)
    config = TrainConfig(n_steps=120, lr=2e-2, warmup_steps=10, ema_decay=0.9, check_every=40)
    membership = annotator.labels.membership(annotator.classes)
    done = train_cell_types(deepcopy(annotator.network), maker, membership, config, progress=False)
    return replace(annotator, network=done.network, name="trained")


@pytest.fixture(scope="session")
def knowing(trained: sbt.Annotator) -> sbt.Annotator:
    """The trained model with what it remembers of 150 held-out toy cells; shared, so leave it as it is."""
    from scbert_tools.infer.held_out import HeldOutCells, remember
    from scbert_tools.infer.profiles import LabelledCells, class_profiles, log_expression
    from scbert_tools.infer.surplus import marker_weights

    rng = np.random.default_rng(2)
    leaf = np.repeat(np.arange(3), 50)
    marked = np.array([[gene in MARKERS[name] for gene in GENES] for name in trained.classes])
    counts = sparse.csr_matrix(rng.poisson(np.where(marked[leaf], 20.0, 1.0)).astype(np.float32))
    cells = LabelledCells(log_expression(counts), np.eye(3, dtype=bool)[leaf], np.ones(len(GENES), bool))
    states = read_cells(trained, lambda rows: counts[rows], 150, progress=False)
    group = np.arange(150) // 10
    same = sparse.csr_matrix(np.equal.outer(group, group) / 10)
    held_out = HeldOutCells(states.logits, leaf, states.n_tokens, cells, class_profiles([cells]), same)
    how = {"names": trained.classes, "markers": marker_weights(GENES), "temperature": 1.0, "rng": rng}
    known = remember(trained.labels, [cells], [held_out], **how)
    return replace(trained, known=known, calibration=Calibration(set_names=trained.classes), name="knowing")


@pytest.fixture(scope="session")
def _pbmc68k() -> ad.AnnData:
    from scbert_tools._demo import load_cells

    return load_cells()


@pytest.fixture
def pbmc68k(_pbmc68k: ad.AnnData) -> ad.AnnData:
    """700 real blood cells; `raw` holds log-normalised values, `X` is scaled."""
    return _pbmc68k.copy()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the shared data sets; tests that use it carry the marker `shared`."""
    return SHARED
