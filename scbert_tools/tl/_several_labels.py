"""What ``annotate`` writes for a model that may give a cell several labels."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..model.labels import EITHER, UNASSIGNED
from ._cells import find_cells, own, vectors

if TYPE_CHECKING:
    from anndata import AnnData

    from .._keys import AnnotationKeys
    from ..model.annotator import Annotator


def refuse_options(**options: object) -> None:
    """Refuse what needs labels that exclude each other.

    Raises
    ------
    ValueError
        If an option is given.
    """
    given = [name for name, value in options.items() if value is not None]
    if given:
        msg = f"`{given[0]}` needs a model of exclusive labels, but a cell of this one may have several; leave it out."
        raise ValueError(msg)


def annotate_several(
    adata: AnnData, annotator: Annotator, keys: AnnotationKeys, *, threshold: float, layer: str | None, copy: bool
) -> AnnData | None:
    """Write all labels of every cell that are likely enough, joined by ``"|"``, and the probability of each class.

    The confidence is the smallest probability of being right about one class, given or not.
    """
    from ..infer.forward import read_cells

    source = find_cells(adata, annotator.vocabulary, layer=layer, training=annotator.training)
    states = read_cells(annotator, source.rows, source.n_cells)
    chance = np.where(states.n_tokens[:, None] > 0, states.chances(annotator.calibration.temperature), 0)
    given = chance >= threshold
    names = np.array(annotator.classes)
    label = [EITHER.join(names[row]) or UNASSIGNED for row in given]
    adata = own(adata, copy=copy)
    adata.obs[keys.label] = pd.Categorical(label)
    adata.obs[keys.confidence] = np.where(given, chance, 1 - chance).min(axis=1).astype(np.float32)
    adata.obsm[keys.probabilities] = pd.DataFrame(chance.astype(np.float32), adata.obs_names, list(annotator.classes))
    adata.obsm[keys.embedding] = vectors(states)
    adata.uns[keys.added] = {
        "classes": list(annotator.classes),
        "input": source.report(),
        "model": annotator.name,
        "fingerprint": annotator.fingerprint,
        "threshold": threshold,
        "temperature": annotator.calibration.temperature,
        "version": version("scbert-tools"),
    }
    return adata if copy else None
