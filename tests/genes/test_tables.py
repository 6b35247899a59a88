"""The offline tables are whole, small and right about well-known genes."""

from importlib.resources import files

import pytest

from scbert_tools.genes.tables import approved_symbols, current_symbol, ensembl_symbols, entrez_symbols, mouse_genes


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("FAM96A", "CIAO2A"),
        ("SEPT2", "SEPTIN2"),
        ("MARCH1", "MARCHF1"),
        ("HIST1H4C", "H4C3"),
        ("CD3E", "CD3E"),
        ("c1orf56", "C1orf56"),
        ("PD1", "PD1"),
        ("no such gene", "no such gene"),
    ],
)
def test_names_become_current(name, symbol):
    assert current_symbol(name) == symbol


def test_ids_lead_to_symbols():
    assert (ensembl_symbols()["198851"], entrez_symbols()["916"], mouse_genes().ensembl["32093"]) == ("CD3E",) * 3
    assert len(approved_symbols()) > 60_000


def test_mouse_genes_without_one_human_relative_stay_empty():
    assert mouse_genes().symbols["Ly6c2"] == ""


def test_tables_stay_below_three_megabytes_and_state_their_licence():
    folder = files("scbert_tools.genes") / "tables"
    assert sum(len(path.read_bytes()) for path in folder.iterdir()) < 3_000_000
    assert "HGNC" in (folder / "LICENSE.md").read_text()
