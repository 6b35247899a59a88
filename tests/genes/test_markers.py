"""The table of known markers is small and right about well-known genes."""

from importlib.resources import files

import pytest

from scbert_tools.genes.markers import are_markers, known_markers


@pytest.mark.parametrize(
    ("term", "genes"),
    [
        ("CL:0000236", {"MS4A1", "CD79A", "CD19"}),
        ("CL:0000623", {"NKG7", "GNLY", "KLRD1"}),
        ("CL:0002057", {"CD14", "S100A8", "VCAN"}),
        ("CL:0000792", {"FOXP3", "IL2RA"}),
    ],
    ids=["B", "NK", "CD14 monocyte", "Treg"],
)
def test_textbook_markers_are_known(term, genes):
    assert genes <= known_markers(term)


def test_more_databases_leave_fewer_genes():
    sizes = [len(known_markers("CL:0000236", min_sources=n)) for n in (2, 3, 5)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 10


def test_older_names_and_ids_are_understood():
    names = ["MS4A1", "ENSG00000156738", "IGJ", "CD3E", "no such gene"]
    assert are_markers(names, "CL:0000236").tolist()[:2] == [True, True]
    assert are_markers(["IGJ"], "CL:0000786").tolist() == [True]  # JCHAIN by now
    assert are_markers(names, "CL:0000236").tolist()[3:] == [False, False]


def test_unknown_type_has_no_markers():
    assert known_markers("CL:9999999") == frozenset()
    assert not are_markers(["CD3E"], "").any()


def test_table_is_below_one_megabyte():
    assert len((files("scbert_tools.genes") / "tables" / "markers.tsv.gz").read_bytes()) < 1_000_000
