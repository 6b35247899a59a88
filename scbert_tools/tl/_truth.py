"""Labels that a user knows of some cells, read from wherever they are given."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..infer.conformal import HeldOut, cells_needed, completed, is_share
from ..infer.label_sets import label_sets
from ..infer.own_markers import borne_out, markers_of
from ..infer.recalibrate import scores_from, updated_temperature
from ..infer.set_words import sets_in_words
from ..infer.surplus import expected_on
from ..model.labels import EITHER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from ..infer.forward import CellStates
    from ..infer.verdict import Reading
    from ..model.annotator import Annotator


MOST_NAMED = 10
"""Unknown labels that an error spells out."""


@dataclass(frozen=True)
class Truth:
    """Cells whose label the user knows.

    Parameters
    ----------
    cells
        (n,) their numbers.
    labels
        (n,) names of the model's tree.
    """

    cells: NDArray[np.int64]
    labels: list[str]

    def temperature(self, annotator: Annotator, states: CellStates) -> float:
        """Return the model's temperature, updated by what these cells show."""
        before = annotator.calibration.temperature
        if not self.labels:
            return before
        return updated_temperature(before, states.logits[self.cells], annotator.labels.membership(self.labels))

    def held_out(self, annotator: Annotator, states: CellStates, *, coverage: float) -> HeldOut:
        """Return scores of these cells, and for labels with too few of them those that came with the model."""
        names = annotator.calibration.set_names or annotator.classes
        cells = annotator.known
        known = None if cells is None else HeldOut(names, cells.set_scores, pooled=cells.set_pooled)
        if known is not None and not self.labels:
            return known
        probabilities = states.probabilities(annotator.calibration.temperature)[self.cells]
        own = scores_from(probabilities, self.labels, names=names, tree=annotator.labels)
        return own if known is None else completed(own, known, needed=cells_needed(coverage))


@dataclass(frozen=True)
class Sets:
    """The set of labels of every cell and what its promise rests on."""

    names: pd.Series
    record: dict[str, str | float]


def conformal_sets(
    truth: Truth, annotator: Annotator, reading: Reading, *, coverage: float, p_known: NDArray[np.float32] | None
) -> Sets:
    """Return for every cell the set of labels that holds the true one as often as asked; missing if nothing was read.

    Raises
    ------
    ValueError
        If there are too few known cells of usable labels.
    """
    states, held_out = reading.states, truth.held_out(annotator, reading.states, coverage=coverage)
    members = annotator.labels.membership(held_out.names)
    classes = states.probabilities(annotator.calibration.temperature)
    likely = classes @ members.T.astype(np.float32)
    marked = _borne_out(annotator, reading, classes, held_out.names)
    inside = label_sets(likely, held_out, coverage=coverage, p_known=p_known, borne_out=marked)
    place, texts = sets_in_words(inside, held_out.names, annotator.labels)
    promised = held_out.promised(coverage)
    record: dict[str, str | float] = {
        "coverage": coverage,
        "rests_on": _rests_on(truth, held_out, needed=cells_needed(coverage)),
        "holds_if": "those and the cells annotated come from one source in random order; another chemistry bends it",
        "no_promise_for": ", ".join(compress(held_out.names, ~promised)),
        "none_means": "likely of one label only, but among its oddest cells; or less likely of any than your own cells",
    }
    names = pd.Series(np.array(texts, dtype=object)[place]).where(states.n_tokens > 0)
    return Sets(names.astype("category"), record)


def _borne_out(
    annotator: Annotator, reading: Reading, classes: NDArray[np.float32], names: Sequence[str]
) -> NDArray[np.bool_] | None:
    """Return which labels' markers each cell holds, (cells, names); ``None`` if the model looks at no markers."""
    known = annotator.known
    if known is None or reading.observed is None:
        return None
    columns = known.marker_columns
    own = markers_of(names, annotator.labels, [annotator.vocabulary.genes[column] for column in columns])
    expected = expected_on(known.profiles, reading.measured)[:, columns]
    return borne_out(reading.observed, classes, expected, own=own, members=annotator.labels.membership(names))


