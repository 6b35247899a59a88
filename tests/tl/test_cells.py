"""Where cells are read from: which matrix, on which scale, with which genes."""

import warnings

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import scbert_tools as sbt
from scbert_tools.genes import Vocabulary
from scbert_tools.tl._cells import find_cells


@pytest.fixture
def vocabulary(annotator):
    return annotator.vocabulary


@pytest.fixture
def several(adata):
    """Scaled X, counts in a layer, logarithms in raw."""
    counts = adata.X.toarray()
    logged = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    adata.raw = ad.AnnData(sparse.csr_matrix(logged), obs=adata.obs, var=adata.var)
    adata.layers["counts"] = adata.X.copy()
    adata.X = logged - logged.mean(axis=0)
    return adata


@pytest.mark.parametrize(
    ("layer", "read_from", "scale"),
    [(None, "counts", "counts"), ("raw", "raw", "natural log of 1 + CP10k"), ("counts", "counts", "counts")],
    ids=["best", "raw by name", "layer by name"],
)
def test_best_or_named_matrix_is_read(several, vocabulary, layer, read_from, scale):
    report = find_cells(several, vocabulary, layer=layer).report()
    assert (report["read_from"], report["scale"]) == (read_from, scale)
    assert all(isinstance(value, (str, int, float)) for value in report.values())


@pytest.mark.parametrize("layer", ["counts", "raw"])
def test_rows_are_proportional_to_counts_in_the_order_of_the_model(several, vocabulary, layer):
    reverse = Vocabulary(vocabulary.genes[::-1])
    rows = find_cells(several, reverse, layer=layer).rows(slice(4, 9)).toarray()
    counts = several.layers["counts"].toarray()[4:9, ::-1]
    shares = [x / x.sum(axis=1, keepdims=True) for x in (rows, counts)]
    np.testing.assert_allclose(*shares, rtol=1e-4)


def test_raw_with_more_genes_is_preferred(adata, vocabulary):
    adata.raw = adata.copy()
    few = adata[:, :6].copy()
    source = find_cells(few, vocabulary, layer=None)
    assert (source.choice.name, source.match.n_found) == ("raw", 12)


def test_view_reads_its_own_cells_of_raw(several, vocabulary):
    view = several[[7, 3, 12]]
    rows = find_cells(view, vocabulary, layer="raw").rows(slice(0, 3))
    whole = find_cells(several, vocabulary, layer="raw").rows(slice(0, 30))
    np.testing.assert_allclose(rows.toarray(), whole.toarray()[[7, 3, 12]])


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        ("X", ValueError, r"`layer` is 'X', which holds residuals.*usable: 'counts', 'raw'"),
        ("spliced", KeyError, r"`layer` is 'spliced', which is not in the data; present: X .*usable: 'counts', 'raw'"),
    ],
    ids=["unusable", "missing"],
)
def test_named_matrix_that_cannot_be_read_is_refused_with_the_usable_ones(several, vocabulary, layer, error, message):
    with pytest.raises(error, match=message):
        find_cells(several, vocabulary, layer=layer)


def test_nothing_is_written(several, vocabulary):
    before = (list(several.obs), list(several.var), list(several.uns), list(several.layers))
    find_cells(several, vocabulary, layer=None).rows(slice(0, 30))
    assert (list(several.obs), list(several.var), list(several.uns), list(several.layers)) == before


@pytest.mark.parametrize("value", [np.nan, -1.0], ids=["NaN", "negative"])
def test_bad_value_far_down_is_found(rng, vocabulary, value):
    x = rng.poisson(3.0, (5000, 12)).astype(np.float32)
    x[4999, 11] = value
    cells = ad.AnnData(sparse.csr_matrix(x))
    cells.var_names = list(vocabulary.genes)
    with pytest.raises(ValueError, match="No matrix holds expression that can be used"):
        find_cells(cells, vocabulary, layer=None)


@pytest.mark.parametrize("name", ["annotate", "embed", "attention", "attribute"])
def test_warnings_point_at_the_line_of_the_user(pbmc68k, name):
    few = pbmc68k[:20].copy()
    few.obs["group"] = "all"
    options = {"groupby": "group"} if name.startswith("att") else {}
    options |= {"target": "B cell"} if name == "attribute" else {}
    with pytest.warns(UserWarning, match="model genes found") as told:
        getattr(sbt.tl, name)(few, **options)
    assert {each.filename for each in told} == {__file__}


def test_model_taught_on_a_panel_does_not_warn_of_the_panel(pbmc68k):
    panel = pbmc68k[:80].copy()
    with pytest.warns(UserWarning, match="model genes found.*less than 20%"):
        model = sbt.tl.fine_tune(panel, "bulk_labels", n_steps=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*model genes found")
        sbt.tl.annotate(panel, model=model)
