"""Preprocessing: what the data hold, gene names, normalisation and batch correction."""

from ._align_genes import align_genes
from ._harmony import harmony
from ._inspect import inspect
from ._liger import liger
from ._normalize_cpm import normalize_cpm

__all__ = ["align_genes", "harmony", "inspect", "liger", "normalize_cpm"]