def _rests_on(truth: Truth, held_out: HeldOut, *, needed: int) -> str:
    """Return which cells sets of labels rest on, in words."""
    own = np.zeros(len(held_out.names), bool) if held_out.own is None else held_out.own & (held_out.n_cells >= needed)
    n_cells = held_out.n_cells.sum()
    if own.any():
        return f"{n_cells} cells: of your own for {', '.join(compress(held_out.names, own))}"
    unseen = f"{n_cells} cells of data sets that the model had not seen"
    return f"{unseen}; of no label are there {needed} of your own" if truth.labels else unseen


def find_truth(adata: AnnData, calibrate: str | Sequence[str | None] | pd.Series | None, annotator: Annotator) -> Truth:
    """Read and check the labels given by ``calibrate``.

    Raises
    ------
    KeyError
        If it names a column that is not there.
    ValueError
        If it has another length than there are cells, no label at all, or labels that the model does not know.
    """
    if calibrate is None:
        return Truth(np.zeros(0, np.int64), [])
    values = _values(adata, calibrate)
    cells = np.flatnonzero(values.notna().to_numpy() & (values.astype(str) != "").to_numpy())
    labels = values.iloc[cells].astype(str).tolist()
    unknown = sorted({part for label in set(labels) for part in label.split(EITHER)} - set(annotator.labels.names))
    if unknown or not labels:
        more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
        what = (
            f"holds {unknown[:MOST_NAMED]}{more}, which the model does not know" if unknown else "holds no label at all"
        )
        msg = (
            f"`calibrate` {what}; it may use {list(annotator.labels.names)}, with missing values for cells "
            "whose type you do not know."
        )
        raise ValueError(msg)
    return Truth(cells, labels)


def _values(adata: AnnData, calibrate: str | Sequence[str | None] | pd.Series) -> pd.Series:
    """Return one label per cell, missing where it is unknown."""
    if isinstance(calibrate, str):
        if calibrate not in adata.obs:
            msg = f"`calibrate` is {calibrate!r}, but adata.obs has only the columns {list(adata.obs.columns)}."
            raise KeyError(msg)
        column: pd.Series = adata.obs[calibrate]
        return column
    if isinstance(calibrate, pd.Series):
        if not calibrate.index.is_unique:
            twice = str(calibrate.index[calibrate.index.duplicated()][0])
            msg = (
                f"`calibrate` names the cell {twice!r} more than once; give every cell one label, by its name in `obs`."
            )
            raise ValueError(msg)
        return calibrate.reindex(adata.obs_names)
    if isinstance(calibrate, pd.DataFrame | Mapping | Set):
        msg = f"`calibrate` must be a column of obs, a series or one label per cell, got a {type(calibrate).__name__}."
        raise TypeError(msg)
    if len(calibrate) != adata.n_obs:
        msg = f"`calibrate` has {len(calibrate)} labels for {adata.n_obs} cells; give one each, `None` where unknown."
        raise ValueError(msg)
    return pd.Series(list(calibrate), adata.obs_names, dtype=object)


def check_promise(truth: Truth, annotator: Annotator, *, coverage: float | None, reject: float | None) -> None:
    """Refuse a coverage or a level of rejection that means nothing, or that the known cells cannot support.

    Raises
    ------
    ValueError
        If so.
    """
    if reject is not None and not is_share(reject):
        msg = (
            f"`reject` must be above 0 and below 1, got {reject!r}; "
            "to reject no cell it is None, on the command line 0."
        )
        raise ValueError(msg)
    if coverage is None:
        return
    needed = cells_needed(coverage)
    if truth.labels and len(truth.labels) < needed:
        msg = (
            f"`calibrate` names {len(truth.labels)} cells; a coverage of {coverage:g} needs at least {needed}, "
            "and as many of each label for a promise per label. Label more cells or ask for less."
        )
        raise ValueError(msg)
    if not truth.labels and annotator.known is None:
        msg = (
            f"`coverage` needs cells whose type is known, and the model {annotator.name!r} came without any; "
            "label some of your own and name them by `calibrate`."
        )
        raise ValueError(msg)


def threshold_of(annotator: Annotator, threshold: float | None) -> float:
    """Return the probability that a label must reach, the model's own unless another is given.

    Raises
    ------
    ValueError
        If it is not above 0 and at most 1.
    """
    if threshold is None:
        return annotator.calibration.threshold
    if not is_share(threshold) and not (threshold == 1 and threshold is not True):
        msg = f"`threshold` must be above 0 and at most 1, got {threshold!r}; leave it out for the model's own."
        raise ValueError(msg)
    return float(threshold)
