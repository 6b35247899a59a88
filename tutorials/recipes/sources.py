"""The public data sets behind the shipped models: where each file lies, what its labels mean, whose it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np

from scbert_tools.genes import GeneMatch, Vocabulary, align_columns, match_genes
from scbert_tools.tokens.scale import detect_scale, to_linear

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scipy import sparse

PSEUDO_DEPTH = 20_000
"""Counts per cell given to cells whose counts were not published."""


@dataclass(frozen=True)
class Source:
    """One file of cells.

    Parameters
    ----------
    path
        File, below the data folder.
    credit
        Publication, accession and licence of the carrier, for the model card.
    names
        From the file's labels to names of the model's tree; cells of other labels teach nothing.
    column
        Column of ``obs`` with the labels.
    keep
        Column of ``obs`` and the values of the cells to take; all by default.
    drop
        Column of ``obs`` and the values of the cells to leave out.
    clustered
        Whether labels were given to whole clusters, not to each cell by sorting or by its proteins.
    """

    path: str
    credit: str
    names: dict[str, str] = field(default_factory=dict)
    column: str = "cell_type"
    keep: tuple[str, tuple[str, ...]] | None = None
    drop: tuple[str, tuple[str, ...]] | None = None
    clustered: bool = False


TREE = {
    "lymphocyte": None, "B lineage": "lymphocyte", "B cell": "B lineage", "plasma cell": "B lineage",
    "T cell": "lymphocyte", "CD4 T": "T cell", "naive CD4 T": "CD4 T", "memory CD4 T": "CD4 T", "Treg": "CD4 T",
    "CD8 T": "T cell", "naive CD8 T": "CD8 T", "cytotoxic CD8 T": "CD8 T", "NK cell": "lymphocyte",
    "myeloid cell": None, "monocyte": "myeloid cell", "CD14 monocyte": "monocyte", "CD16 monocyte": "monocyte",
    "dendritic cell": "myeloid cell", "cDC": "dendritic cell", "pDC": "dendritic cell",
    "platelet": None, "HSPC": None, "erythroid": None,
}  # fmt: skip
"""Who stands under whom."""

ONTOLOGY = {
    "lymphocyte": "CL:0000542", "B lineage": "CL:0000945", "B cell": "CL:0000236", "plasma cell": "CL:0000786",
    "T cell": "CL:0000084", "CD4 T": "CL:0000624", "naive CD4 T": "CL:0000895", "memory CD4 T": "CL:0000897",
    "Treg": "CL:0000792", "CD8 T": "CL:0000625", "naive CD8 T": "CL:0000900", "cytotoxic CD8 T": "CL:0000794",
    "NK cell": "CL:0000623", "myeloid cell": "CL:0000766", "monocyte": "CL:0000576", "CD14 monocyte": "CL:0002057",
    "CD16 monocyte": "CL:0002396", "dendritic cell": "CL:0000451", "cDC": "CL:0000990", "pDC": "CL:0000784",
    "platelet": "CL:0000233", "HSPC": "CL:0008001", "erythroid": "CL:0000764",
}  # fmt: skip
"""Cell Ontology ids."""

LABELLED = {
    "pbmc3k": Source(
        "labelled/pbmc3k.h5ad", "10x Genomics pbmc3k (CC BY 4.0); labels of the Seurat tutorial (MIT)",
        {
            "Naive CD4 T": "naive CD4 T", "Memory CD4 T": "memory CD4 T", "CD14+ Mono": "CD14 monocyte", "B": "B cell",
            "CD8 T": "CD8 T", "FCGR3A+ Mono": "CD16 monocyte", "NK": "NK cell", "DC": "dendritic cell",
            "Platelet": "platelet",
        },
        clustered=True,
    ),
    "kang": Source(
        "labelled/pbmc_kang_ifnb2800.h5ad", "Kang et al. 2018, GSE96583, labels of SeuratData ifnb (carrier MIT)",
        {
            "CD14 Mono": "CD14 monocyte", "CD16 Mono": "CD16 monocyte", "CD4 Naive T": "naive CD4 T", "Mk": "platelet",
            "CD4 Memory T": "memory CD4 T", "T activated": "T cell", "B": "B cell", "B Activated": "B cell",
            "CD8 T": "CD8 T", "NK": "NK cell", "DC": "cDC", "pDC": "pDC", "Eryth": "erythroid",
        },
        clustered=True,
    ),
    "kang_muscat": Source(
        "labelled/pbmc_kang_muscat1556.h5ad", "Kang et al. 2018, GSE96583, authors' labels (carrier GPL-3)",
        {
            "CD14+ Monocytes": "CD14 monocyte", "CD4 T cells": "CD4 T", "B cells": "B cell", "CD8 T cells": "CD8 T",
            "FCGR3A+ Monocytes": "CD16 monocyte",
        },
        clustered=True,
    ),
    "zheng": Source(
        "labelled/pbmc_zheng_facs.h5ad", "Zheng et al. 2017, SRP073767, bead-sorted populations (carrier BSD-3)",
        {
            "CD19+ B": "B cell", "CD34+": "HSPC", "CD56+ NK": "NK cell", "CD8+ Cytotoxic T": "cytotoxic CD8 T",
            "CD8+/CD45RA+ Naive Cytotoxic": "naive CD8 T", "CD4+ T Helper2": "CD4 T", "CD4+/CD25 T Reg": "Treg",
            "CD4+/CD45RO+ Memory": "memory CD4 T", "CD4+/CD45RA+/CD25- Naive T": "naive CD4 T",
            "CD14+ Monocyte": "CD14 monocyte",
        },
    ),
    "symphony": Source(
        "labelled/pbmc_symphony_3tech.h5ad", "Kang JB et al. 2021 (Symphony), 10x data (carrier GPL-3)",
        {
            "T_CD4": "CD4 T", "T_CD8": "CD8 T", "Mono_CD14": "CD14 monocyte", "Mono_CD16": "CD16 monocyte",
            "B": "B cell", "NK": "NK cell", "DC": "dendritic cell", "MK": "platelet", "HSC": "HSPC",
        },
        clustered=True,
    ),
    "pbmc8k": Source(
        "unlabelled/pbmc_multistudy10.h5ad", "10x Genomics pbmc8k (CC BY 4.0), named cells only (carrier CC BY-SA 4.0)",
        {
            "CD4 T cells": "CD4 T", "CD8 T cells": "CD8 T", "B cells": "B cell", "CD14+ Monocytes": "CD14 monocyte",
            "NK cells": "NK cell", "Dendritic Cells": "dendritic cell", "FCGR3A+ Monocytes": "CD16 monocyte",
            "Megakaryocytes": "platelet",
        },
        "cell_type_8k_author", ("batch", ("10x_8K",)),
        clustered=True,
    ),
    "malt": Source(
        "multimodal/malt_cite1000.h5ad", "10x Genomics MALT 10k CITE-seq (CC BY 4.0), protein gates (carrier GPL-2+)",
        {"B": "B cell", "CD4 T": "CD4 T", "CD8 T": "CD8 T"},
    ),
    "eccite": Source(
        "multimodal/pbmc_eccite500.h5ad", "Mimitou et al. 2019, GSE126310, protein gates (carrier GPL-3)",
        {"B": "B cell", "CD4 T": "CD4 T", "CD8+ (T, some NK)": "CD8 T|NK cell"},
    ),
    "trex": Source(
        "multimodal/tcell_trex320.h5ad", "Borcherding, Trex example T cells, protein gates (carrier MIT)",
        {"CD4 T": "CD4 T", "CD8 T": "CD8 T"},
    ),
    "breast_til": Source(
        "labelled/breast_til_spectra.h5ad", "Bassez et al. 2021, EGAS00001004809, labels of Spectra (carrier MIT)",
        {
            "CD8_T": "CD8 T", "CD4_T": "CD4 T", "MDC": "myeloid cell", "Treg": "Treg", "B_memory": "B cell",
            "NK": "NK cell", "plasma": "plasma cell", "B_naive": "B cell", "DC": "cDC", "gdT": "T cell", "pDC": "pDC",
            "B_GC": "B cell",
        },
        clustered=True,
    ),
    "til_wu": Source(
        "labelled/til_wu2020_200.h5ad", "Wu et al. 2020, GSE139555, authors' clusters (carrier BSD-3)",
        {
            "8.1-Teff": "cytotoxic CD8 T", "8.2-Tem": "cytotoxic CD8 T", "8.3a-Trm": "CD8 T", "8.3b-Trm": "CD8 T",
            "8.3c-Trm": "CD8 T", "4.1-Trm": "memory CD4 T", "4.3-TCF7": "CD4 T", "4.4-FOS": "CD4 T", "4.6a-Treg": "Treg",
            "4.5-IL6ST": "CD4 T", "4.2-RPL32": "CD4 T", "4.6b-Treg": "Treg",
        },
        clustered=True,
    ),
    "nsclc": Source(
        "labelled/nsclc_maynard_immune300.h5ad", "Maynard et al. 2020, PRJNA591860, labels of omnideconv (carrier GPL-3)",
        {
            "Macrophage": "myeloid cell", "T cell CD4": "CD4 T", "T cell CD8": "CD8 T", "T cell regulatory": "Treg",
            "Monocyte non-conventional": "CD16 monocyte", "Monocyte conventional": "CD14 monocyte", "B cell": "B cell",
            "NK cell": "NK cell", "T cell dividing": "T cell",
        },
        clustered=True,
    ),
    "hnscc": Source(
        "labelled/hnscc_puram_ref.h5ad", "Puram et al. 2017, GSE103322 (carrier AGPL-3)",
        {
            "B cell": "B cell", "CD4 T cell": "CD4 T", "CD8 T cell": "CD8 T", "Dendritic": "dendritic cell",
            "Macrophage": "myeloid cell", "reg. T cell": "Treg",
        },
        clustered=True,
    ),
    "pdac": Source(
        "labelled/pdac_moncada_sc.h5ad", "Moncada et al. 2020, GSE111672 (carrier GPL-3)",
        {"RBCs": "erythroid", "pDCs": "pDC", "mDCs_A": "cDC", "mDCs_B": "cDC", "Monocytes": "monocyte"},
    ),
}  # fmt: skip
"""Sets whose labels are true."""

UNLABELLED = {
    "baron": Source("labelled/baron_pancreas.h5ad", "Baron et al. 2016, GSE84133 (carrier MIT)"),
    "pdac_all": Source("labelled/pdac_moncada_sc.h5ad", "Moncada et al. 2020, GSE111672 (carrier GPL-3)"),
    "tnbc": Source("unlabelled/breast_tnbc_copykat302.h5ad", "Gao et al. 2021 (carrier GPL-2)"),
    "thymus": Source("unlabelled/fetal_thymus_hcl_unlabelled.h5ad", "Han et al. 2020, GSE134355 (no licence file)"),
    "hao": Source("unlabelled/pbmc_hao1000_unlabelled.h5ad", "Hao et al. 2021, GSE164378 (carrier GPL-2+)"),
    "multistudy": Source(
        "unlabelled/pbmc_multistudy10.h5ad", "eight studies of blood, see the data notes (carrier CC BY-SA 4.0)",
        drop=("batch", ("GSE115189", "10x_8K", "10x_6K")),
    ),
    "kang_full": Source("unlabelled/pbmc_kang_full_unlabelled.h5ad", "Kang et al. 2018, GSE96583 (carrier MIT)"),
    "frozen_a": Source("unlabelled/pbmc_frozenA_unlabelled.h5ad", "10x Genomics frozen PBMC donor A (carrier GPL-3)"),
    "malt_rna": Source("unlabelled/malt_rna1100_unlabelled.h5ad", "10x Genomics MALT 10k (CC BY 4.0, carrier GPL-2+)"),
}  # fmt: skip
"""Sets read without labels."""

STUDIES = ("SCP345_580", "SCP345_860", "SCP424_pbmc1", "SCP424_pbmc2", "SCP591", "SRR11038995", "SRR7244582")
"""Studies of the ``multistudy`` set that share no cells with a labelled set."""

BLOOD = {name: UNLABELLED[name] for name in ("hao", "kang_full", "frozen_a", "malt_rna")} | {
    study: replace(UNLABELLED["multistudy"], keep=("batch", (study,)), drop=None) for study in STUDIES
}
"""Unlabelled blood that a teacher names, every study on its own."""


@dataclass(frozen=True)
class Cells:
    """Cells of one source in the genes of a vocabulary.

    Parameters
    ----------
    counts
        (cells, vocabulary) whole numbers.
    label
        (cells,) names of the tree; empty where unknown.
    match
        Which genes were found; not known of cells in genes of their own.
    """

    counts: sparse.csr_matrix
    label: np.ndarray
    match: GeneMatch | None = None

    def labelled(self) -> Cells:
        """Return only the cells with a label."""
        known = np.flatnonzero(self.label != "")
        return Cells(self.counts[known], self.label[known], self.match)


def whole_counts(linear: sparse.csr_matrix, kind: str) -> sparse.csr_matrix:
    """Return whole counts; cells published without counts are brought to 20,000 of them."""
    values = linear.copy()
    if kind != "counts":
        totals = np.asarray(values.sum(axis=1)).ravel()
        values.data *= np.repeat(PSEUDO_DEPTH / np.maximum(totals, 1e-9), np.diff(values.indptr)).astype(np.float32)
    values.data = np.rint(values.data)
    values.eliminate_zeros()
    return values


def read_source(source: Source, data: Path, vocabulary: Vocabulary) -> Cells:
    """Read one file into the genes of ``vocabulary``."""
    adata = ad.read_h5ad(data / source.path)
    chosen = np.ones(adata.n_obs, bool)
    if source.keep is not None:
        chosen &= adata.obs[source.keep[0]].astype(str).isin(source.keep[1]).to_numpy()
    if source.drop is not None:
        chosen &= ~adata.obs[source.drop[0]].astype(str).isin(source.drop[1]).to_numpy()
    scale = detect_scale(adata.X)
    match = match_genes(list(adata.var_names), vocabulary)
    counts = whole_counts(align_columns(to_linear(adata.X, scale), match), scale.kind)[chosen]
    names = adata.obs[source.column].astype(str).map(source.names) if source.column in adata.obs else None
    label = np.full(adata.n_obs, "") if names is None else names.fillna("").to_numpy(str)
    cells = Cells(counts, label[chosen], match)
    return borne_out(cells, vocabulary.genes) if source.clustered else cells


CD4_GENES, CD8_GENES = ("CD4",), ("CD8A", "CD8B")
"""Of 1,356 T cells sorted or gated by protein as CD4, 10 hold transcripts of CD8 alone; of 1,064 CD8 T cells, none of CD4.

