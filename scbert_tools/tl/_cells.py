"""Where the cells of an AnnData are read from: which matrix, on which scale, with which genes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from ..genes.align import align_columns, match_genes
from ..genes.coverage import check_coverage
from ..genes.vocabulary import Vocabulary
from ..tokens.row_statistics import rows_of
from ..tokens.scale import Candidate, choose_matrix, detect_scale, to_linear

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from ..genes.align import GeneMatch
    from ..infer.forward import CellStates
    from ..tokens.scale import Choice


@dataclass(frozen=True)
class CellSource:
    """The matrix to read and how its columns and values become those of the model."""

    matrix: Any
    names: list[str]
    choice: Choice
    match: GeneMatch
    n_cells: int

    def rows(self, cells: slice | NDArray[np.int64]) -> sparse.csr_matrix:
        """Return some cells in the genes of the model, proportional to counts."""
        return align_columns(to_linear(rows_of(self.matrix, cells), self.choice.scale), self.match)

    def in_genes(self, vocabulary: Vocabulary) -> CellSource:
        """Return the same matrix read into other genes."""
        return replace(self, match=match_genes(self.names, vocabulary))

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


def find_cells(
    adata: AnnData, vocabulary: Vocabulary, *, layer: str | None, training: Mapping[str, Any] | None = None
) -> CellSource:
    """Choose and check what to read; nothing is computed or written before this has passed.

    ``training`` is what a training of the model left behind: one taught on a panel is content with the panel.

    Raises
    ------
    ValueError
        If there are no cells, no usable matrix, or too few genes of the model.
    """
    if adata.n_obs == 0 or adata.n_vars == 0:
        msg = f"`adata` is empty: {adata.n_obs} cells × {adata.n_vars} genes. Check the filtering before this step."
        raise ValueError(msg)
    if adata.isbacked and adata.is_view:
        msg = "`adata` is a view of a file, which cannot be written to; give `adata.to_memory()`."
        raise ValueError(msg)
    matrices = _matrices(adata)
    names = {name: list(map(str, adata.raw.var_names if name == "raw" else adata.var_names)) for name in matrices}
    choice = _choose(matrices, names, layer)
    match = match_genes(names[choice.name], vocabulary)
    check_coverage(match, n_taught=(training or {}).get("n_genes"), callers=2)
    return CellSource(_by_rows(matrices[choice.name]), names[choice.name], choice, match, adata.n_obs)


def find_own_genes(adata: AnnData, *, layer: str | None) -> CellSource:
    """Choose and check what to read, in the genes of the data themselves."""
    return find_cells(adata, Vocabulary(tuple(dict.fromkeys(map(str, adata.var_names)))), layer=layer)


def _choose(matrices: dict[str, Any], names: dict[str, list[str]], layer: str | None) -> Choice:
    """Choose a matrix; the others are only looked at where ``layer`` names none that can be used."""
    for wanted in ([layer] if layer in matrices else [], list(matrices)):
        candidates = [Candidate(name, detect_scale(matrices[name], names=names[name])) for name in wanted]
        if any(candidate.scale.usable for candidate in candidates):
            break
    return choose_matrix(candidates, layer=layer)


def own(adata: AnnData, *, copy: bool) -> AnnData:
    """Return what to write to: ``adata`` itself or a copy, which is in memory."""
    if not copy:
        return adata
    return adata.to_memory() if adata.isbacked else adata.copy()


def vectors(states: CellStates) -> NDArray[np.float32]:
    """Return the vectors of cells, zero where there was nothing to read."""
    return np.where(states.n_tokens[:, None] > 0, states.embedding, np.float32(0))


def _by_rows(matrix: Any) -> Any:
    """Return a matrix whose rows can be taken quickly: one that lies by columns in memory is turned once."""
    return matrix.tocsr() if sparse.issparse(matrix) and matrix.format != "csr" else matrix


def _matrices(adata: AnnData) -> dict[str, Any]:
    """Return every matrix of cells × genes by name, in order of preference."""
    found = {} if adata.X is None else {"X": adata.X}
    found |= {name: values for name, values in adata.layers.items() if name is not None}  # None is X since anndata 0.13
    return found if adata.raw is None else found | {"raw": adata.raw.X}
