"""Meet the package as a newcomer does, in an empty folder and an empty environment, and say what it costs.

The README's first command word for word, then `help`, the first tutorial, and the usual mistakes with the message each
gives. `first_contact.py [--write]`; `--write` keeps the figures in README.md.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIGURES = re.compile(r"(<!-- first contact -->\n).*?(<!-- end of first contact -->)", flags=re.DOTALL)
MISTAKES = {  # what is run, and words of the last line that a newcomer is shown
    "a file that is not there": ("sbt.io.read_seurat('no.h5ad')", ["FileNotFoundError", "`path` is 'no.h5ad'"]),
    "a path in place of cells": ("sbt.tl.annotate('blood.h5ad')", ["TypeError", "Read the file first"]),
    "a model that is not there": ("sbt.tl.annotate(adata, model='blood')", ["`model` is 'blood'", "['pbmc']"]),
    "scaled values only": ("adata.raw = None; sbt.tl.annotate(adata)", ["ValueError", "scaled"]),
    "genes by number": (
        "adata = adata.raw.to_adata(); adata.var_names = [str(i) for i in range(adata.n_vars)]; sbt.tl.annotate(adata)",
        ["ValueError", "genes"],
    ),
    "a layer that is not there": ("sbt.tl.annotate(adata, layer='counts')", ["`layer` is 'counts'"]),
}
BEGIN = "import scanpy as sc, scbert_tools as sbt; adata = sc.datasets.pbmc68k_reduced(); "


def say(text: str) -> None:
    """Print a heading."""
    sys.stdout.write(f"\n== {text}\n")
    sys.stdout.flush()


def run(command: list[str] | str, folder: Path, *, fails: bool = False) -> tuple[str, str, float]:
    """Run a command; return what it wrote to either stream and the seconds, or stop if it ended unlike expected."""
    start = time.perf_counter()
    shell = isinstance(command, str)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["MPLBACKEND"] = "agg"
    done = subprocess.run(command, cwd=folder, shell=shell, env=environment, capture_output=True, text=True)
    if (done.returncode != 0) is not fails:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout, done.stderr, time.perf_counter() - start


def copy_checkout(folder: Path) -> Path:
    """Copy what git tracks, as a clone would have it but with changes that are not committed yet."""
    target = folder / "checkout"
    for name in run(["git", "ls-files", "-z"], ROOT)[0].split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
    return target


def elsewhere(checkout: Path) -> Path:
    """Return an empty folder beside the checkout, where Python finds the installed package and not its source."""
    folder = checkout.with_name("elsewhere")
    folder.mkdir(exist_ok=True)
    return folder


def megabytes(folder: Path) -> float:
    """Size of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink()) / 1e6


def code_of(notebook: Path) -> str:
    """Return the code of a notebook as one script."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def meet(checkout: Path) -> dict[str, str]:
    """Do what a newcomer does; return the figures."""
    python = checkout / ".venv" / "bin" / "python"
    command = run([sys.executable, ".ci/readme_command.py", "demo command"], checkout)[0].strip()
    figures = {}
    steps = command.split(" && ")
    say(command)
    seconds = [run(step, checkout)[2] for step in steps[:-1]]
    shown, told, demo_seconds = run(steps[-1], checkout)
    sys.stdout.write(shown)
    if "Warning" in told:
        sys.exit(f"The first command warns:\n{told}")
    say("how long, how large")
    labelling = run(
        [python, "-c", BEGIN + "import warnings; warnings.simplefilter('ignore'); sbt.tl.annotate(adata)"],
        elsewhere(checkout),
    )
    site = next((checkout / ".venv").glob("lib/python*/site-packages"))
    imports = "import time, scanpy; t = time.perf_counter(); import scbert_tools; print(time.perf_counter() - t)"
    figures["install into an empty environment"] = f"{sum(seconds):.0f} s"
    figures["`scbert-tools demo`, from the shell to the figure"] = f"{demo_seconds:.0f} s"
    figures["first label of 700 cells, from starting Python"] = f"{labelling[2]:.0f} s"
    import_seconds = float(run([python, "-c", imports], elsewhere(checkout))[0])
    figures["`import scbert_tools`, beyond scanpy"] = (
        f"{import_seconds:.2f} s" if import_seconds > 0.01 else "under 0.01 s"
    )
    figures["environment on disk, with torch and scanpy"] = f"{megabytes(checkout / '.venv'):,.0f} MB"
    figures["of that scbert_tools with its model"] = f"{megabytes(site / 'scbert_tools'):.1f} MB"
    sys.stdout.writelines(f"{name}: {value}\n" for name, value in figures.items())
    return figures


def ask_for_help(checkout: Path) -> None:
    """Read the help of what the README names first."""
    say("help(sbt.tl.annotate)")
    shown = run(
        [checkout / ".venv/bin/python", "-c", "import scbert_tools as sbt; help(sbt.tl.annotate)"], elsewhere(checkout)
    )[0]
    for word in ("Parameters", "Returns", "Raises", "Examples", 'obs["scbert_label"]'):
        if word not in shown:
            sys.exit(f"help(sbt.tl.annotate) does not say {word!r}.")
    if left := re.findall(r"^ *\{\w+\}$", shown, flags=re.MULTILINE):
        sys.exit(f"help(sbt.tl.annotate) shows markers that should be texts: {left}")
    sys.stdout.write("\n".join(shown.splitlines()[:12]) + "\n")


def follow_tutorial(checkout: Path) -> None:
    """Run the code of the first tutorial, without Jupyter."""
    path = sorted((checkout / "tutorials").glob("01_*.ipynb"))[0]
    say(path.name)
    seconds = run(
        [checkout / ".venv/bin/python", "-c", "from pathlib import Path\n" + code_of(path)], elsewhere(checkout)
    )[2]
    sys.stdout.write(f"ran in {seconds:.0f} s\n")


def make_mistakes(checkout: Path) -> None:
    """Call functions wrongly; the last line shown must say what is wrong and with what."""
    for name, (code, words) in MISTAKES.items():
        told = run([checkout / ".venv/bin/python", "-c", BEGIN + code], elsewhere(checkout), fails=True)[1]
        last = told.strip().splitlines()[-1]
        say(name)
        sys.stdout.write(f">>> {code}\n{last}\n")
        if missing := [word for word in words if word not in last]:
            sys.exit(f"The last line does not say {missing}:\n{told}")


def keep(figures: dict[str, str]) -> None:
    """Put the figures into the README."""
    rows = "".join(f"| {name} | {value} |\n" for name, value in figures.items())
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    fresh, n_places = FIGURES.subn(rf"\g<1>| first contact | |\n|---|--:|\n{rows}\g<2>", text)
    if n_places != 1:
        sys.exit("README.md must hold `<!-- first contact -->` and its end once.")
    (ROOT / "README.md").write_text(fresh, encoding="utf-8")


def main() -> None:
    """Meet the package in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep the figures in README.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkout = copy_checkout(Path(folder))
        figures = meet(checkout)
        ask_for_help(checkout)
        make_mistakes(checkout)
        follow_tutorial(checkout)
    if arguments.write:
        keep(figures)


if __name__ == "__main__":
    main()