In clusters that their authors call CD4 T, up to a third of the cells hold transcripts of CD8 alone.
"""

CD8_INSTEAD = {"CD4 T": "CD8 T", "naive CD4 T": "naive CD8 T", "memory CD4 T": "CD8 T", "Treg": "CD8 T"}
CD4_INSTEAD = {"CD8 T": "CD4 T", "naive CD8 T": "naive CD4 T", "cytotoxic CD8 T": "CD4 T"}


def borne_out(cells: Cells, genes: Sequence[str]) -> Cells:
    """Return cells of which none is called CD4 while it holds transcripts of CD8 alone, or the other way round.

    Naive CD4 and CD8 T cells share a cluster in most analyses, which then has one name; the cell itself knows better.
    """
    cd4, cd8 = (_holds(cells, genes, ones) for ones in (CD4_GENES, CD8_GENES))
    label = cells.label.astype(object)
    for contradicted, instead in ((cd8 & ~cd4, CD8_INSTEAD), (cd4 & ~cd8, CD4_INSTEAD)):
        label[contradicted] = [instead.get(name, name) for name in label[contradicted]]
    return replace(cells, label=label.astype(str))


def _holds(cells: Cells, genes: Sequence[str], wanted: tuple[str, ...]) -> np.ndarray:
    """Return which cells hold a transcript of one of the wanted genes."""
    return np.asarray(cells.counts[:, np.flatnonzero(np.isin(genes, wanted))].sum(axis=1)).ravel() > 0


N_CLINGING = 100
"""Cells with a platelet on them that are made of every set that has platelets."""


def clinging_platelets(sets: Sequence[Cells], rng: np.random.Generator) -> list[Cells]:
    """Return, for every set with platelets, sums of a platelet and another cell, labelled platelet.

    Platelets cling to leucocytes, and whoever names cells calls such pairs platelets or megakaryocytes.
    """
    made = []
    for cells in sets:
        platelets, others = (np.flatnonzero(mask) for mask in (cells.label == "platelet", cells.label != "platelet"))
        if len(platelets) and len(others):
            pairs = cells.counts[rng.choice(platelets, N_CLINGING)] + cells.counts[rng.choice(others, N_CLINGING)]
            made.append(Cells(pairs.tocsr(), np.full(N_CLINGING, "platelet"), cells.match))
    return made
