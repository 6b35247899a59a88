"""What most names of a file are."""

import pytest

from scbert_tools.genes.names import kind_of_names


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["CD3E", "MS4A1", "ENSG00000237491"], "symbol"),
        (["ENSG00000198851.5", "ENSG00000156738"], "ensembl"),
        (["ENSMUSG00000032093", "ENSMUSG00000024673"], "mouse ensembl"),
        (["Cd3e", "Ms4a1", "mt-Nd1", "0610007P14Rik"], "mouse symbol"),
        (["mm10___Cd3e", "mm10___Ms4a1"], "mouse symbol"),
        (["916", "931"], "entrez"),
        (["0", "1", "2"], "row number"),
        (["1", "2", "3"], "row number"),
        ([], "symbol"),
    ],
)
def test_the_kind_of_names_is_told(names, kind):
    assert kind_of_names(names) == kind
