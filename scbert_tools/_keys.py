"""Every name that the package writes into an AnnData; no other module spells one out."""

from __future__ import annotations

from dataclasses import dataclass

HARMONY_BASIS = "X_pca_harmony"
LIGER_BASIS = "X_liger"
LIGER_SHARED = "liger_shared"
LIGER_BATCH = "liger_batch"
LIGER = "liger"
IMPORT_REPORT = "seurat_import"
GENE_REPORT = "scbert_genes"
PREDICTED = "predicted"
"""Target of an attribution that explains the label which each cell got."""


@dataclass(frozen=True)
class AnnotationKeys:
    """Fields written by one call of ``annotate``; ``added`` is the user's ``key_added``."""

    added: str = "scbert"

    @property
    def label(self) -> str:
        """Column of ``obs`` with the cell type, ``"unassigned"`` where rejected."""
        return f"{self.added}_label"

    @property
    def confidence(self) -> str:
        """Column of ``obs`` with the calibrated probability of the label."""
        return f"{self.added}_confidence"

    @property
    def ontology(self) -> str:
        """Column of ``obs`` with the Cell Ontology id of the label."""
        return f"{self.added}_ontology_id"

    @property
    def reason(self) -> str:
        """Column of ``obs`` with the reason why a cell is unassigned."""
        return f"{self.added}_reason"

    @property
    def p_known(self) -> str:
        """Column of ``obs`` with the p-value of being of a known type."""
        return f"{self.added}_p_known"

    @property
    def novel(self) -> str:
        """Column of ``obs`` with proposed clusters of cells unlike all known types."""
        return f"{self.added}_novel"

    @property
    def doublet(self) -> str:
        """Column of ``obs`` that flags cells that look like two."""
        return f"{self.added}_doublet"

    @property
    def label_set(self) -> str:
        """Column of ``obs`` with the set of labels that holds the true one as often as asked."""
        return f"{self.added}_set"

    @property
    def probabilities(self) -> str:
        """Table of ``obsm`` with one column per class of the model."""
        return f"{self.added}_probabilities"

    @property
    def embedding(self) -> str:
        """Array of ``obsm`` with the cell vectors."""
        return f"X_{self.added}"


@dataclass(frozen=True)
class ExplanationKeys:
    """Fields written by ``attention`` and ``attribute``; ``added`` is the user's ``key_added``."""

    added: str = "scbert"

    @property
    def attention(self) -> str:
        """Table of ``varm`` and record of ``uns``: attention to genes, one column per group."""
        return f"{self.added}_attention"

    @property
    def gene_attention(self) -> str:
        """Table of ``uns``: attention from genes to genes."""
        return f"{self.added}_gene_attention"

    @property
    def attribution(self) -> str:
        """Table of ``varm``, layer and record of ``uns``: what genes add to the evidence, one column per group."""
        return f"{self.added}_attribution"
