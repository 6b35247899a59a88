"""The tables and figures of ``faithfulness.py``, from what it wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from results import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT = "integrated_gradients"
CURVE_AREAS = ["deletion_area", "insertion_area"]
DROPS = ["drop_top50", "drop_equally_loud50"]
AGREEMENT = ["auroc", "auroc_2_sources", "auroc_as_abundant"]


def read(part: str = "") -> pd.DataFrame:
    """Return one of the tables."""
    return pd.read_csv(FOLDER / f"faithfulness{part}.csv")


def faithful(table: pd.DataFrame) -> pd.DataFrame:
    """Return the means of every method over sets and drawings, and how it compares with the default in each of them."""
    means = table.groupby("method")[[*CURVE_AREAS, *DROPS, "processor_seconds_per_cell"]].mean()
    by_method = table.pivot_table(index=["set", "draw"], columns="method", values="deletion_area")
    behind = by_method.sub(by_method[DEFAULT], axis=0)
    means["default_better"] = [f"{(behind[name] > 0).sum()} of {len(behind)}" for name in means.index]
    means.loc[DEFAULT, "default_better"] = "default"
    return means.sort_values("deletion_area")


def literature(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the mean AUROC over labels, each averaged over the sets that hold it, and the worst label's."""
    per_label = labels.groupby(["method", "label"])[AGREEMENT].mean()
    found = per_label.groupby("method").mean()
    found["worst_label"] = per_label["auroc"].groupby("method").min()
    found["labels"] = per_label.groupby("method").size()
    return found.sort_values("auroc_as_abundant", ascending=False)


def stable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean share of best genes in common, over other cells and over other trainings, and the smallest."""
    groups = table.groupby(["method", "over"])["shared"]
    wide = pd.concat({"mean": groups.mean(), "smallest": groups.min()}, axis=1).unstack("over")
    wide.columns = [f"{over}_{what}" for what, over in wide.columns]
    return wide.sort_values(wide.columns[0], ascending=False)


def markdown(table: pd.DataFrame) -> str:
    """Return a table with three decimals."""
    head = [table.index.name, *(column.replace("_", " ") for column in table)]
    lines = [head, ["---"] + ["--:"] * table.shape[1]]
    for name, *values in table.itertuples():
        lines.append([name, *map(_text, values)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _text(value: object) -> str:
    """Return a number with three decimals, a dash for what does not apply."""
    if not isinstance(value, float):
        return str(value)
    return "–" if pd.isna(value) else f"{value:.3f}"


def sections() -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield titles and tables."""
    table, labels, stability = read(), read("_labels"), read("_stability")
    for model in table["model"].unique():
        yield f"Faithfulness, {model}", faithful(table[table["model"] == model])
        yield f"Known markers, {model}", literature(labels[labels["model"] == model])
        own = stability["model"] == model
        yield f"Stability, {model}", stable(stability[own | (stability["over"] == "trainings")])


def report() -> str:
    """Return all tables as markdown."""
    return "\n".join(f"### {title}\n\n{markdown(table)}" for title, table in sections())


def draw() -> None:
    """Draw the curves of every model, all sets together; those of the shipped one bear no name."""
    from scbert_tools import pl

    for model, curves in read("_curves").groupby("model"):
        for curve in ("deletion", "insertion"):
            name = curve if model == "pbmc" else f"{curve}_{model}"
            axes = pl.faithfulness(curves, curve=curve)
            axes.figure.savefig(FOLDER / f"faithfulness_{name}.png", dpi=120)
