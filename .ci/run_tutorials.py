"""Run every tutorial from a clean kernel, without network, and compare what comes out with what is stored.

`run_tutorials.py [--write] [--seconds N] [NOTEBOOK ...]`; `--write` stores the fresh outputs. Figures and numbers may
differ a little between machines and are not compared; what each cell shows (text, table, figure, a warning) must be the
same.
"""

import argparse
import base64
import io
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

TUTORIALS = Path(__file__).parents[1] / "tutorials"
MAX_SECONDS = 180
MAX_BYTES = 300_000
PROGRESS_BAR = re.compile(r"[^\n\r]*\d+%\|[^\n\r]*\][ ]*[\n\r]*")
CLEAN_KERNEL = """
import socket, warnings

def _refuse(*address, **_):
    raise OSError(f"A tutorial must not use the network: {address[0]}")

socket.getaddrinfo = socket.create_connection = _refuse
warnings.filterwarnings("ignore", message="IProgress not found")  # of umap: says that ipywidgets is missing
warnings.formatwarning = lambda message, category, *_, **__: f"{category.__name__}: {message}\\n"
"""


def kinds(cell: nbformat.NotebookNode) -> list[str]:
    """Name what a cell shows: `stream stdout`, `image/png`, `text/html`, in order, repetitions once."""
    found: list[str] = []
    for output in cell.get("outputs", []):
        shown = sorted(set(output.get("data", {})) - {"text/plain"}) or ["text/plain"]
        kind = f"stream {output['name']}" if output.output_type == "stream" else shown[0]
        found += [kind] if not found or kind != found[-1] else []
    return found


def shrink_figures(notebook: nbformat.NotebookNode) -> None:
    """Store figures with 256 colours, at half the size; chosen by coverage, so that rare colours stay what they are."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                figure, small = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))), io.BytesIO()
                few = figure.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE)
                few.save(small, "png", optimize=True)
                output.data["image/png"] = base64.b64encode(small.getvalue()).decode()


def drop_progress_bars(notebook: nbformat.NotebookNode) -> None:
    """Leave out bars, which are as long as a machine is slow."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                output.text = PROGRESS_BAR.sub("", output.text)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("text", "shown").strip()]


def run(notebook: nbformat.NotebookNode, *, seconds: int) -> float:
    """Fill in fresh outputs and return the seconds taken."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=seconds,
            kernel_name="python3",
            startup_timeout=seconds,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
            extra_arguments=[f"--IPKernelApp.exec_lines={CLEAN_KERNEL}", f"--InteractiveShell.ipython_dir={folder}"],
        )
        client.execute()
    drop_progress_bars(notebook)
    shrink_figures(notebook)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return time.perf_counter() - start


def complaints(stored: nbformat.NotebookNode, fresh: nbformat.NotebookNode) -> list[str]:
    """Say in which cells the fresh run shows something else than what is stored, or an unannounced warning."""
    found = []
    for number, (before, after) in enumerate(zip(stored.cells, fresh.cells, strict=True), 1):
        if after.cell_type != "code":
            continue
        if kinds(before) != kinds(after):
            found.append(f"cell {number} shows {kinds(after)}, stored is {kinds(before)}")
        if "stream stderr" in kinds(after) and "warns" not in after.metadata.get("tags", []):
            text = next(o.text for o in after.outputs if o.get("name") == "stderr")
            found.append(f"cell {number} warns, and is not tagged `warns`: {text[:300]}")
    return found


def check(path: Path, *, write: bool, limit: int) -> list[str]:
    """Run one notebook; return what is wrong with it."""
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.reads(nbformat.writes(stored), as_version=4)
    try:
        seconds = run(fresh, seconds=limit)
    except CellExecutionError as error:
        return [str(error)[-1500:]]
    found = complaints(fresh if write else stored, fresh)
    text = nbformat.writes(fresh)
    sys.stdout.write(f"{path.name}: {seconds:.0f} s, {len(text.encode()) / 1000:.0f} kB\n")
    sys.stdout.flush()
    if seconds > limit:
        found.append(f"took {seconds:.0f} s, at most {limit} s are allowed")
    if len(text.encode()) > MAX_BYTES:
        found.append(f"has {len(text.encode()):,} bytes, at most {MAX_BYTES:,} are allowed")
    if write:
        path.write_text(text, encoding="utf-8")
    return found


def main() -> None:
    """Run the notebooks asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="store the fresh outputs")
    parser.add_argument("--seconds", type=int, default=MAX_SECONDS, help="allowed for each; more on a busy machine")
    parser.add_argument("notebooks", nargs="*", type=Path, help="all of tutorials/ by default")
    arguments = parser.parse_args()
    os.environ.pop("MPLBACKEND", None)  # figures belong into the notebooks
    paths = arguments.notebooks or sorted(TUTORIALS.glob("*.ipynb"))
    found = [
        f"{path.name}: {each}" for path in paths for each in check(path, write=arguments.write, limit=arguments.seconds)
    ]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
