"""Tools: name cell types, explain the names, embed cells."""

from ._annotate import annotate
from ._attention import attention
from ._attribute import attribute
from ._embed import embed
from ._evaluate import evaluate
from ._fine_tune import fine_tune
from ._markers import markers
from ._pretrain import pretrain

__all__ = ["annotate", "attention", "attribute", "embed", "evaluate", "fine_tune", "markers", "pretrain"]
