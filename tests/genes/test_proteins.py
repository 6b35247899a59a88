"""Antibody panels are told from gene panels."""

import pytest

from scbert_tools.genes import look_like_proteins


@pytest.mark.parametrize(
    ("names", "proteins"),
    [
        (["B220 (CD45R)", "B7-H1 (PD-L1)", "C-kit (CD117)", "CCR7", "CD11b"], True),
        (["CD4_TotalSeqB", "CD8a_TotalSeqB"], True),
        (["adt_CD3", "adt_CD19", "adt_CD56"], True),
        (["CD3D", "MS4A1", "LYZ", "NKG7", "GNLY", "PPBP"], False),
        (["CD3D", "CD3E", "CD19", "CD79A"], False),
        (["AATK", "ABL1", "ABL2", "ACE", "ACE2"], False),
        ([f"CD{number}" for number in range(2000)], False),
        ([], False),
    ],
    ids=["in brackets", "TotalSeq", "prefix", "genes", "genes called CD", "gene panel", "too many", "none"],
)
def test_antibodies_are_recognised(names, proteins):
    assert look_like_proteins(names) is proteins
