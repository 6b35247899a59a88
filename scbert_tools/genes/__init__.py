"""Gene names: one ordered vocabulary, and the way from any file's names to it."""

from .align import GeneMatch, align_columns, match_genes
from .coverage import check_coverage
from .proteins import look_like_proteins
from .tables import current_symbol
from .vocabulary import Vocabulary

__all__ = [
    "GeneMatch",
    "Vocabulary",
    "align_columns",
    "check_coverage",
    "current_symbol",
    "look_like_proteins",
    "match_genes",
]
