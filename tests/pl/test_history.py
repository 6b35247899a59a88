"""The course of a training is drawn from whatever holds it, its best look marked."""

import numpy as np
import pytest

import scbert_tools as sbt
from scbert_tools.train.watch import History

SEEN = {"steps": [10, 20, 30], "loss": [3.0, 2.0, 1.0], "held_out": [3.0, 1.5, 2.0]}


@pytest.mark.parametrize(
    "form",
    [dict, lambda seen: History(**seen), lambda seen: {name: np.array(values) for name, values in seen.items()}],
    ids=["mapping", "history", "arrays"],
)
def test_both_losses_are_drawn_from_every_form(form):
    ax = sbt.pl.history(form(SEEN))
    drawn = [line.get_xydata().tolist() for line in ax.lines]
    losses = [[list(pair) for pair in zip(SEEN["steps"], SEEN[name], strict=True)] for name in ("loss", "held_out")]
    assert drawn == [*losses, [[20, 1.5]]]


@pytest.mark.parametrize(
    ("held_out", "best"),
    [
        ([3.0, 1.5, 2.0], "best: 1.500 at 20"),
        ([1.0, 1.0, 1.0], "best: 1.000 at 10"),
        ([3.0, 2.0, 1.0], "best: 1.000 at 30"),
    ],
    ids=["middle", "first of equals", "last"],
)
def test_best_look_is_the_first_of_the_lowest(held_out, best):
    legend = sbt.pl.history(SEEN | {"held_out": held_out}).get_legend()
    assert best in [text.get_text() for text in legend.get_texts()]


def test_steps_are_written_with_thousands():
    legend = sbt.pl.history({"steps": [12_000], "loss": [1.0], "held_out": [0.5]}).get_legend()
    assert legend.get_texts()[-1].get_text() == "best: 0.500 at 12,000"


@pytest.mark.parametrize(
    ("history", "lengths"),
    [
        ({}, "'steps': 0, 'loss': 0, 'held_out': 0"),
        (History(), "'steps': 0, 'loss': 0, 'held_out': 0"),
        (SEEN | {"loss": [1.0]}, "'steps': 3, 'loss': 1, 'held_out': 3"),
        ({"steps": [1], "loss": [1.0]}, "'steps': 1, 'loss': 1, 'held_out': 0"),
    ],
    ids=["nothing", "no look", "too short", "list lost"],
)
def test_lists_that_do_not_fit_are_refused(history, lengths):
    with pytest.raises(ValueError, match=f"equally long, non-empty lists .*got lengths {{{lengths}}}"):
        sbt.pl.history(history)


@pytest.mark.parametrize(
    ("given", "message"),
    [("annotator", r"got Annotator; give its `training\['history'\]`"), (None, "got NoneType"), ([1.0], "got list")],
    ids=["model", "nothing", "losses"],
)
def test_what_is_no_history_is_refused(annotator, given, message):
    with pytest.raises(TypeError, match=f"`history` must be what a training returned, or a mapping, {message}"):
        sbt.pl.history(annotator if given == "annotator" else given)
