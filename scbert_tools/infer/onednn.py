"""Linear steps through oneDNN, which uses the widest registers of every maker's processors."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

Module = TypeVar("Module", bound=nn.Module)


class OneDnnLinear(nn.Module):
    """The same as a linear module, through oneDNN.

    Parameters
    ----------
    linear
        The module, whose weights are used.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return the linear map of the last axis of ``x``."""
        mapped: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return mapped


def through_onednn(module: Module) -> Module:
    """Return a copy of a module whose linear steps go through oneDNN, where torch was built with it."""
    copied = deepcopy(module)
    if torch.backends.mkldnn.is_available():
        for parent in list(copied.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(parent, name, OneDnnLinear(child))
    return copied
