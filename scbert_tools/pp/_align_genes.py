"""The genes of a data set in the order of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._arguments import check_adata
from .._docs import shared_docs
from .._keys import GENE_REPORT
from .._settings import logger
from ..genes.align import align_columns, match_genes
from ..genes.coverage import check_coverage
from ..tokens.scale import to_linear
from ._inspect import inspect

if TYPE_CHECKING:
    from os import PathLike

    from anndata import AnnData

    from ..genes.align import GeneMatch
    from ..genes.vocabulary import Vocabulary
    from ..model.annotator import Annotator


@shared_docs
def align_genes(
    adata: AnnData, *, model: str | PathLike[str] | Annotator | Vocabulary = "pbmc", layer: str | None = None
) -> AnnData:
    """Bring the genes to the names and the order of a model, whatever they are called.

    Symbols, previous symbols and aliases, Ensembl ids with or without version, Entrez ids, mouse genes (by their human
    relatives, with a warning), prefixes such as ``hg19_``, suffixes that made names unique, changed separators and
    capitals, and dates that were symbols are understood, without network. Columns of the same gene are added.
    ``annotate`` does the same by itself; this shows what it will find.

    Parameters
    ----------
    {adata}
    {model}
        A :class:`~scbert_tools.genes.Vocabulary` will do as well.
    {layer}

    Returns
    -------
    New AnnData (cells × genes of the model) with

    - ``X``: csr float32, counts or values proportional to them within a cell (a log is undone), 0 for absent genes;
    - ``var["names_in_data"]``: the names that a gene had in ``adata``, ``""`` if absent;
    - ``uns["scbert_genes"]``: the report, its counts, and the lists of renamed, ambiguous and summed names;
    - ``obs``, ``obsm``, ``obsp`` as they were.

    Raises
    ------
    ValueError
        If no matrix can be used, or fewer than 50 genes of the model (half of a smaller model) are found.

    Examples
    --------
    >>> import anndata as ad
    >>> import numpy as np
    >>> import scbert_tools as sbt
    >>> from scbert_tools.genes import Vocabulary
    >>> adata = ad.AnnData(np.ones((2, 2)), var={"gene": ["a", "b"]})
    >>> adata.var_names = ["ENSG00000156738.17", "ENSG00000198851"]
    >>> sbt.pp.align_genes(adata, model=Vocabulary(("CD3E", "MS4A1"))).uns["scbert_genes"]["report"]
    '2 of 2 model genes found; names are Ensembl ids'
    """
    from anndata import AnnData

    check_adata(adata)
    found = inspect(adata, layer=layer)
    if found.choice is None:
        raise ValueError(found.verdict)
    source = adata.raw if found.choice.name == "raw" else adata
    names = [str(name) for name in source.var_names]
    match = match_genes(names, _vocabulary(model))
    check_coverage(match)
    logger.info("%s", match)
    values = adata.layers.get(found.choice.name, source.X)
    aligned = align_columns(to_linear(values[:], found.choice.scale), match)
    copied = {name: dict(getattr(adata, name)) for name in ("obsm", "obsp")}
    report = _report(match) | {"read_from": found.choice.name, "scale": str(found.choice.scale)}
    var = _var(match, names, _vocabulary(model))
    return AnnData(aligned, obs=adata.obs.copy(), var=var, uns={**adata.uns, GENE_REPORT: report}, **copied)


def _vocabulary(model: str | PathLike[str] | Annotator | Vocabulary) -> Vocabulary:
    from ..genes.vocabulary import Vocabulary

    if isinstance(model, Vocabulary):
        return model
    from ..models import load

    return load(model).vocabulary


def _var(match: GeneMatch, names: list[str], vocabulary: Vocabulary) -> pd.DataFrame:
    """Return the table of the model's genes with the names each had in the data."""
    found: list[list[str]] = [[] for _ in vocabulary]
    for column in np.flatnonzero(match.target >= 0):
        found[match.target[column]].append(names[column])
    return pd.DataFrame({"names_in_data": [", ".join(each) for each in found]}, index=list(vocabulary))


def _report(match: GeneMatch) -> dict[str, str | int | float]:
    """Return the report as values that any file can hold."""
    return {
        "report": str(match),
        "kind": match.kind,
        "n_found": match.n_found,
        "n_model_genes": match.n_model_genes,
        "coverage": match.coverage,
        "renamed": "\n".join(f"{name} -> {gene}" for name, gene in match.renamed),
        "ambiguous": "\n".join(match.ambiguous),
        "summed": "\n".join(match.summed),
    }
