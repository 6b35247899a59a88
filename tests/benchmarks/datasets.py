"""The labelled sets of the benchmarks, with one set of coarse names and groups that must never be split."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import anndata as ad
import numpy as np
from scipy import sparse

sys.path.insert(0, str(Path(__file__).parents[2] / "tutorials" / "recipes"))
from sources import LABELLED, Cells, borne_out

SHARED = Path(os.environ.get("SCBERT_SHARED", Path(__file__).parents[3] / "shared"))

DENDRITIC = {"DC": "dendritic cell"}
"""The recipe reads Kang's DC as conventional ones; as a truth to test against the name says less."""

PROTEIN = {"CD8+ (T, some NK)": "CD8 T or NK"}
"""The gate that leaves two types open, under the name that the scores know."""

COARSE = {
    "naive CD4 T": "CD4 T", "memory CD4 T": "CD4 T", "Treg": "CD4 T", "naive CD8 T": "CD8 T",
    "cytotoxic CD8 T": "CD8 T", "cDC": "dendritic cell", "pDC": "dendritic cell",
}  # fmt: skip
"""From a label to the name all sets share; labels not listed keep their own."""

TOO_COARSE = {"T cell", "myeloid cell"}
"""Labels that say less than the shared names: they train models that can use them and are never tested on."""


@dataclass(frozen=True)
class Source:
    """Where a labelled set lies and which other sets share its cells or donors."""

    path: str
    names: dict[str, str]
    group: str
    column: str = "cell_type"
    keep: tuple[str, tuple[str, ...]] | None = None


def labelled_by(name: str, group: str, **other_names: str) -> Source:
    """Return a set of the recipes for the benchmarks, some of its labels under other names."""
    known = LABELLED[name]
    return Source(known.path, known.names | other_names, group, known.column, known.keep)


SOURCES = {
    "pbmc3k": labelled_by("pbmc3k", "pbmc3k"),
    "kang": labelled_by("kang", "kang", **DENDRITIC),
    "kang_muscat": labelled_by("kang_muscat", "kang"),
    "zheng": labelled_by("zheng", "zheng"),
    "symphony": labelled_by("symphony", "symphony"),
    "pbmc8k": labelled_by("pbmc8k", "symphony"),
    "malt": labelled_by("malt", "malt"),
    "eccite": labelled_by("eccite", "eccite", **PROTEIN),
    "trex": labelled_by("trex", "trex"),
}
TRANSFER = ["pbmc3k", "kang", "zheng", "symphony", "pbmc8k", "malt", "eccite", "trex"]


@dataclass(frozen=True)
class Labelled:
    """Counts with gene names, the finest label known and the shared coarse one."""

    name: str
    group: str
    counts: sparse.csr_matrix  # (cells, genes)
    genes: np.ndarray
    label: np.ndarray

    @property
    def coarse(self) -> np.ndarray:
        """The label in the names that all sets share."""
        return np.array([COARSE.get(name, name) for name in self.label])

    def checked(self) -> Labelled:
        """Return the set as our recipe takes it: names of clusters corrected where the cell itself contradicts them."""
        if not LABELLED[self.name].clustered:
            return self
        return replace(self, label=borne_out(Cells(self.counts, self.label), self.genes).label)

    @property
    def doubtful(self) -> np.ndarray:
        """Which cells hold transcripts of CD8 alone where their cluster is called CD4, or the other way round."""
        return np.asarray(self.checked().label != self.label)


def load(name: str) -> Labelled:
    """Read one labelled set; cells without a true label are left out."""
    source = SOURCES[name]
    adata = ad.read_h5ad(SHARED / "data" / source.path)
    if source.keep:
        adata = adata[adata.obs[source.keep[0]].astype(str).isin(source.keep[1])]
    label = adata.obs[source.column].astype(str).map(source.names)
    known = label.notna().to_numpy()
    counts = sparse.csr_matrix(adata.X)[known].astype(np.float32)
    return Labelled(name, source.group, counts, adata.var_names.to_numpy(str), label[known].to_numpy(str))
