"""The commands, with a stand-in for the model: what they read, write, print and refuse."""

import re
import subprocess
import sys
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from typer.testing import CliRunner, Result

import scbert_tools as sbt
from scbert_tools import tl
from scbert_tools._cli import app, is_damaged, read_cells
from scbert_tools._demo import AUTHORS


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Replace the model by one that finds monocytes only, and record how it was called."""
    recorded: list[dict[str, object]] = []

    def annotate(adata: ad.AnnData, *, key_added: str = "scbert", **options: object) -> None:
        recorded.append(options)
        adata.obs[f"{key_added}_label"] = pd.Categorical(["CD14 monocyte"] * adata.n_obs)
        adata.obs[f"{key_added}_confidence"] = 0.75
        adata.uns[key_added] = {"report": "30 cells\nunassigned: none"}

    monkeypatch.setattr(tl, "annotate", annotate, raising=False)
    return recorded


@pytest.fixture
def cells(adata: ad.AnnData, tmp_path: Path) -> Path:
    adata.write_h5ad(tmp_path / "in.h5ad")
    return tmp_path / "in.h5ad"


def test_annotate_writes_labels_and_shows_their_counts(calls: list[dict[str, object]], cells: Path) -> None:
    output = cells.with_name("out.h5ad")
    result = run("annotate", cells, output, "--key-added", "mine", "--refine", "neighbors")
    assert result.exit_code == 0, result.output
    usual = {"layer": None, "threshold": None, "reject": 0.01, "coverage": None, "calibrate": None}
    assert calls == [{"model": "pbmc", "refine": "neighbors"} | usual]
    assert "unassigned: none" in result.output
    assert set(ad.read_h5ad(output).obs["mine_label"]) == {"CD14 monocyte"}
    assert all(text in result.output for text in ("CD14 monocyte", "30", "100.0%", "0.75"))
    assert sorted(path.name for path in cells.parent.iterdir()) == ["in.h5ad", "out.h5ad"]


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--reject", "0"], {"reject": None}),
        (["--reject", "0.05", "--threshold", "0.8"], {"reject": 0.05, "threshold": 0.8}),
        (["--calibrate", "known"], {"calibrate": "known"}),
    ],
    ids=["reject none", "levels", "labels"],
)
def test_options_reach_the_function(
    arguments: list[str], options: dict[str, object], calls: list[dict[str, object]], cells: Path
) -> None:
    result = run("annotate", cells, cells.with_name("out.h5ad"), *arguments)
    assert result.exit_code == 0, result.output
    assert calls[0].items() >= options.items()


@pytest.fixture
def blood(tmp_path: Path) -> Path:
    """Ninety real cells, of which a column names some."""
    adata = sc.datasets.pbmc68k_reduced()[:90].raw.to_adata()
    b_cells = adata.obs["bulk_labels"] == "CD19+ B"
    adata.obs["known"] = np.where(b_cells, "B cell", None)
    adata.write_h5ad(tmp_path / "blood.h5ad")
    return tmp_path / "blood.h5ad"


def test_sets_and_warnings_are_shown_as_lines_of_their_own(blood: Path) -> None:
    output = blood.with_name("out.h5ad")
    result = run("annotate", blood, output, "--coverage", "0.8", "--calibrate", "known", "--refine", "louvain")
    assert result.exit_code == 0, result.output
    sets = ad.read_h5ad(output).obs["scbert_set"].value_counts()
    assert "may be (80% sets)" in result.stdout
    assert str(sets.index[0]) in result.stdout
    assert "of your own for B cell" in " ".join(result.stdout.split())
    assert re.search(r"^warning: Only \d% of the model's genes were measured", result.stderr, re.MULTILINE)
    assert "UserWarning" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--coverage", "90"], "`coverage` must be above 0 and below 1, .* got 90"),
        (["--threshold", "2"], "`threshold` must be above 0 and at most 1, got 2.*; leave it out for the model's own"),
        (
            ["--reject", "2"],
            "`reject` must be above 0 and below 1, got 2.*; to reject no cell .* command line 0",
        ),
        (["--calibrate", "bulk_labels"], "`calibrate` holds .*'CD19\\+ B'.* which the model does not know; it may use"),
        (["--calibrate", "nowhere"], "`calibrate` is 'nowhere', but adata.obs has only the columns .*bulk_labels"),
        (["--coverage", "0.999", "--calibrate", "known"], r"names \d+ cells; a coverage of 0.999 needs at least 999"),
        (["--refine", "leiden"], "`refine` is 'leiden' but .* name a column of clusters among .*louvain"),
    ],
    ids=["coverage", "threshold", "reject", "labels", "column", "few cells", "clusters"],
)
def test_options_that_mean_nothing_are_refused(arguments: list[str], message: str, blood: Path) -> None:
    result = run("annotate", blood, blood.with_name("out.h5ad"), *arguments)
    assert (result.exit_code, blood.with_name("out.h5ad").exists()) == (2, False)
    assert re.match(f"error: .*{message}", result.stderr)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("absent.h5ad", "out.h5ad", r"There is no file .*absent\.h5ad"),
        ("in.h5ad", "out.csv", r"must be an \.h5ad file, got .*out\.csv"),
        ("in.h5ad", "nowhere/out.h5ad", "There is no folder .*nowhere"),
        ("in.h5ad", "in.h5ad", "exists already; pass --force"),
    ],
)
def test_impossible_paths_are_refused_before_any_work(
    source: str, target: str, message: str, calls: list[dict[str, object]], cells: Path
) -> None:
    result = run("annotate", cells.parent / source, cells.parent / target)
    assert result.exit_code == 2
    assert re.match(f"error: .*{message}", result.stderr)
    assert not calls


def test_force_replaces_the_file(calls: list[dict[str, object]], cells: Path) -> None:
    result = run("annotate", cells, cells, "--force")
    assert result.exit_code == 0, result.output
    assert "scbert_label" in ad.read_h5ad(cells).obs


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("X holds\n  negative values."), "error: X holds negative values.\n"),
        (KeyError("No layer 'x'."), "error: No layer 'x'.\n"),
        (ImportError("This needs `rds2py`."), "error: This needs `rds2py`.\n"),
    ],
    ids=["ValueError", "KeyError", "ImportError"],
)
def test_error_is_one_line_and_leaves_no_file(
    error: Exception, line: str, cells: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def annotate(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(tl, "annotate", annotate, raising=False)
    result = run("annotate", cells, cells.with_name("out.h5ad"))
    assert (result.exit_code, result.stderr) == (2, line)
    assert [path.name for path in cells.parent.iterdir()] == ["in.h5ad"]


@pytest.mark.parametrize("name", ["broken.h5ad", "cells.rds", "cells.h5seurat"])
def test_other_files_go_through_the_seurat_reader(
    name: str, adata: ad.AnnData, calls: list[dict[str, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(b"no AnnData")
    monkeypatch.setattr("scbert_tools.io.read_seurat", lambda path: adata, raising=False)
    result = run("annotate", tmp_path / name, tmp_path / "out.h5ad")
    assert result.exit_code == 0, result.output
    assert len(calls) == 1


def test_failed_writing_leaves_the_old_file(
    calls: list[dict[str, object]], cells: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_h5ad(self: ad.AnnData, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"half")
        msg = "disk full"
        raise OSError(msg)

    before = cells.read_bytes()
    monkeypatch.setattr(ad.AnnData, "write_h5ad", write_h5ad)
    assert run("annotate", cells, cells, "--force").exit_code == 2
    assert cells.read_bytes() == before
    assert [path.name for path in cells.parent.iterdir()] == ["in.h5ad"]


def test_demo_compares_with_the_authors_and_writes_cells_and_figure(
    calls: list[dict[str, object]], tmp_path: Path
) -> None:
    result = run("demo", "--output", tmp_path / "new" / "folder")
    assert result.exit_code == 0, result.output
    assert all(label in result.output for label in [*AUTHORS, "all cells", "correlates"])
    written = {path.name: path.stat().st_size for path in (tmp_path / "new" / "folder").iterdir()}
    assert set(written) == {"pbmc68k_annotated.h5ad", "pbmc68k_annotated.png"}
    assert written["pbmc68k_annotated.png"] > 20_000


def test_models_are_listed() -> None:
    result = run("models")
    assert result.exit_code == 0, result.output
    assert "pbmc" in result.output


def test_version_is_shown() -> None:
    assert run("--version").output == f"scbert-tools {sbt.__version__}\n"


@pytest.mark.parametrize("command", [[], ["demo"], ["annotate"], ["models"]], ids=["all", "demo", "annotate", "models"])
def test_help_comes_without_heavy_imports(command: list[str]) -> None:
    code = (
        "import sys; from scbert_tools._cli import app; app(sys.argv[1:], standalone_mode=False);"
        "sys.exit(bool({'torch', 'scanpy', 'anndata', 'pandas'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code, *command, "--help"], check=True, capture_output=True)


@pytest.fixture
def lost_names(adata: ad.AnnData, tmp_path: Path) -> Path:
    """A file as SeuratDisk leaves it: the names of raw's genes only in a column `_index`."""
    adata.raw = adata.copy()
    adata.write_h5ad(tmp_path / "lost.h5ad")
    with h5py.File(tmp_path / "lost.h5ad", "r+") as file:
        del file["raw/var/_index"]
        file["raw/var/_index"] = [str(place) for place in range(adata.n_vars)]
        file["raw/var/features"] = list(adata.var_names)
    return tmp_path / "lost.h5ad"


def test_annotate_reads_a_file_with_lost_gene_names_through_the_seurat_reader(lost_names: Path) -> None:
    names = read_cells(lost_names).var_names
    assert {"CD3D", "LYZ"} <= set(names)


def test_whole_file_is_read_as_it_is(cells: Path) -> None:
    assert not is_damaged(ad.read_h5ad(cells))
    assert "seurat_import" not in read_cells(cells).uns


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("sd_dups.h5ad", 0),
        ("sd_pbmc3k_countsonly.h5ad", 0),
        ("sd_kang_integrated_assayRNA_rewritten.h5ad", 0),
        ("mds_pbmc_small.h5ad", 0),
        ("manual_mtx_pbmc_small", 0),
        ("tenx_dups_mtx", 0),
        ("sd_scaled_as_counts.h5ad", 2),
        ("sd_cite_assayADT.h5ad", 2),
        ("mds5_pbmc3k.h5ad", 2),
    ],
)
def test_converters_files_are_annotated_or_refused(shared_data: Path, tmp_path: Path, name: str, code: int) -> None:
    result = run("annotate", shared_data.parent / "seurat" / name, tmp_path / "out.h5ad")
    assert result.exit_code == code, result.output
    assert ("error: " in result.output) == (code == 2)
