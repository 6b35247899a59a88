"""Let a network learn from cells without labels."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arguments import check_at_least, check_list, seed_of
from .._docs import shared_docs
from .._settings import logger, settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from anndata import AnnData

    from ..model.annotator import Annotator
    from ..train.pretraining import Pretrained
    from ..train.start import Start


@shared_docs
def pretrain(  # noqa: PLR0913
    data: AnnData | str | PathLike[str] | Sequence[AnnData | str | PathLike[str]],
    *,
    preset: str = "mini",
    genes: Sequence[str] | None = None,
    n_steps: int = 2000,
    lr: float = 2e-3,
    cells_per_step: int = 48,
    token_limit: int = 900,
    cells_in_memory: int = 20_000,
    layer: str | None = None,
    folder: str | PathLike[str] | None = None,
    rng: int | np.random.Generator | None = None,
    random_state: int | None = None,
    **sizes: Any,
) -> Annotator:
    """Let a network learn what genes tell of each other, from cells without labels.

    Of every cell 15 % of the expressed genes are hidden, and the cell's vector is to name them among all genes that
    were measured and are not shown, so that absence is learned too. Gene vectors begin as the principal axes of
    co-expression. The levels of hidden genes, and of half as many that the cell lacks, are read off what was learned;
    they do not train the network, for depth tells most of them. Cells are thinned at random, so that depth varies.
    Files are read in blocks and never whole.

    Parameters
    ----------
    data
        An AnnData, the path of an ``.h5ad`` or ``.zarr`` file, or several of them; cells in rows, counts or
        log-normalised values of all measured genes.
    preset
        ``"mini"`` (latent attention, for CPUs), ``"base"`` (768 wide, 12 layers, 12 heads) or ``"scbert"``.
    genes
        Genes to read. By default those that at least half of the data sets list.
    n_steps
        Steps of training.
    lr
        Highest learning rate.
    cells_per_step
        Cells of one step; at most ``scbert_tools.settings.batch_size``.
    token_limit
        Expected number of genes shown of a cell that expresses more.
    cells_in_memory
        Most cells held at a time; where there are more, blocks of neighbouring cells are exchanged on the way.
    {layer}
    folder
        Where checkpoints go; a training that was interrupted goes on from there when called again.
    {rng}
    {random_state}
    **sizes
        Fields of the architecture that are to differ from the preset, such as ``width=64``.

    Returns
    -------
    A model without classes, for ``tl.embed`` and as ``model=`` of ``tl.fine_tune``. ``training`` holds the history
    and, for genes hidden from held-out cells, how surprising they are: their names to the model (``gene_name_loss``)
    beside a guess that knows how common every gene is (``gene_commonness_loss``), and their levels to the model
    (``masked_gene_loss``, ``masked_gene_accuracy``) beside guesses that know how common a level is
    (``overall_level_…``), how common it is for the gene (``gene_level_…``), and how common it is in cells of the same
    depth (``lowest_level_…``). A model that does not beat the guesses has learned little: go on for longer. They are
    also logged.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If there is no cell, no usable matrix, too few of ``genes``, or an option is out of range.
    PermissionError
        If ``folder`` cannot be written to.
    FloatingPointError
        If training diverges; a lower ``lr`` helps.

    Notes
    -----
    Masked prediction follows BERT (Devlin et al. 2019, arXiv:1810.04805) and scBERT (Yang et al. 2022,
    doi:10.1038/s42256-022-00534-z), whose gene vectors begin as gene2vec (Du et al. 2019,
    doi:10.1186/s12864-018-5370-x) has them.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scbert_tools as sbt
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> model = sbt.tl.pretrain(adata, n_steps=5, width=32)
    >>> sorted(model.training["report"])[:2]
    ['gene_commonness_loss', 'gene_level_accuracy']
    """
    from ..data.chunks import RollingBatches
    from ..data.reference import BatchMaker, no_cells
    from ..train.checkpoint import check_folder
    from ..train.coexpression import gene_facts
    from ..train.config import TrainConfig
    from ..train.pretraining import HELD_OUT_SHARE, pretrain_on, without_kin
    from ..train.start import fresh_start
    from ._sources import chunked, genes_in_common, open_all

    check_at_least(1, cells_per_step=cells_per_step, token_limit=token_limit, cells_in_memory=cells_in_memory)
    check_list(genes=genes)
    seed = seed_of(rng, random_state)
    config = TrainConfig(n_steps=n_steps, lr=lr, seed=seed)
    where = None if folder is None else Path(folder)
    sets = open_all(data)
    start = fresh_start(preset, genes if genes is not None else genes_in_common(sets), 0, seed=seed, **sizes)
    cells = chunked(sets, start.vocabulary, layer=layer)
    kept, away = cells.split(share=HELD_OUT_SHARE, rng=np.random.default_rng(seed))
    check_folder(where)
    size = min(cells_per_step, settings.batch_size)
    empty = no_cells(len(start.vocabulary))
    maker = without_kin(
        BatchMaker(reference=empty, levels=start.levels, batch_size=size, token_limit=token_limit, token_dropout=0.0)
    )
    seen = RollingBatches(cells, kept, maker, cells_in_memory=cells_in_memory, seed=seed)
    judged = RollingBatches(cells, away, maker, cells_in_memory=cells_in_memory, seed=seed + 1)
    width = start.network.embedding.gene.embedding_dim
    facts = gene_facts(seen.maker_at(0).reference, width, measured=cells.measured, seed=seed)
    return _assembled(start, pretrain_on(start.network, seen, judged, facts, config, folder=where))


def _assembled(start: Start, done: Pretrained) -> Annotator:
    """Return the model, which names no types, with its report."""
    from ..model.annotator import Annotator
    from ..model.labels import LabelTree

    lines = "\n".join(f"- {name}: {value:.4f}" for name, value in done.report.items())
    logger.info("Genes hidden from held-out cells:\n%s", lines)
    return Annotator(
        network=done.network.eval(),
        config=start.config,
        vocabulary=start.vocabulary,
        labels=LabelTree({}),
        levels=start.levels,
        name=f"{start.config.preset}, pretrained",
        card=f"# Pretrained model\n\nGenes hidden from held-out cells:\n\n{lines}\n",
        training={"history": asdict(done.history), "report": done.report},
    )
