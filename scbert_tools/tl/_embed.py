"""Give every cell a vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._arguments import check_adata
from .._docs import shared_docs
from .._keys import AnnotationKeys
from ._cells import find_cells, own, vectors

if TYPE_CHECKING:
    from os import PathLike

    from anndata import AnnData

    from ..model.annotator import Annotator


@shared_docs
def embed(
    adata: AnnData,
    *,
    model: str | PathLike[str] | Annotator = "pbmc",
    key_added: str = "scbert",
    layer: str | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Give every cell a vector in which cells of a type lie together, for neighbours, UMAP or clustering.

    Parameters
    ----------
    {adata}
    {model}
    {key_added}
    {layer}
    {copy}

    Returns
    -------
    {returns_copy}

    ``obsm["X_scbert"]``
        Cell vectors (float32, cells × width); zeros for cells without any gene of the model.

    Raises
    ------
    ValueError
        If there are no cells, no matrix with usable values, or too few genes of the model.
    KeyError
        If ``layer`` is not there.

    Notes
    -----
    The idea of a Transformer over expressed genes follows scBERT (Yang et al. 2022, doi:10.1038/s42256-022-00534-z).

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sbt.tl.embed(adata)
    >>> sc.pp.neighbors(adata, use_rep="X_scbert")
    """
    from .. import models
    from ..infer.forward import read_cells

    check_adata(adata)
    annotator = models.load(model)
    source = find_cells(adata, annotator.vocabulary, layer=layer, training=annotator.training)
    states = read_cells(annotator, source.rows, source.n_cells)
    adata = own(adata, copy=copy)
    adata.obsm[AnnotationKeys(key_added).embedding] = vectors(states)
    return adata if copy else None
