"""Plots: labels, confidence, what is behind them, and how a training went."""

from ._agreement import agreement
from ._attention import attention
from ._attribution import attribution
from ._confidence import confidence
from ._embedding import embedding
from ._faithfulness import faithfulness
from ._history import history

__all__ = ["agreement", "attention", "attribution", "confidence", "embedding", "faithfulness", "history"]
