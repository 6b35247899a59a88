"""Plots."""

from ._confidence import confidence

__all__ = ["confidence"]
