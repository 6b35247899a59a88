"""One seed from the two ways in which randomness may be given."""

from __future__ import annotations

from numbers import Integral

import numpy as np


def seed_of(rng: int | np.random.Generator | None, random_state: int | None) -> int:
    """Return the seed given by either argument, 0 if neither is.

    Raises
    ------
    ValueError
        If both are given, or a seed is below 0.
    TypeError
        If what is given is neither a whole number nor a generator.
    """
    if rng is not None and random_state is not None:
        msg = f"`rng` and `random_state` are two names of one thing, got {rng!r} and {random_state!r}. Give one."
        raise ValueError(msg)
    name, given = ("random_state", random_state) if rng is None else ("rng", rng)
    if isinstance(given, np.random.Generator):
        return int(given.integers(2**31))  # torch takes seeds of 64 bits, older generators of 32
    if given is not None and (isinstance(given, bool) or not isinstance(given, Integral)):
        msg = f"`{name}` must be a whole number, or `rng` a `numpy.random.Generator`, got {given!r}."
        raise TypeError(msg)
    if given is not None and given < 0:
        msg = f"`{name}` must be at least 0, got {given!r}."
        raise ValueError(msg)
    return int(given or 0)
