"""One seed from the two ways in which randomness may be given."""

from __future__ import annotations

import numpy as np


def seed_of(rng: int | np.random.Generator | None, random_state: int | None) -> int:
    """Return the seed given by either argument, 0 if neither is.

    Raises
    ------
    ValueError
        If both are given.
    """
    if rng is not None and random_state is not None:
        msg = f"`rng` and `random_state` are two names of one thing, got {rng!r} and {random_state!r}. Give one."
        raise ValueError(msg)
    given = random_state if rng is None else rng
    return int(given.integers(2**31)) if isinstance(given, np.random.Generator) else int(given or 0)
