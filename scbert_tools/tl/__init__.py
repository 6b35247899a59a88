"""Tools: name cell types and embed cells."""

from ._annotate import annotate
from ._embed import embed

__all__ = ["annotate", "embed"]
