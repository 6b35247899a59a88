"""Draw whether explanations tell what a model uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._docs import shared_docs
from ._figure import axes_to_draw, finish
from ._style import OKABE_ITO

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = ("method", "curve", "n_genes", "probability")
CURVES = {"deletion": "highest-ranked genes taken away", "insertion": "highest-ranked genes alone"}
MARKERS = "os^Dv<>P"


@shared_docs
def faithfulness(curves: pd.DataFrame, *, curve: str = "deletion", ax: Axes | None = None, show: bool = False) -> Axes:
    """Draw how the probability of the true label changes as the genes that an explanation names are taken away.

    The faster it falls (or, for insertion, rises), the more the explanation tells what the model uses.

    Parameters
    ----------
    curves
        Table with the columns ``method``, ``curve``, ``n_genes`` and ``probability``; rows that agree in the first
        three, of several data sets say, are averaged. ``tests/benchmarks/faithfulness.py`` makes one.
    curve
        ``"deletion"`` or ``"insertion"``.
    {ax}
    {show}

    Returns
    -------
    {returns_axes}

    Raises
    ------
    TypeError
        If it is not a table.
    KeyError
        If a column is missing.
    ValueError
        If the table holds no such curve.

    Examples
    --------
    >>> import pandas as pd
    >>> import scbert_tools as sbt
    >>> seen = pd.DataFrame({"method": "random", "curve": "deletion", "n_genes": [0, 50], "probability": [0.9, 0.8]})
    >>> sbt.pl.faithfulness(seen).get_ylabel()
    'probability of the true label'
    """
    if not isinstance(curves, pd.DataFrame):
        msg = f"`curves` must be a table, got {type(curves).__name__}; read a file first, e.g. by `pandas.read_csv`."
        raise TypeError(msg)
    missing = [name for name in COLUMNS if name not in curves]
    if missing:
        msg = f"`curves` lacks the columns {missing}; it has {list(curves.columns)}."
        raise KeyError(msg)
    if curve not in CURVES or curve not in set(curves["curve"]):
        msg = f"`curve` must be one of {list(CURVES)} and in the table, which has {sorted(set(curves['curve']))}."
        raise ValueError(msg)
    means = curves[curves["curve"] == curve].pivot_table(index="n_genes", columns="method", values="probability")
    means = means[means.mean().sort_values(ascending=curve == "deletion").index]
    ax = axes_to_draw(ax, size=(5.5, 3.8))
    fixed = sorted(set(curves["method"]))  # a method looks the same in every figure of one table
    for method in means:
        place = fixed.index(method) % 8
        how: dict[str, Any] = {"color": OKABE_ITO[place], "marker": MARKERS[place], "markersize": 4, "clip_on": False}
        ax.plot(np.arange(len(means)), means[method], label=str(method).replace("_", " "), **how)
    ax.set_xticks(range(len(means)), [f"{number:,}" for number in means.index])
    ax.set(xlabel=CURVES[curve], ylabel="probability of the true label", ylim=(0, 1))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    return finish(ax, show=show)
