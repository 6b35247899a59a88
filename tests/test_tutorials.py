"""The notebooks are stored as they run: whole, small, without errors, and honest about their results.

They are executed and compared by `.ci/run_tutorials.py`; here only what is stored is looked at.
"""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import scbert_tools as sbt

TUTORIALS = sorted(Path(__file__).parents[1].joinpath("tutorials").glob("*.ipynb"))
MAX_BYTES = 300_000
MACHINE_PATH = re.compile(r"/(home|opt|root|tmp|Users|work)/\w")
EACH = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind and "".join(cell["source"]).strip()]


def code(path: Path) -> ast.Module:
    return ast.parse("\n".join("".join(cell["source"]) for cell in cells(path, "code")))


def test_tutorials_are_there_in_order() -> None:
    assert [path.name[:2] for path in TUTORIALS] == [f"{i:02}" for i in range(1, len(TUTORIALS) + 1)]
    assert len(TUTORIALS) >= 6


@EACH
def test_outputs_are_stored_from_one_clean_run(path: Path) -> None:
    counts = [cell["execution_count"] for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1))
    assert path.stat().st_size <= MAX_BYTES


@EACH
def test_no_cell_fails_or_warns_unannounced(path: Path) -> None:
    for cell in cells(path, "code"):
        kinds = {output.get("name", output["output_type"]) for output in cell["outputs"]}
        assert "error" not in kinds
        assert "stderr" not in kinds or "warns" in cell["metadata"].get("tags", [])


@EACH
def test_there_is_a_figure_to_look_at(path: Path) -> None:
    shown = [output.get("data", {}) for cell in cells(path, "code") for output in cell["outputs"]]
    assert any("image/png" in data for data in shown)


@EACH
def test_it_ends_with_what_could_be_wrong(path: Path) -> None:
    last = "".join(cells(path, "markdown")[-1]["source"])
    doubts = last.split("## What could be wrong with this result\n")[1]
    assert len(re.findall(r"^\* ", doubts, flags=re.MULTILINE)) >= 3


@EACH
def test_no_path_of_a_machine_is_stored(path: Path) -> None:
    assert not MACHINE_PATH.search(path.read_text(encoding="utf-8"))


@EACH
def test_only_public_names_are_used(path: Path) -> None:
    used = {ast.unparse(node) for node in ast.walk(code(path)) if isinstance(node, ast.Attribute)}
    for name in sorted(name for name in used if re.fullmatch(r"sbt\.\w+(\.\w+)?", name)):
        _, first, *second = name.split(".")
        assert first in sbt.__all__, name
        assert all(hasattr(getattr(sbt, first), each) and not each.startswith("_") for each in second), name
