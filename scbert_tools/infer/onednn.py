"""Linear steps through oneDNN, which uses the widest registers of every maker's processors."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
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
    gelu
        Whether a GELU follows, done while the numbers are in registers.
    """

    def __init__(self, linear: nn.Linear, *, gelu: bool = False) -> None:
        super().__init__()
        self.weight, self.bias, self.then = linear.weight, linear.bias, "gelu" if gelu else "none"

    def forward(self, x: Tensor) -> Tensor:
        """Return the linear map of the last axis of ``x``."""
        mapped: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, self.then, [], "none")
        return mapped


def through_onednn(module: Module) -> Module:
    """Return a copy of a module, with the same weights, whose linear steps go through oneDNN where torch has it."""
    copied = deepcopy(module, {id(weights): weights for weights in module.parameters()})
    # The operator is one that torch keeps for its own compiler: look before calling it.
    if torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        for parent in list(copied.modules()):
            _replace(parent)
    return copied


def _replace(parent: nn.Module) -> None:
    """Replace the linear modules of one module, with the GELU that follows in a sequence."""
    children = dict(parent.named_children())
    following = dict(pairwise(children)) if isinstance(parent, nn.Sequential) else {}
    for name, child in children.items():
        if isinstance(child, nn.Linear):
            after = children.get(following.get(name, ""))
            gelu = isinstance(after, nn.GELU) and after.approximate == "none"
            setattr(parent, name, OneDnnLinear(child, gelu=gelu))
            if gelu:
                setattr(parent, following[name], nn.Identity())
