"""Where a plot is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def axes_to_draw(ax: Axes | None, *, size: tuple[float, float] = (4.0, 4.0)) -> Axes:
    """Return the axes given, or those of a new figure.

    Parameters
    ----------
    ax
        Axes of the user; ``None`` makes a figure.
    size
        Width and height of a new figure in inches.
    """
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def finish(ax: Axes, *, show: bool) -> Axes:
    """Show the figure of the axes if that is wanted, and return them."""
    if show:
        import matplotlib.pyplot as plt

        plt.show()
    return ax
