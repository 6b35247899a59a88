"""Leave one data set out: how well labels hold on cells of another laboratory, donor and chemistry.

Run ``python transfer.py --help`` from this folder.
"""

from __future__ import annotations

from typing import Annotated

import typer
from datasets import TRANSFER
from results import COLUMNS, FOLDER, is_written, report, row_of, write_rows
from runners import runner, seeds_of
from scoring import folds, score_transfer

TABLE = FOLDER / "transfer.csv"


def run(methods: list[str], sets: list[str], n_seeds: int, *, resume: bool = False) -> None:
    """Run methods on left-out sets and add the scores to the table."""
    for test, train in folds(sets):
        for method in methods:
            for seed in seeds_of(method, n_seeds):
                if resume and is_written(TABLE, test.name, method, seed):
                    continue
                predictions = runner(method, target="coarse")(train, test, seed)
                rows = [
                    row_of(test.name, name, seed, score_transfer(test, train, one), one)
                    for name, one in predictions.items()
                ]
                write_rows(TABLE, rows)


def main(
    *,
    method: Annotated[list[str] | None, typer.Option(help="A peer, `ours` or `ours_plain`; may be repeated.")] = None,
    left_out: Annotated[list[str] | None, typer.Option(help="A set to leave out; all of them by default.")] = None,
    n_seeds: Annotated[int, typer.Option(help="Seeds of the methods that have randomness.")] = 3,
    resume: Annotated[bool, typer.Option("--resume", help="Leave out what the table already holds.")] = False,
    show: Annotated[bool, typer.Option("--report", help="Print the tables as markdown.")] = False,
) -> None:
    """Run methods, each on every left-out set, and report."""
    run(method or [], left_out or TRANSFER, n_seeds, resume=resume)
    if show:
        report(TABLE, sets=TRANSFER, columns=(*COLUMNS, "macro_f1_borne_out", "accuracy_borne_out"))


if __name__ == "__main__":
    typer.run(main)
