"""Tables of the command line hold what they are given, the most frequent first, without reading it as markup."""

from io import StringIO

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from scbert_tools._cli_tables import MOST_SETS, frame_table, label_table, set_table

RECORD = {"coverage": 0.8, "rests_on": "90 cells", "no_promise_for": "HSPC"}


def lines(table: Table) -> list[str]:
    console = Console(width=100, file=StringIO())
    console.print(table)
    return [line.strip() for line in console.file.getvalue().splitlines() if line.strip()]


def test_labels_come_with_their_share_and_mean_confidence() -> None:
    labels = pd.Series(pd.Categorical(["B", "T", "T", "T"], ["B", "T", "never seen"]))
    shown = lines(label_table(labels, pd.Series([0.5, 1.0, 0.8, 0.6])))
    assert [line.split() for line in shown[-2:]] == [["T", "3", "75.0%", "0.80"], ["B", "1", "25.0%", "0.50"]]


@pytest.mark.parametrize(("blind", "told"), [("HSPC", True), ("", False)])
def test_sets_say_what_they_rest_on_and_do_not_promise(blind: str, told: bool) -> None:
    shown = lines(set_table(pd.Series(["T", "T", "B | T"]), RECORD | {"no_promise_for": blind}))
    assert shown[0].startswith("may be (80% sets)")
    assert [line.split()[-2:] for line in shown[2:4]] == [["2", "66.7%"], ["1", "33.3%"]]
    caption = " ".join(shown[4:])
    assert caption.startswith("rests on 90 cells")
    assert ("no promise for HSPC" in caption) is told


def test_only_the_most_frequent_sets_are_shown() -> None:
    sets = pd.Series([f"kind {i}" for i in range(MOST_SETS + 5) for _ in range(MOST_SETS + 6 - i)])
    assert sum(line.startswith("kind") for line in lines(set_table(sets, RECORD))) == MOST_SETS


def test_brackets_are_no_markup() -> None:
    assert "[red]cell[/red]" in " ".join(lines(frame_table(pd.DataFrame({"name": ["[red]cell[/red]"]}))))
