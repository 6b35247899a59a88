"""From the name of a method to what trains and predicts, the same way for every benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets import Labelled
    from scoring import Prediction

    Runner = Callable[[list[Labelled], Labelled, int], dict[str, Prediction]]


def our_runner(method: str) -> Runner:
    """Return our own method, ``ours``, or what is left of it without a part, such as ``ours_plain``.

    ``ours.fit_predict`` returns one prediction, or several by name where one training can be read in
    several ways: ``{"ours": ..., "ours_refined": ...}``.
    """
    from ours import ABLATIONS, fit_predict

    without = method.removeprefix("ours").removeprefix("_")
    if without and without not in ABLATIONS:
        msg = f"`method` is {method!r}; what can be left out of ours is {list(ABLATIONS)}."
        raise ValueError(msg)

    def run(train: list[Labelled], test: Labelled, seed: int) -> dict[str, Prediction]:
        predicted = fit_predict(train, test, seed=seed, without=without)
        every = predicted if isinstance(predicted, dict) else {"ours": predicted}
        return {name.replace("ours", method, 1): one for name, one in every.items()}

    return run


def peer_runner(method: str, *, target: str) -> Runner:
    """Return a peer that is given the usable training cells and the bare test counts.

    ``<peer>_checked`` is given the labels that our recipe corrects.
    """
    from peers import PEERS
    from references import references_of

    peer, checked = method.removesuffix("_checked"), method.endswith("_checked")

    def run(train: list[Labelled], test: Labelled, seed: int) -> dict[str, Prediction]:
        used = [one.checked() if checked else one for one in train]
        said = PEERS[peer](references_of(used, target=target), test.counts, test.genes, seed=seed)
        return {name.replace(peer, method, 1): one for name, one in said.items()}

    return run


def runner(method: str, *, target: str) -> Runner:
    """Return what trains and predicts by the name of a method."""
    return our_runner(method) if method.startswith("ours") else peer_runner(method, target=target)


def seeds_of(method: str, n_seeds: int) -> range:
    """Return the seeds worth running: one where nothing is random."""
    if method.startswith("ours"):
        return range(n_seeds)
    from peers import RANDOM

    return range(n_seeds if method.removesuffix("_checked") in RANDOM else 1)
