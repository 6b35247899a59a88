"""What to explain: the evidence for a label against the other labels, as a direction in the space of logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..model.annotator import Annotator


def directions(annotator: Annotator, labels: Sequence[str], against: str | None = None) -> NDArray[np.float32]:
    """Return what to multiply logits by to get the evidence for each label.

    Evidence is the mean calibrated logit of the label's classes minus that of the other classes (or of ``against``):
    the natural logarithm of how many times likelier the label is than they are, in geometric mean.

    Parameters
    ----------
    annotator
        The model; its temperature divides.
    labels
        Names of its tree, classes or inner nodes.
    against
        One name of its tree to compare with; all classes outside the label by default.

    Returns
    -------
    (labels, classes).

    Raises
    ------
    KeyError
        If a name is not in the tree.
    ValueError
        If a label and what it is compared with share classes, or nothing is left to compare with.
    """
    unknown = sorted({*labels, *([against] if against is not None else [])} - set(annotator.labels.names))
    if unknown:
        msg = f"The model {annotator.name!r} has no label {unknown}; it knows {list(annotator.labels.names)}."
        raise KeyError(msg)
    own = annotator.labels.membership(labels)
    other = ~own if against is None else np.broadcast_to(annotator.labels.membership([against]), own.shape)
    clash = (own & other).any(axis=1) | ~other.any(axis=1)
    if clash.any():
        unclear = [labels[place] for place in np.flatnonzero(clash).tolist()]
        msg = (
            f"`against` is {against!r}: {unclear} and what it is compared with must not share classes, and neither may "
            "be empty. Choose labels on different branches of the tree."
        )
        raise ValueError(msg)
    share = own / own.sum(axis=1, keepdims=True) - other / other.sum(axis=1, keepdims=True)
    return (share / annotator.calibration.temperature).astype(np.float32)
