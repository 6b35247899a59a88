"""Where the cells of an AnnData are read from: which matrix, on which scale, with which genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..genes.align import align_columns, match_genes
from ..genes.coverage import check_coverage
from ..tokens.scale import Candidate, choose_matrix, detect_scale, to_linear

if TYPE_CHECKING:
    from anndata import AnnData
    from scipy import sparse

    from ..genes.align import GeneMatch
    from ..genes.vocabulary import Vocabulary
    from ..tokens.scale import Choice


@dataclass(frozen=True)
class CellSource:
    """The matrix to read and how its columns and values become those of the model."""

    matrix: Any
    choice: Choice
    match: GeneMatch
    n_cells: int

    def rows(self, cells: slice) -> sparse.csr_matrix:
        """Return some cells in the genes of the model, proportional to counts."""
        return align_columns(to_linear(self.matrix[cells], self.choice.scale), self.match)

    def report(self) -> dict[str, str | int | float]:
        """Return what was read, in values that any file can hold."""
        return {
            "read_from": self.choice.name,
            "scale": str(self.choice.scale),
            "reason": self.choice.reason,
            "evidence": self.choice.scale.evidence,
            "genes": str(self.match),
            "n_genes_found": self.match.n_found,
            "gene_coverage": self.match.coverage,
        }


def find_cells(adata: AnnData, vocabulary: Vocabulary, *, layer: str | None) -> CellSource:
    """Choose and check what to read; nothing is computed or written before this has passed.

    Raises
    ------
    ValueError
        If there are no cells, no usable matrix, or too few genes of the model.
    """
    if adata.n_obs == 0 or adata.n_vars == 0:
        msg = f"`adata` is empty: {adata.n_obs} cells × {adata.n_vars} genes. Check the filtering before this step."
        raise ValueError(msg)
    matrices = _matrices(adata)
    wanted = {layer: matrices[layer]} if layer in matrices else matrices
    names = {name: adata.raw.var_names if name == "raw" else adata.var_names for name in matrices}
    candidates = [Candidate(name, detect_scale(x, names=list(names[name]))) for name, x in wanted.items()]
    choice = choose_matrix(candidates, layer=layer)
    match = match_genes(list(names[choice.name]), vocabulary)
    check_coverage(match)
    return CellSource(matrices[choice.name], choice, match, adata.n_obs)


def _matrices(adata: AnnData) -> dict[str, Any]:
    """Return every matrix of cells × genes by name, in order of preference."""
    found = {} if adata.X is None else {"X": adata.X}
    found |= dict(adata.layers)
    return found if adata.raw is None else found | {"raw": adata.raw.X}
