"""Let neighbouring cells, or the cells of a cluster, agree on their evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse.linalg import LinearOperator

FLOOR = 1e-6
"""Smallest probability taken for evidence: one cell can never veto a class."""


def average_evidence(
    probabilities: NDArray[np.float32], weights: sparse.csr_matrix | LinearOperator
) -> NDArray[np.float32]:
    """Return probabilities after averaging log-probabilities over other cells.

    Parameters
    ----------
    probabilities
        (cells, classes), rows summing to one.
    weights
        (cells, cells) how much each cell listens to which, rows summing to one.
    """
    evidence = np.exp(weights @ np.log(np.maximum(probabilities, FLOOR)))
    return (evidence / evidence.sum(axis=1, keepdims=True)).astype(np.float32)


def neighbour_weights(connectivities: sparse.csr_matrix, *, own: float = 0.2) -> sparse.csr_matrix:
    """Return how much each cell listens to its neighbours and, with a share of ``own``, to itself.

    Parameters
    ----------
    connectivities
        (cells, cells) strengths, as ``sc.pp.neighbors`` writes them.
    own
        Share of the cell's own evidence; a cell without neighbours keeps all of it.
    """
    total = np.asarray(connectivities.sum(axis=1)).ravel()
    share = np.divide(1 - own, total, out=np.zeros_like(total), where=total > 0)
    itself = np.where(total > 0, own, 1.0)
    return (sparse.diags(share) @ connectivities + sparse.diags(itself)).tocsr()


def cluster_weights(codes: NDArray[np.int64]) -> LinearOperator:
    """Return weights with which all cells of a cluster share one opinion; cells with code -1 keep their own.

    They act as a matrix of cells × cells without holding one: a cluster of n cells would fill n² places.

    Parameters
    ----------
    codes
        (cells,) cluster of each cell.
    """
    alone = codes < 0
    group = np.where(alone, codes.max(initial=-1) + 1 + np.cumsum(alone), codes)
    members = sparse.csr_matrix((np.ones(len(group)), (np.arange(len(group)), group)))
    size = np.maximum(np.asarray(members.sum(axis=0)).ravel(), 1)
    return aslinearoperator(members) @ aslinearoperator(sparse.diags(1 / size) @ members.T)
