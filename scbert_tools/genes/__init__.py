"""Gene names: one ordered vocabulary, and the way from any file's names to it."""

from .align import GeneMatch, align_columns, match_genes
from .vocabulary import Vocabulary

__all__ = ["GeneMatch", "Vocabulary", "align_columns", "match_genes"]
