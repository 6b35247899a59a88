"""Tidy tables of results: written row by row, read back as one markdown table."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoring import Prediction, Score

FOLDER = Path(__file__).parent / "results"
KEY = ["set", "method", "seed"]


def row_of(name: str, method: str, seed: int, score: Score, prediction: Prediction) -> dict[str, Any]:
    """Return one line of the table."""
    seconds = {"seconds_fit": prediction.seconds_fit, "seconds_predict": prediction.seconds_predict}
    return {"set": name, "method": method, "seed": seed, **vars(score), **seconds, "options": prediction.options}


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows to a table; rows of the same set, method and seed are replaced, one process at a time."""
    table = pd.DataFrame(rows)
    path.parent.mkdir(exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            table = pd.concat([pd.read_csv(path), table]).drop_duplicates(KEY, keep="last")
        draft = path.with_suffix(".tmp")
        table.sort_values(KEY).round(4).to_csv(draft, index=False)
        draft.replace(path)


def is_written(path: Path, name: str, method: str, seed: int) -> bool:
    """Return whether the table holds this set, method and seed."""
    if not path.exists():
        return False
    table = pd.read_csv(path)
    return bool((table[KEY] == [name, method, seed]).all(axis=1).any())


def pivot(path: Path, *, column: str, sets: Sequence[str]) -> pd.DataFrame:
    """Return sets × methods, the mean over seeds, best method first and the mean over sets below."""
    table = pd.read_csv(path).pivot_table(index="set", columns="method", values=column, dropna=False)
    table = table.reindex([name for name in sets if name in table.index])
    table.loc["**mean**"] = table.mean(skipna=False)
    return table.dropna(axis=1, how="all").sort_values("**mean**", axis=1, ascending=False, na_position="last")


def markdown(table: pd.DataFrame) -> str:
    """Return a table with three decimals as markdown, a dash for what has not been run."""
    head = ["set", *map(str, table.columns)]
    lines = [head, ["---"] + ["--:"] * table.shape[1]]
    lines += [
        [str(name), *("–" if np.isnan(value) else f"{value:.3f}" for value in row)]
        for name, row in zip(table.index, table.to_numpy(), strict=True)
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


COLUMNS = ("macro_f1", "accuracy", "worst_f1", "calibration_error")


def report(path: Path, *, sets: Sequence[str], columns: Sequence[str] = COLUMNS) -> None:
    """Write the tables of macro-F1, accuracy and worst class to the standard output."""
    for column in columns:
        sys.stdout.write(f"\n### {column}\n\n{markdown(pivot(path, column=column, sets=sets))}\n")
