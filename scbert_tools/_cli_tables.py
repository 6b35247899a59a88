"""Tables of the command line."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

MOST_SETS = 12
"""Sets of labels that are shown; the file holds all."""


def agreement_table(agreement: "pd.DataFrame") -> Table:
    """Show how our labels compare with the authors', as percentages."""
    table = plain_table("authors' label", "cells", "same\nlineage", "same\nsubtype", "not\nassigned", "mostly called")
    for label, row in agreement.iterrows():
        shares = (f"{row[name]:.0%}" for name in ("lineage", "subtype", "unassigned"))
        table.add_row(escape(str(label)), str(row["cells"]), *shares, escape(str(row["mostly"])))
    return table


def label_table(labels: "pd.Series[str]", confidence: "pd.Series[float]") -> Table:
    """Show the cells and the mean confidence of every label, the most frequent first."""
    table = plain_table("label", "cells", "share", "confidence")
    for label, count in labels.value_counts().items():
        if count:
            mean = confidence[labels == label].mean()
            table.add_row(escape(str(label)), str(count), f"{count / len(labels):.1%}", f"{mean:.2f}")
    return table


def set_table(sets: "pd.Series[str]", record: Mapping[str, Any]) -> Table:
    """Show the most frequent sets of labels, and what their promise rests on."""
    table = plain_table(f"may be ({record['coverage']:.0%} sets)", "cells", "share")
    counts = sets.value_counts()
    for words, count in counts[counts > 0].head(MOST_SETS).items():
        table.add_row(escape(str(words)), str(count), f"{count / len(sets):.1%}")
    blind = f"; no promise for {record['no_promise_for']}" if record["no_promise_for"] else ""
    table.caption, table.caption_justify = escape(f"rests on {record['rests_on']}{blind}"), "left"
    return table


def frame_table(frame: "pd.DataFrame") -> Table:
    """Show a data frame as it is."""
    table = plain_table(*map(str, frame.columns), right=False)
    for row in frame.itertuples(index=False):
        table.add_row(*(escape(str(value)) for value in row))
    return table


def plain_table(first: str, *others: str, right: bool = True) -> Table:
    """Make an empty table; the columns after the first hold numbers if ``right``."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right" if right else "left")
    return table
