"""What was read of a file starts empty and is never shared between two files."""

from dataclasses import FrozenInstanceError, fields

import pandas as pd
import pytest
from scipy import sparse

from scbert_tools.io._contents import Contents, Matrix

GATHERED = [each.name for each in fields(Contents) if each.name != "format"]


@pytest.mark.parametrize("name", GATHERED)
def test_everything_starts_empty(name):
    assert len(getattr(Contents(format="h5ad"), name)) == 0


@pytest.mark.parametrize("name", GATHERED)
def test_two_files_share_nothing(name):
    assert getattr(Contents(format="h5ad"), name) is not getattr(Contents(format="h5ad"), name)


def test_format_has_to_be_named():
    with pytest.raises(TypeError, match="format"):
        Contents()


@pytest.mark.parametrize("name", ["name", "values", "genes"])
def test_matrix_cannot_be_changed_afterwards(name):
    matrix = Matrix("X", sparse.csr_matrix((1, 2)), pd.DataFrame(index=["CD3E", "NKG7"]))
    with pytest.raises(FrozenInstanceError, match=name):
        setattr(matrix, name, None)
