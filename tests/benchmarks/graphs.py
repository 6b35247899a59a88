"""The graph of neighbours that scanpy's tutorials make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy import sparse

if TYPE_CHECKING:
    import numpy as np


def usual_graph(counts: sparse.csr_matrix | np.ndarray) -> sparse.csr_matrix:
    """Return the connectivities of scanpy's usual steps: (cells, cells)."""
    import anndata as ad
    import scanpy as sc

    adata = ad.AnnData(counts.copy())
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=min(2000, adata.n_vars))
    sc.pp.pca(adata, n_comps=30, random_state=0)
    sc.pp.neighbors(adata, n_neighbors=15, random_state=0)
    return sparse.csr_matrix(adata.obsp["connectivities"])
