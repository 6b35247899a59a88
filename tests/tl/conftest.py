"""Toy cells in every form in which an AnnData may hold them."""

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

ENSEMBL = {
    "CD3D": "ENSG00000167286", "CD3E": "ENSG00000198851", "IL7R": "ENSG00000168685", "TRAC": "ENSG00000277734",
    "MS4A1": "ENSG00000156738", "CD79A": "ENSG00000105369", "CD79B": "ENSG00000007312", "CD19": "ENSG00000177455",
    "LYZ": "ENSG00000090382", "CD14": "ENSG00000170458", "S100A8": "ENSG00000143546", "FCN1": "ENSG00000085265",
}  # fmt: skip


def _unsorted(x):
    """Return the same csr with every row stored backwards."""
    place = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(x.indptr[:-1], x.indptr[1:], strict=True)])
    return sparse.csr_matrix((x.data[place], x.indices[place], x.indptr), x.shape)


def _duplicated(x):
    """Return the same csr with every value stored in two places, 1 and the rest."""
    data, indices = np.stack([np.ones_like(x.data), x.data - 1], axis=1).ravel(), np.repeat(x.indices, 2)
    return sparse.csr_matrix((data, indices, 2 * x.indptr), x.shape)


def _with_x(change):
    return lambda cells: ad.AnnData(change(cells.X), obs=cells.obs, var=cells.var)


def _log(cells):
    logged = cells.X.toarray()
    return np.log1p(logged / logged.sum(axis=1, keepdims=True) * 1e4).astype(np.float32)


def _scaled_with_raw(cells):
    full = ad.AnnData(sparse.csr_matrix(_log(cells)), obs=cells.obs, var=cells.var)
    full.raw = full.copy()
    full.X = (_log(cells) - _log(cells).mean(axis=0)) / _log(cells).std(axis=0)
    return full


def _counts_in_a_layer(cells):
    layered = _scaled_with_raw(cells)
    del layered.raw
    layered.layers["counts"] = cells.X
    return layered


def _ensembl(cells):
    cells.var_names = [f"{ENSEMBL[name]}.3" for name in cells.var_names]
    return cells


def _split_gene(cells):
    """Store half of the first gene's counts in a second column of the same name."""
    x = cells.X.toarray()
    half = x[:, :1] // 2
    names = [*cells.var_names, cells.var_names[0]]
    both = ad.AnnData(np.hstack([x[:, :1] - half, x[:, 1:], half]), obs=cells.obs)
    both.var_names = names
    return both


FORMS = {
    "plain": lambda cells: cells,
    "dense": _with_x(lambda x: x.toarray()),
    "csc": _with_x(sparse.csc_matrix),
    "csr array": _with_x(sparse.csr_array),
    "unsorted indices": _with_x(_unsorted),
    "duplicate indices": _with_x(_duplicated),
    "int64": _with_x(lambda x: x.astype(np.int64)),
    "uint8": _with_x(lambda x: x.toarray().astype(np.uint8)),
    "float64": _with_x(lambda x: x.astype(np.float64)),
    "log CP10k": lambda cells: ad.AnnData(_log(cells), obs=cells.obs, var=cells.var),
    "scaled, with raw": _scaled_with_raw,
    "scaled, with counts in a layer": _counts_in_a_layer,
    "view": lambda cells: cells[np.arange(30)],
    "view of raw": lambda cells: _scaled_with_raw(cells)[np.arange(30)],
    "genes in another order": lambda cells: cells[:, cells.var_names[::-1]].copy(),
    "Ensembl ids": _ensembl,
    "duplicate gene name": _split_gene,
}


@pytest.fixture(params=FORMS)
def form(request, adata):
    """The toy cells in one of all forms."""
    return FORMS[request.param](adata.copy())


def _without(cells, genes):
    return cells[:, [name for name in cells.var_names if name not in genes]].copy()


def _set(value):
    def change(x):
        x = x.toarray()
        x[3, 4] = value
        return x

    return _with_x(change)


BAD = {
    "no cells": (lambda cells: cells[:0].copy(), r"`adata` is empty: 0 cells × 12 genes"),
    "no genes": (lambda cells: cells[:, :0].copy(), r"`adata` is empty: 30 cells × 0 genes"),
    "no X": (lambda cells: ad.AnnData(obs=cells.obs, var=cells.var), "No matrix holds expression.*no matrix at all"),
    "no gene of the model": (
        lambda cells: ad.AnnData(cells.X, var={"name": [f"GENE{i}" for i in range(12)]}).copy(),
        "0 of 12 model genes found",
    ),
    "too few genes": (
        lambda cells: cells[:, :5].copy(),
        "5 of 12 model genes found; at least 6 are needed.*gene symbols or ids",
    ),
    "NaN": (_set(np.nan), "No matrix holds expression.*X .unknown"),
    "infinite": (_set(np.inf), "No matrix holds expression.*X .unknown"),
    "negative": (_set(-1.0), r"No matrix holds expression.*Give counts or log-normalised values"),
    "all zero": (_with_x(lambda x: 0 * x), r"No matrix holds expression.*X .empty"),
}


@pytest.fixture(params=BAD)
def bad(request, adata):
    """An AnnData that cannot be right, and what its error must say."""
    make, message = BAD[request.param]
    return make(adata.copy()), message
