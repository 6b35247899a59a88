"""Put what was said of cells into an AnnData, and tell the user what matters."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._settings import logger
from ..infer.decide import REASONS
from ..infer.familiarity import depth_warnings, oddness_warnings
from ..infer.proposals import propose_clusters
from ..infer.report import report_lines
from ._cells import vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from .._keys import AnnotationKeys
    from ..infer.verdict import Reading, Verdict
    from ..model.annotator import Annotator
    from ._cells import CellSource
    from ._truth import Sets

UNLIKE = REASONS.index("unlike known types")


@dataclass(frozen=True)
class Results:
    """Everything that one call of ``annotate`` found out."""

    annotator: Annotator
    source: CellSource
    reading: Reading
    verdict: Verdict
    temperature: float
    threshold: float
    sets: Sets | None

    @cached_property
    def proposed(self) -> NDArray[np.int64]:
        """(cells,) proposed cluster of cells unlike known types, -1 elsewhere."""
        codes = np.full(self.source.n_cells, -1)
        cells = np.flatnonzero(self.verdict.decision.reason == UNLIKE)
        codes[cells] = propose_clusters(self.source.rows, cells, rng=np.random.default_rng(0))
        return codes

    @cached_property
    def warnings(self) -> list[str]:
        """Sentences about depth, genes and chemistry, where they are out of the ordinary."""
        known, p_known = self.annotator.known, self.verdict.p_known
        if known is None or p_known is None:
            return []
        depth = depth_warnings(self.reading.states.n_tokens, known.n_genes, gene_coverage=self.reading.gene_coverage)
        return [*depth, *oddness_warnings(p_known)]

    @cached_property
    def report(self) -> list[str]:
        """Lines of the report."""
        return report_lines(self.verdict, n_proposed=int(self.proposed.max(initial=-1)) + 1, warnings=self.warnings)


def write_results(adata: AnnData, keys: AnnotationKeys, results: Results, *, params: Mapping[str, object]) -> None:
    """Write all fields, drop those of an earlier call that this one does not renew, and tell the report."""
    columns = _columns(keys, results)
    record = _record(results, params)
    table = pd.DataFrame(results.verdict.probabilities, adata.obs_names, list(results.annotator.classes))
    # Fields that only some calls write would otherwise tell of an earlier model or an earlier set of cells.
    for name in {keys.label_set, keys.p_known, keys.novel, keys.doublet} & set(adata.obs) - set(columns):
        del adata.obs[name]
    for name, values in columns.items():
        adata.obs[name] = values
    adata.obsm[keys.probabilities] = table
    adata.obsm[keys.embedding] = vectors(results.reading.states)
    adata.uns[keys.added] = record
    _tell(results)


def _columns(keys: AnnotationKeys, results: Results) -> dict[str, Any]:
    """Return the columns of ``obs``."""
    verdict, decision = results.verdict, results.verdict.decision
    # By the few names instead of cell by cell.
    ontology = pd.Categorical([results.annotator.labels.ontology.get(name) for name in decision.names])
    columns = {
        keys.label: _named(decision.code, list(decision.names)).remove_unused_categories(),
        keys.confidence: decision.confidence,
        keys.ontology: ontology[decision.code].remove_unused_categories(),
        keys.reason: _named(decision.reason - 1, list(REASONS[1:])).remove_unused_categories(),
    }
    if verdict.p_known is not None:
        names = [f"novel {i + 1}" for i in range(results.proposed.max(initial=-1) + 1)]
        columns |= {keys.p_known: verdict.p_known, keys.novel: _named(results.proposed, names)}
    if verdict.doublet is not None:
        columns[keys.doublet] = verdict.doublet
    return columns if results.sets is None else columns | {keys.label_set: results.sets.names.array}


def _named(codes: NDArray[np.int64], names: list[str]) -> pd.Categorical:
    """Return codes as a category, missing where -1."""
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype=object))


def _record(results: Results, params: Mapping[str, object]) -> dict[str, Any]:
    """Return what ``uns`` keeps of a call, in values that h5ad can hold."""
    annotator, changed = results.annotator, results.verdict.changed
    tree = annotator.labels.parents
    record = {
        "params": {name: "" if value is None else str(value) for name, value in params.items()},
        "classes": list(annotator.classes),
        "hierarchy": {"name": list(tree), "parent": [above or "" for above in tree.values()]},
        "input": results.source.report(),
        "model": annotator.name,
        "fingerprint": annotator.fingerprint,
        "threshold": results.threshold,
        "temperature": results.temperature,
        "version": version("scbert-tools"),
        "report": "\n".join(results.report),
    }
    if changed:
        moved = {side: [each[side] for each in changed.values()] for side in ("lost", "won")}
        record["refinement"] = {"label": list(changed), **moved}
    return record if results.sets is None else record | {"sets": results.sets.record}


def _tell(results: Results) -> None:
    """Log the report and warn of what is out of the ordinary."""
    for line in results.report:
        logger.info("%s", line)
    for sentence in results.warnings:
        warnings.warn(sentence, UserWarning, stacklevel=4)
