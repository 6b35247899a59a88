"""Seurat objects of R, from the nested dictionaries of the parser."""

import numpy as np
import pytest
from scipy import sparse

from scbert_tools.io._rds import read_seurat_object, vector

GENES, CELLS = ["CD3E", "MS4A1", "NKG7"], ["a", "b", "c", "d"]


def named(items):
    return {"type": "vector", "data": list(items.values()), "attributes": {"names": {"data": list(items)}}}


def strings(*words):
    return {"type": "string", "data": list(words)}


def dgc(values):
    """Cells × genes as a dgCMatrix of genes × cells."""
    stored = sparse.csc_matrix(np.asarray(values, float).T)
    slots = {"x": stored.data, "i": stored.indices, "p": stored.indptr, "Dim": stored.shape}
    attributes = {name: {"data": value} for name, value in slots.items()}
    return {"class_name": "dgCMatrix", "attributes": attributes | {"Dimnames": {"data": [strings(*GENES), strings()]}}}


def members(rows, columns, table):
    attributes = {"dim": {"data": [len(rows), len(columns)]}, "dimnames": {"data": [strings(*rows), strings(*columns)]}}
    return {"type": "boolean", "data": np.asarray(table).ravel(order="F"), "attributes": attributes}


def seurat(assay):
    meta = named({"label": {"type": "integer", "data": [1, 2, np.nan, 1], "attributes": {"levels": strings("T", "B")}}})
    meta["attributes"]["row.names"] = strings(*CELLS)
    slots = {
        "meta.data": meta,
        "active.assay": strings("RNA"),
        "assays": named({"RNA": {"attributes": assay}}),
        "reductions": named({}),
    }
    return {"class_name": "Seurat", "attributes": slots}


def test_an_assay_of_seurat_4_is_read():
    values = np.arange(12).reshape(4, 3)
    contents = read_seurat_object(seurat({"counts": dgc(values)}))
    np.testing.assert_array_equal(contents.matrices[0].values.toarray(), values)
    assert contents.matrices[0].genes.index.tolist() == GENES
    assert contents.obs["label"].astype(object).tolist()[:2] == ["T", "B"]
    assert contents.obs["label"].isna().tolist() == [False, False, True, False]


def test_split_layers_of_seurat_5_are_put_at_their_cells_and_genes():
    layers = named({"counts.1": dgc([[1, 2], [3, 4]]), "counts.2": dgc([[5, 6, 7], [8, 9, 10]])})
    cells = members(CELLS, ["counts.1", "counts.2"], [[1, 0], [0, 1], [1, 0], [0, 1]])
    genes = members(GENES, ["counts.1", "counts.2"], [[1, 1], [0, 1], [1, 1]])
    contents = read_seurat_object(seurat({"layers": layers, "cells": cells, "features": genes}))
    expected = [[1, 0, 2], [5, 6, 7], [3, 0, 4], [8, 9, 10]]
    np.testing.assert_array_equal(contents.matrices[0].values.toarray(), expected)
    assert contents.repairs == ["counts.1, counts.2 were joined to counts"]


@pytest.mark.parametrize(
    ("node", "values"),
    [
        ({"type": "double", "data": [19782.0], "attributes": {"class": strings("Date")}}, ["2024-02-29"]),
        ({"type": "boolean", "data": [True, None]}, [True, None]),
        ({"type": "integer", "data": [1.0, np.nan]}, [1, None]),
        ({"type": "string", "data": ["a", None]}, ["a", None]),
    ],
    ids=["date", "logical", "integer", "text"],
)
def test_vectors_keep_their_missing_values(node, values):
    found = vector(node)
    assert [None if missing else value for value, missing in zip(found, found.isna(), strict=True)] == values


def test_other_objects_are_refused():
    with pytest.raises(ValueError, match="class 'lm', not Seurat"):
        read_seurat_object({"class_name": "lm"})
