"""Draw the course of a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._docs import shared_docs
from ..train.watch import History
from ._figure import axes_to_draw, finish
from ._style import AGAINST, FOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

FIELDS = ("steps", "loss", "held_out")


@shared_docs
def history(history: History | Mapping[str, Sequence[float]], *, ax: Axes | None = None, show: bool = False) -> Axes:
    """Draw the losses of a training: on its own batches, and on the cells held out.

    Parameters
    ----------
    history
        What a training returned, or a mapping of ``steps``, ``loss`` and ``held_out`` to equally long lists.
    {ax}
    {show}

    Returns
    -------
    {returns_axes}

    Raises
    ------
    TypeError
        If it is something else, such as the model itself.
    ValueError
        If a list is missing, empty, or not as long as the others.

    Examples
    --------
    >>> import scbert_tools as sbt
    >>> seen = {"steps": [100, 200, 300], "loss": [2.1, 1.0, 0.8], "held_out": [1.9, 1.1, 1.2]}
    >>> sbt.pl.history(seen).get_xlabel()
    'training step'
    """
    if not isinstance(history, History | Mapping):
        hint = "; give its `training['history']`" if hasattr(history, "training") else ""
        msg = f"`history` must be what a training returned, or a mapping, got {type(history).__name__}{hint}."
        raise TypeError(msg)
    seen = vars(history) if isinstance(history, History) else dict(history)
    lengths = {name: len(seen.get(name, ())) for name in FIELDS}
    if len(set(lengths.values())) > 1 or not lengths["steps"]:
        msg = f"`history` must hold equally long, non-empty lists {list(FIELDS)}, got lengths {lengths}."
        raise ValueError(msg)
    steps, held_out = list(seen["steps"]), list(seen["held_out"])
    best = held_out.index(min(held_out))
    ax = axes_to_draw(ax, size=(5.0, 3.5))
    ax.plot(steps, seen["loss"], color=FOR, label="training batches")
    ax.plot(steps, held_out, color=AGAINST, linestyle="--", label="cells held out")
    ax.plot(steps[best], held_out[best], "o", color=AGAINST, label=f"best: {held_out[best]:.3f} at {steps[best]:,}")
    ax.set(xlabel="training step", ylabel="loss")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9)
    return finish(ax, show=show)
