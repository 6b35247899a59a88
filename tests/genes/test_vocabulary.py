"""The gene list: look-up, identity, files."""

import pytest

from scbert_tools.genes import Vocabulary

GENES = ("MS4A1", "NKG7", "CD3E")


def test_genes_keep_their_place():
    vocabulary = Vocabulary(GENES)
    assert vocabulary.index == {"MS4A1": 0, "NKG7": 1, "CD3E": 2}
    assert vocabulary.positions(["CD3E", "XYZ"]).tolist() == [2, -1]
    assert (len(vocabulary), list(vocabulary), "NKG7" in vocabulary) == (3, list(GENES), True)


def test_a_written_list_is_read_back_as_the_same(tmp_path):
    Vocabulary(GENES).write(tmp_path / "genes.txt")
    again = Vocabulary.read(tmp_path / "genes.txt")
    assert again == Vocabulary(GENES)
    assert again.fingerprint == Vocabulary(GENES).fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["genes.txt"]


@pytest.mark.parametrize("other", [GENES[::-1], GENES[:2], ("MS4A1", "NKG7CD3E")], ids=["order", "length", "joined"])
def test_another_list_has_another_fingerprint(other):
    assert Vocabulary(other).fingerprint != Vocabulary(GENES).fingerprint


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        (("CD3E", "CD3E"), r"1 repeated \['CD3E'\]"),
        (("CD3E", ""), "1 odd"),
        (("CD3E\nNKG7",), "1 odd"),
    ],
    ids=["repeated", "empty", "two lines"],
)
def test_a_list_that_cannot_be_written_is_refused(genes, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(genes)
