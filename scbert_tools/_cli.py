"""The command line: ``scbert-tools demo``, ``scbert-tools annotate`` and ``scbert-tools models``."""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ._cli_tables import agreement_table, frame_table, label_table, set_table

if TYPE_CHECKING:
    from anndata import AnnData

app = typer.Typer(
    name="scbert-tools",
    help="Name the cell types of a single-cell data set.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

READ_ERRORS = (KeyError, OSError, TypeError, ValueError)

Model = Annotated[str, typer.Option(help="A shipped model's name, or the folder of a model of your own.")]
KeyAdded = Annotated[str, typer.Option(help="Prefix of every field written.")]

REFINE = 'Let cells listen to their neighbours ("neighbors", if the file has a graph) or to a cluster: a column of obs.'
THRESHOLD = "Probability that a label must reach, 0 to 1; by default the model's own, usually 0.5."
REJECT = "Leave cells unassigned if a smaller share of known cells looks as odd; 0 rejects none."
COVERAGE = "Also write sets of labels that hold the true one in this share of cells, such as 0.9."
CALIBRATE = "Column of obs with labels that you know of some cells, empty elsewhere: they correct confidence and sets."


@app.command()
def demo(
    *,
    output: Annotated[Path, typer.Option(help="Folder for the annotated cells and the figure.")] = Path("scbert_demo"),
) -> None:
    """Annotate 700 real blood cells that scanpy ships, and compare with their authors' labels."""
    from ._demo import ABOUT_CELLS, ABOUT_LABELS, AUTHORS_KEY, compare_labels, load_cells
    from ._keys import AnnotationKeys

    with one_line_errors():
        from . import tl

        output.mkdir(parents=True, exist_ok=True)
        console, adata, keys = Console(), load_cells(), AnnotationKeys()
        console.print(ABOUT_CELLS, style="dim")
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*(genes found|genes were measured)")  # said above: 765
            tl.annotate(adata)
        seconds = time.perf_counter() - start
        console.print(agreement_table(compare_labels(adata.obs[keys.label], adata.obs[AUTHORS_KEY])))
        console.print(ABOUT_LABELS, style="dim")
        titles = {AUTHORS_KEY: "authors", keys.label: "scbert_tools", keys.confidence: "confidence"}
        cells, figure = output / "pbmc68k_annotated.h5ad", output / "pbmc68k_annotated.png"
        write_whole(adata, cells)
        draw_umap(adata, figure, titles=titles)
        console.print(f"{adata.n_obs} cells annotated in {seconds:.1f} s. Written: {cells}, {figure}", soft_wrap=True)


@app.command()
def annotate(  # noqa: PLR0913
    *,
    cells: Annotated[Path, typer.Argument(metavar="IN.h5ad", help="Cells to annotate: .h5ad, .h5seurat or .rds.")],
    output: Annotated[Path, typer.Argument(metavar="OUT.h5ad", help="File to write.")],
    model: Model = "pbmc",
    key_added: KeyAdded = "scbert",
    layer: Annotated[str | None, typer.Option(help="Layer to read; by default the usable one is found.")] = None,
    refine: Annotated[str | None, typer.Option(metavar="COLUMN", help=REFINE)] = None,
    threshold: Annotated[float | None, typer.Option(metavar="SHARE", help=THRESHOLD)] = None,
    reject: Annotated[float, typer.Option(metavar="SHARE", help=REJECT)] = 0.01,
    coverage: Annotated[float | None, typer.Option(metavar="SHARE", help=COVERAGE)] = None,
    calibrate: Annotated[str | None, typer.Option(metavar="COLUMN", help=CALIBRATE)] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the output file if there is one.")] = False,
) -> None:
    """Annotate the cells of one file and write them, with labels and confidence, to another."""
    with one_line_errors():
        check_paths(cells, output, force=force)
        from . import tl
        from ._keys import AnnotationKeys

        adata, keys = read_cells(cells), AnnotationKeys(key_added)
        tl.annotate(
            adata,
            model=model,
            refine=refine,
            coverage=coverage,
            calibrate=calibrate,
            reject=reject or None,
            threshold=threshold,
            key_added=key_added,
            layer=layer,
        )
        write_whole(adata, output)
        console = Console()
        console.print(label_table(adata.obs[keys.label], adata.obs[keys.confidence]))
        if coverage is not None:
            console.print(set_table(adata.obs[keys.label_set], adata.uns[keys.added]["sets"]))
        for line in adata.uns[keys.added].get("report", "").splitlines()[1:]:
            console.print(escape(line), soft_wrap=True)
        console.print(f"{adata.n_obs} cells annotated. Written: {output}", soft_wrap=True)


@app.command()
def models() -> None:
    """List the models that can be named with --model."""
    with one_line_errors():
        import pandas as pd

        from . import models as shipped

        Console().print(frame_table(pd.DataFrame(shipped.available())))


@app.callback(invoke_without_command=True)
def main(
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,
) -> None:
    """Name the cell types of a single-cell data set."""
    if version:
        from . import __version__

        typer.echo(f"scbert-tools {__version__}")
        raise typer.Exit


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn an error that a user can act on into one line and exit code 2, and warnings of ours into one line each."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            yield
    except (ImportError, RuntimeError, *READ_ERRORS) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        typer.echo("error: " + " ".join(str(text).split()), err=True)
        raise typer.Exit(2) from error


def show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Write a warning that is meant for users; those about code are for developers."""
    if category is UserWarning:
        typer.echo("warning: " + " ".join(str(message).split()), err=True)


def check_paths(cells: Path, output: Path, *, force: bool) -> None:
    """Refuse, before any work, files that cannot be read or may not be written."""
    if not cells.exists():
        msg = f"There is no file {cells}."
        raise FileNotFoundError(msg)
    if output.suffix != ".h5ad":
        msg = f"The output must be an .h5ad file, got {output}."
        raise ValueError(msg)
    if not output.parent.is_dir():
        msg = f"There is no folder {output.parent} to write {output.name} into."
        raise FileNotFoundError(msg)
    if output.exists() and not force:
        msg = f"{output} exists already; pass --force to replace it."
        raise FileExistsError(msg)


def read_cells(path: Path) -> "AnnData":
    """Read an .h5ad file as it is, or through the Seurat reader where that is not enough."""
    import anndata

    if path.suffix == ".h5ad":
        try:
            adata = anndata.read_h5ad(path)
        except READ_ERRORS:
            pass  # a converter's file: the reader below repairs what it knows and says what it cannot
        else:
            if not is_damaged(adata):
                return adata
    from . import io

    return io.read_seurat(path)


def is_damaged(adata: "AnnData") -> bool:
    """Return whether a converter lost gene names or the matrix, or left columns that cannot be written again."""
    tables = [adata.var] if adata.raw is None else [adata.var, adata.raw.var]
    no_matrix = adata.n_vars == 0 or (adata.X is None and not any(adata.layers))
    numbered = any(table.index.astype(str).str.fullmatch(r"\d+").all() for table in tables)
    return no_matrix or numbered or any("_index" in table for table in tables)


def write_whole(adata: "AnnData", path: Path) -> None:
    """Write the file under a temporary name and rename it, so that no half file is ever left."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        adata.write_h5ad(partial, compression="gzip", compression_opts=1)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def draw_umap(adata: "AnnData", path: Path, *, titles: dict[str, str]) -> None:
    """Save the cells' UMAP, coloured by each of the columns that have a title."""
    import matplotlib as mpl
    import scanpy as sc

    look = {"ncols": len(titles), "wspace": 0.75, "frameon": False, "size": 40, "legend_fontsize": 9}
    with mpl.rc_context({"backend": "agg", "figure.figsize": (4, 4)}):
        figure = sc.pl.umap(adata, color=list(titles), title=list(titles.values()), return_fig=True, **look)
        figure.savefig(path, bbox_inches="tight", dpi=120)
