"""Tools: name cell types, explain the names, embed cells."""

from ._annotate import annotate
from ._attention import attention
from ._attribute import attribute
from ._embed import embed
from ._fine_tune import fine_tune
from ._markers import markers

__all__ = ["annotate", "attention", "attribute", "embed", "fine_tune", "markers"]
