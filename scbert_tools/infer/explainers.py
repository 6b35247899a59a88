"""The methods of attribution by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from .._optional import require
from .evidence import average_baseline, empty_baseline, frozen_network
from .gradient_shap import GradientShap, background_of
from .integrated import N_STEPS, IntegratedGradients
from .shapley import Shapley

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from ..model.annotator import Annotator
    from .token_scores import Kernel

METHODS = {"integrated_gradients": "", "gradient_shap": "captum", "shap": "shap"}
"""Names of methods and the package each one needs."""
BASELINES = {"integrated_gradients": ("empty", "average"), "gradient_shap": ("average",), "shap": ("empty",)}
"""What each method can compare cells with, its default first."""
BACKGROUND_CELLS = 50
"""Other cells that gradient-SHAP compares with."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is spent on a cell."""

    n_steps: int = N_STEPS
    """Places on the way, for integrated gradients."""
    n_samples: int = 64
    """Random places, for gradient-SHAP."""
    n_evaluations: int = 500
    """Questions to the network, for SHAP."""


def check_method(method: str, baseline: str | None) -> str:
    """Return the baseline to use, or say what is wrong with the method.

    Raises
    ------
    ValueError
        If there is no such method, or it cannot compare with this baseline.
    ImportError
        If a package that the method needs is missing.
    """
    if method not in METHODS:
        instead = " For attention call `sbt.tl.attention`." if method == "attention" else ""
        msg = f"`method` must be one of {list(METHODS)}, got {method!r}.{instead}"
        raise ValueError(msg)
    if METHODS[method]:
        require(METHODS[method], purpose=f'`method="{method}"`')
    if baseline is not None and baseline not in BASELINES[method]:
        msg = f'`baseline` must be one of {list(BASELINES[method])} for `method="{method}"`, got {baseline!r}.'
        raise ValueError(msg)
    return baseline or BASELINES[method][0]


def explainer(
    annotator: Annotator,
    method: str,
    direction: NDArray[np.float32],
    *,
    baseline: str,
    background: sparse.csr_matrix,
    rng: np.random.Generator,
    effort: Effort | None = None,
) -> Kernel:
    """Return a kernel for :func:`~scbert_tools.infer.token_scores.score_groups`.

    Parameters
    ----------
    annotator
        The model.
    method
        One of ``METHODS``.
    direction
        (cells, classes) what to explain in each cell.
    baseline
        ``"empty"`` or ``"average"``.
    background
        (other cells, vocabulary) values proportional to counts, of cells that stand for the data.
    rng
        Source of randomness.
    effort
        How much to spend on a cell.
    """
    effort = effort or Effort()
    network, toward = frozen_network(annotator), torch.from_numpy(direction)
    if method == "shap":
        return Shapley(network, toward, effort.n_evaluations)
    if method == "gradient_shap":
        others = background[np.sort(rng.permutation(background.shape[0])[:BACKGROUND_CELLS])]
        return GradientShap(network, toward, background_of(annotator, others), effort.n_samples, rng)
    start = empty_baseline(network) if baseline == "empty" else average_baseline(annotator, network, background)
    return IntegratedGradients(network, toward, start, effort.n_steps)
