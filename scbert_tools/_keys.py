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
    def probabilities(self) -> str:
        """Table of ``obsm`` with one column per class of the model."""
        return f"{self.added}_probabilities"

    @property
    def embedding(self) -> str:
        """Array of ``obsm`` with the cell vectors."""
        return f"X_{self.added}"
