"""Let neighbouring cells, or the cells of a cluster, agree on their evidence, as far as each has reason to listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator
from scipy.special import expit

if TYPE_CHECKING:
    from collections.abc import Sequence

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


GATE = (1.0, -0.5, 0.5, -2.0, -0.5)
"""Usual answer to each of :func:`reasons_to_listen`, for models whose own was not learned."""


def reasons_to_listen(
    alone: NDArray[np.float32], together: NDArray[np.float32], weights: sparse.csr_matrix | LinearOperator
) -> NDArray[np.float64]:
    """Return what speaks for and against taking over the others' view: (cells, 5).

    The columns are: one; how clearly the cell by itself prefers its own label to the others'; how clearly the others
    prefer theirs; the share of others that have the cell's own label; how many times commoner the others' label is
    among all cells (log10). The last two are what protects rare types.

    Parameters
    ----------
    alone
        (cells, classes) probabilities of every cell by itself.
    together
        (cells, classes) probabilities after averaging.
    weights
        (cells, cells) how much each cell listens to which.
    """
    cells, own, theirs = np.arange(len(alone)), alone.argmax(axis=1), together.argmax(axis=1)
    log_alone, log_together = (np.log(np.maximum(x, FLOOR)) for x in (alone, together))
    chosen = np.zeros(alone.shape, np.float64)
    chosen[cells, own] = 1
    company = np.asarray(weights @ chosen)[cells, own]
    n_cells = chosen.sum(axis=0) + 1
    return np.column_stack(
        [
            np.ones(len(alone)),
            log_alone[cells, own] - log_alone[cells, theirs],
            log_together[cells, theirs] - log_together[cells, own],
            company,
            np.log10(n_cells[theirs] / n_cells[own]),
        ]
    )


def gated_evidence(
    alone: NDArray[np.float32], weights: sparse.csr_matrix | LinearOperator, *, gate: Sequence[float] = GATE
) -> NDArray[np.float32]:
    """Return probabilities of cells that listen to others as far as this has proved right in held-out cells.

    Parameters
    ----------
    alone
        (cells, classes) probabilities of every cell by itself, rows summing to one.
    weights
        (cells, cells) how much each cell listens to which, rows summing to one.
    gate
        (5,) what each of :func:`reasons_to_listen` counts.
    """
    together = average_evidence(alone, weights)
    listens = expit(reasons_to_listen(alone, together, weights) @ np.asarray(gate))[:, None]
    return ((1 - listens) * alone + listens * together).astype(np.float32)


def changes(before: NDArray[np.int64], after: NDArray[np.int64], names: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how many cells of every label moved away from it and to it, for labels that any cell moved to or from.

    Parameters
    ----------
    before, after
        (cells,) places in ``names``.
    names
        The labels.
    """
    moved = before != after
    lost, won = (np.bincount(codes[moved], minlength=len(names)) for codes in (before, after))
    return {name: {"lost": int(lost[i]), "won": int(won[i])} for i, name in enumerate(names) if lost[i] or won[i]}


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
    # Cells without a cluster become clusters of one.
    group = np.where(alone, codes.max(initial=-1) + 1 + np.cumsum(alone), codes)
    members = sparse.csr_matrix((np.ones(len(group)), (np.arange(len(group)), group)))
    # As an operator, for the matrix of cells × cells of one large cluster would not fit into memory.
    size = np.maximum(np.asarray(members.sum(axis=0)).ravel(), 1)
    return aslinearoperator(members) @ aslinearoperator(sparse.diags(1 / size) @ members.T)
