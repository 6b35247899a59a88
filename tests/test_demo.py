"""What the demonstration says of its cells is so, and names are compared by lineage and by subtype."""

import anndata as ad
import pandas as pd
import pytest

import scbert_tools as sbt
from scbert_tools._demo import AUTHORS, AUTHORS_KEY, LINEAGES, compare_labels


def test_authors_table_names_every_label_of_the_cells(pbmc68k: ad.AnnData) -> None:
    assert set(AUTHORS) == set(pbmc68k.obs[AUTHORS_KEY].cat.categories)


def test_what_is_said_about_the_labels_is_so(pbmc68k: ad.AnnData) -> None:
    genes = ("FCGR3A", "FCER1A", "MZB1", "IGJ", "MS4A1")
    expressed = pd.DataFrame({gene: pbmc68k.raw[:, gene].X.toarray().ravel() > 0 for gene in genes})
    called = pbmc68k.obs[AUTHORS_KEY].to_numpy()
    assert round(expressed[called == "CD14+ Monocyte"]["FCGR3A"].mean(), 2) == 0.96
    dendritic = expressed[called == "Dendritic"]
    assert round((dendritic["FCGR3A"] & ~dendritic["FCER1A"]).mean(), 2) == 0.20
    b = expressed[called == "CD19+ B"]
    assert round((b["MZB1"] & b["IGJ"] & ~b["MS4A1"]).mean(), 2) == 0.32


def test_plasma_cells_and_b_cells_with_genes_of_t_cells_are_noticed(pbmc68k: ad.AnnData) -> None:
    sbt.tl.annotate(pbmc68k)
    odd = (pbmc68k.obs["scbert_reason"] == "unlike known types").to_numpy()
    called_b = (pbmc68k.obs[AUTHORS_KEY] == "CD19+ B").to_numpy()
    genes = ("MZB1", "IGJ", "MS4A1", "CD79A", "CD3D", "CD3E")
    held = {gene: pbmc68k.raw[:, gene].X.toarray().ravel() > 0 for gene in genes}
    plasma = called_b & held["MZB1"] & held["IGJ"] & ~held["MS4A1"]
    both = held["MS4A1"] & held["CD79A"] & held["CD3D"] & held["CD3E"]
    assert odd[plasma].mean() > 0.5
    assert odd[both].mean() > 0.5
    assert odd[called_b & ~plasma & ~both].mean() < 0.05
    assert odd[~called_b & ~both].mean() < 0.02


def test_what_is_said_about_the_size_is_so(pbmc68k: ad.AnnData) -> None:
    assert (pbmc68k.n_obs, pbmc68k.raw.n_vars) == (700, 765)


@pytest.mark.parametrize(
    ("ours", "authors", "lineage", "subtype"),
    [
        ("naive CD4 T", "CD4+/CD45RA+/CD25- Naive T", 1, 1),
        ("CD8 T", "CD8+ Cytotoxic T", 1, 0),
        ("T cell", "CD4+/CD25 T Reg", 1, 0),
        ("pDC", "Dendritic", 1, 1),
        ("plasma cell", "CD19+ B", 1, 1),
        ("CD16 monocyte", "CD14+ Monocyte", 1, 0),
        ("CD16 monocyte", "Dendritic", 0, 0),
        ("erythroid", "CD34+", 0, 0),
        ("unassigned", "CD19+ B", 0, 0),
    ],
)
def test_agreement_is_counted_by_lineage_and_by_subtype(ours: str, authors: str, lineage: int, subtype: int) -> None:
    row = compare_labels(pd.Series([ours]), pd.Series([authors])).loc["all cells"]
    assert (row["lineage"], row["subtype"], row["mostly"]) == (lineage, subtype, ours)
    assert row["unassigned"] == (ours == "unassigned")


def test_every_label_has_its_row_and_all_cells_the_last() -> None:
    ours = pd.Series(pd.Categorical(["B cell", "B cell", "unassigned", "HSPC"]))
    table = compare_labels(ours, pd.Series(pd.Categorical(["CD19+ B", "CD19+ B", "CD19+ B", "CD34+"])))
    assert table.index.tolist() == ["CD19+ B", "CD34+", "all cells"]
    assert table["cells"].tolist() == [3, 1, 4]
    assert table["subtype"].tolist() == pytest.approx([2 / 3, 1, 3 / 4])
    assert table["unassigned"].tolist() == pytest.approx([1 / 3, 0, 1 / 4])


@pytest.mark.parametrize("name", AUTHORS.values())
def test_class_that_stands_for_a_label_agrees_with_it_only(name: str) -> None:
    alike = [authors for authors in AUTHORS if compare_labels(pd.Series([name]), pd.Series([authors])).subtype.all()]
    assert [AUTHORS[authors] for authors in alike] == [name]


@pytest.mark.parametrize("lineage", LINEAGES)
def test_names_belong_to_one_lineage(lineage: str) -> None:
    others = {name for other, names in LINEAGES.items() if other != lineage for name in names}
    assert not others & set(LINEAGES[lineage])
    assert lineage not in LINEAGES[lineage]
