"""Names find their model gene, and columns follow."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.genes import GeneMatch, Vocabulary, align_columns, match_genes

# fmt: off
MODEL = Vocabulary((
    "CD3E", "MS4A1", "HLA-DRA", "HLA-A", "MARCHF3", "SEPTIN2", "CIAO2A", "FAM96B", "NKG7", "GZMB", "CD8B", "TCL1A",
    "PDCD1", "NKX2-1", "7SK", "C1orf56", "SELENOF", "MARCHF1",
))
# fmt: on


def found(names: list[str]) -> list[str | None]:
    return [MODEL.genes[place] if place >= 0 else None for place in match_genes(names, MODEL).target]


@pytest.mark.parametrize(
    ("names", "genes"),
    [
        (["CD3E", "XYZ"], ["CD3E", None]),
        (["hg19_CD3E", "GRCh38_HLA-DRA", "mm10_Cd3e"], ["CD3E", "HLA-DRA", None]),
        (["hg19-HLA.A"], ["HLA-A"]),
        (["ENSG00000198851.5", "ENSG00000156738", "ERCC-00002"], ["CD3E", "MS4A1", None]),
        (["ENSG00000198851_CD3E"], ["CD3E"]),
        (["916", "931", "3119"], ["CD3E", "MS4A1", None]),
        (["Cd3e", "Gzmb", "Cd8b1", "H2-Aa"], ["CD3E", "GZMB", "CD8B", None]),
        (["ENSMUSG00000032093", "ENSMUSG00000024673.3"], ["CD3E", "MS4A1"]),
        (["FAM96A", "CIAO2B"], ["CIAO2A", "FAM96B"]),
        (["PD1"], [None]),
        (["TCL1A", "TCL1A.1", "TCL1A-2"], ["TCL1A", "TCL1A", "TCL1A"]),
        (["NKX2-1", "TCL1A.1"], ["NKX2-1", None]),
        (["HLA.DRA", "HLA_A", "NKX2.1", "X7SK"], ["HLA-DRA", "HLA-A", "NKX2-1", "7SK"]),
        ([" CD3E", '"MS4A1"'], ["CD3E", "MS4A1"]),
        (["cd3e", "C1ORF56", "ms4a1"], ["CD3E", "C1orf56", "MS4A1"]),
        (["3-Mar", "Mar-03", "2019-03-03", "2-Sep", "15-Sep"], ["MARCHF3"] * 3 + ["SEPTIN2", "SELENOF"]),
        (["1-Mar"], [None]),
        (["0", "1", "2"], [None, None, None]),
    ],
    ids=[
        "symbols", "prefix", "prefix and dot", "Ensembl", "id and symbol", "Entrez", "mouse symbols", "mouse ids",
        "older and newer names", "unclear alias", "made unique", "no stem no suffix", "separators", "spaces, quotes",
        "capitals", "spreadsheet dates", "unclear date", "row numbers",
    ],
)  # fmt: skip
def test_names_find_their_gene(names, genes):
    assert found(names) == genes


def test_a_gene_under_its_own_name_wins_over_an_alias():
    match = match_genes(["FAM96A", "CIAO2A"], MODEL)
    assert (match.target.tolist(), match.ambiguous) == ([-1, MODEL.index["CIAO2A"]], ("FAM96A",))


def test_the_report_counts_what_was_done():
    match = match_genes(["CD3E", "CD3E.1", "FAM96A", "PD1", "XYZ"], MODEL)
    assert str(match) == "2 of 18 model genes found; 2 renamed; 1 ambiguous; 1 summed"
    assert match.coverage == pytest.approx(2 / 18)
    assert match.renamed == (("CD3E.1", "CD3E"), ("FAM96A", "CIAO2A"))


@pytest.mark.parametrize(
    "kind",
    [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix],
    ids=["dense", "csr", "csc", "coo"],
)
@pytest.mark.parametrize("dtype", [np.int16, np.float64])
def test_columns_are_placed_added_and_filled_with_zeros(kind, dtype):
    match = match_genes(["CD3E", "MS4A1", "XYZ", "CD3E"], Vocabulary(("MS4A1", "NKG7", "CD3E")))
    aligned = align_columns(kind(np.array([[1, 2, 3, 4]], dtype=dtype)), match)
    np.testing.assert_array_equal(aligned.toarray(), [[2, 0, 5]])
    assert (aligned.format, aligned.dtype, aligned.nnz) == ("csr", np.float32, 2)


def test_rows_of_repeated_genes_are_added_apart(rng):
    names, model = ["CD3E", "XYZ", "CD3E", "MS4A1", "CD3E", "MS4A1"], Vocabulary(("MS4A1", "NKG7", "CD3E"))
    dense = rng.poisson(0.5, (50, 6))
    aligned = align_columns(sparse.csr_matrix(dense), match_genes(names, model))
    expected = np.column_stack([dense[:, [3, 5]].sum(axis=1), np.zeros(50), dense[:, [0, 2, 4]].sum(axis=1)])
    np.testing.assert_array_equal(aligned.toarray(), expected)
    assert aligned.nnz == np.count_nonzero(expected)


def test_a_match_for_another_matrix_is_refused():
    match = GeneMatch(target=np.array([0, 1]), n_model_genes=2)
    with pytest.raises(ValueError, match="`x` has 3 columns but `match` was made for 2 names"):
        align_columns(np.ones((1, 3)), match)
