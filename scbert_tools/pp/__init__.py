"""Preprocessing: normalisation and batch correction."""

from ._harmony import harmony
from ._liger import liger
from ._normalize_cpm import normalize_cpm

__all__ = ["harmony", "liger", "normalize_cpm"]
