"""The labelled sets of the benchmarks, with one set of coarse names and groups that must never be split."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
from scipy import sparse

SHARED = Path(os.environ.get("SCBERT_SHARED", Path(__file__).parents[3] / "shared"))

PBMC3K = {
    "Naive CD4 T": "naive CD4 T", "Memory CD4 T": "memory CD4 T", "CD8 T": "CD8 T", "CD14+ Mono": "CD14 monocyte",
    "FCGR3A+ Mono": "CD16 monocyte", "B": "B cell", "NK": "NK cell", "DC": "dendritic cell", "Platelet": "platelet",
}  # fmt: skip
KANG = {
    "CD14 Mono": "CD14 monocyte", "CD16 Mono": "CD16 monocyte", "CD4 Naive T": "naive CD4 T", "CD8 T": "CD8 T",
    "CD4 Memory T": "memory CD4 T", "T activated": "T cell", "B": "B cell", "B Activated": "B cell", "NK": "NK cell",
    "DC": "dendritic cell", "pDC": "pDC", "Mk": "platelet", "Eryth": "erythroid",
}  # fmt: skip
MUSCAT = {
    "CD14+ Monocytes": "CD14 monocyte", "CD4 T cells": "CD4 T", "B cells": "B cell", "CD8 T cells": "CD8 T",
    "FCGR3A+ Monocytes": "CD16 monocyte",
}  # fmt: skip
ZHENG = {
    "CD19+ B": "B cell", "CD34+": "HSPC", "CD56+ NK": "NK cell", "CD8+ Cytotoxic T": "cytotoxic CD8 T",
    "CD8+/CD45RA+ Naive Cytotoxic": "naive CD8 T", "CD4+ T Helper2": "CD4 T", "CD4+/CD45RO+ Memory": "memory CD4 T",
    "CD4+/CD25 T Reg": "Treg", "CD4+/CD45RA+/CD25- Naive T": "naive CD4 T", "CD14+ Monocyte": "CD14 monocyte",
}  # fmt: skip
SYMPHONY = {
    "T_CD4": "CD4 T", "T_CD8": "CD8 T", "Mono_CD14": "CD14 monocyte", "Mono_CD16": "CD16 monocyte", "B": "B cell",
    "NK": "NK cell", "DC": "dendritic cell", "MK": "platelet", "HSC": "HSPC",
}  # fmt: skip
PROTEIN = {"B": "B cell", "CD4 T": "CD4 T", "CD8 T": "CD8 T", "CD8+ (T, some NK)": "CD8 T or NK"}
PBMC8K = {
    "CD4 T cells": "CD4 T", "CD8 T cells": "CD8 T", "B cells": "B cell", "CD14+ Monocytes": "CD14 monocyte",
    "NK cells": "NK cell", "Dendritic Cells": "dendritic cell", "FCGR3A+ Monocytes": "CD16 monocyte",
    "Megakaryocytes": "platelet",
}  # fmt: skip
BREAST = {
    "CD8_T": "CD8 T", "CD4_T": "CD4 T", "MDC": "myeloid cell", "Treg": "Treg", "B_memory": "B cell", "NK": "NK cell",
    "plasma": "plasma cell", "B_naive": "B cell", "DC": "dendritic cell", "gdT": "T cell", "pDC": "pDC",
    "B_GC": "B cell",
}  # fmt: skip

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
    keep: tuple[str, str] | None = None


SOURCES = {
    "pbmc3k": Source("labelled/pbmc3k.h5ad", PBMC3K, "pbmc3k"),
    "kang": Source("labelled/pbmc_kang_ifnb2800.h5ad", KANG, "kang"),
    "kang_muscat": Source("labelled/pbmc_kang_muscat1556.h5ad", MUSCAT, "kang"),
    "zheng": Source("labelled/pbmc_zheng_facs.h5ad", ZHENG, "zheng"),
    "symphony": Source("labelled/pbmc_symphony_3tech.h5ad", SYMPHONY, "symphony"),
    "pbmc8k": Source(
        "unlabelled/pbmc_multistudy10.h5ad", PBMC8K, "symphony", "cell_type_8k_author", ("batch", "10x_8K")
    ),
    "malt": Source("multimodal/malt_cite1000.h5ad", PROTEIN, "malt"),
    "eccite": Source("multimodal/pbmc_eccite500.h5ad", PROTEIN, "eccite"),
    "trex": Source("multimodal/tcell_trex320.h5ad", PROTEIN, "trex"),
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


def load(name: str) -> Labelled:
    """Read one labelled set; cells without a true label are left out."""
    source = SOURCES[name]
    adata = ad.read_h5ad(SHARED / "data" / source.path)
    if source.keep:
        adata = adata[adata.obs[source.keep[0]].astype(str) == source.keep[1]]
    label = adata.obs[source.column].astype(str).map(source.names)
    known = label.notna().to_numpy()
    counts = sparse.csr_matrix(adata.X)[known].astype(np.float32)
    return Labelled(name, source.group, counts, adata.var_names.to_numpy(str), label[known].to_numpy(str))
