"""Bars, swarms and waterfalls draw the shares that attribute wrote; what is missing is said."""

import numpy as np
import pytest

import scbert_tools as sbt
from scbert_tools.pl._attribution import swarm


def texts(labels):
    return [label.get_text() for label in labels]


def test_bars_are_the_mean_shares(explained):
    ax = sbt.pl.attribution(explained, "B cell", n_genes=5)
    genes = texts(ax.get_yticklabels())
    expected = explained.varm["scbert_attribution"].loc[genes, "B cell"]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], expected, rtol=1e-5)
    bold = {text.get_text() for text in ax.get_yticklabels() if text.get_fontweight() == "bold"}
    assert {"MS4A1", "CD79A"} <= bold


@pytest.mark.parametrize("kind", ["bar", "beeswarm", "waterfall"])
def test_title_says_what_was_compared_with_what(explained, trained, kind):
    how = {"target": "B cell", "against": "T cell", "groupby": "cell_type", "per_cell": True}
    sbt.tl.attribute(explained, model=trained, **how)
    ax = sbt.pl.attribution(explained, "T cell", kind=kind, cell="cell0")
    assert "B cell, not T cell" in ax.get_title()
    assert ("(cells: T cell)" in ax.get_title()) == (kind != "waterfall")
    bold = {text.get_text() for text in ax.get_yticklabels() if text.get_fontweight() == "bold"}
    assert "MS4A1" in bold or kind == "waterfall"
    assert "CD3D" not in bold


def test_label_that_no_cell_got_has_known_markers_too(explained, trained):
    explained.obs["scbert_label"] = explained.obs["scbert_label"].astype(str).replace("B cell", "unassigned")
    sbt.tl.attribute(explained, model=trained, target="B cell", groupby="cell_type")
    ax = sbt.pl.attribution(explained, "B cell", n_genes=5)
    assert any(text.get_fontweight() == "bold" for text in ax.get_yticklabels())


def test_gene_that_a_cell_lacks_is_drawn_low_however_many_lack_it(explained):
    explained.X = explained.X.toarray()
    explained.X[:25, 4] = 0
    points = sbt.pl.attribution(explained, "B cell", kind="beeswarm").collections
    genes = texts(points[0].axes.get_yticklabels())
    lacking = explained[explained.obs["scbert_label"] == "B cell", "MS4A1"].X.ravel() == 0
    assert lacking.any()
    assert (points[genes.index("MS4A1")].get_array()[lacking] == 0).all()


def test_swarm_has_a_point_for_every_cell(explained):
    ax = sbt.pl.attribution(explained, "B cell", kind="beeswarm", n_genes=3)
    n_cells = (explained.obs["scbert_label"] == "B cell").sum()
    assert [len(points.get_offsets()) for points in ax.collections] == [n_cells] * 3


def test_swarm_moves_close_points_apart_and_not_far():
    aside = swarm(np.zeros(30))
    assert len(np.unique(aside)) == 30
    assert np.abs(aside).max() <= 0.4


def test_waterfall_ends_at_the_evidence_of_the_cell(explained):
    cell = explained.obs_names[12]
    ax = sbt.pl.attribution(explained, kind="waterfall", cell=cell, n_genes=4)
    shares = explained.layers["scbert_attribution"][12].toarray().ravel()
    assert texts(ax.get_yticklabels())[-1].endswith("other genes")
    assert sum(bar.get_width() for bar in ax.patches) == pytest.approx(shares.sum(), rel=1e-4)
    assert ax.get_title().startswith(cell)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "needs a `label`, one of .*'B cell'"),
        ({"label": "neuron"}, KeyError, r"No cells were explained for \['neuron'\]"),
        ({"kind": "waterfall"}, ValueError, "needs a `cell`"),
        ({"kind": "waterfall", "cell": "nobody"}, KeyError, "not one of the 30 names"),
    ],
    ids=["no label", "label", "no cell", "cell"],
)
def test_label_or_cell_that_is_missing_is_said(explained, options, error, message):
    with pytest.raises(error, match=message):
        sbt.pl.attribution(explained, **options)


def test_cells_have_to_be_explained_one_by_one_first(explained):
    del explained.layers["scbert_attribution"]
    with pytest.raises(KeyError, match="per_cell=True"):
        sbt.pl.attribution(explained, "B cell", kind="beeswarm")


@pytest.mark.parametrize("kind", ["bar", "beeswarm"])
@pytest.mark.parametrize(("n_genes", "n_drawn"), [(1, 1), (3, 3), (99, 12)], ids=["one", "some", "more than there are"])
def test_as_many_genes_are_drawn_as_asked(explained, kind, n_genes, n_drawn):
    ax = sbt.pl.attribution(explained, "T cell", kind=kind, n_genes=n_genes)
    assert len(ax.get_yticklabels()) == n_drawn


@pytest.mark.parametrize("kind", ["bar", "beeswarm", "waterfall"])
@pytest.mark.parametrize("n_genes", [0, -1])
def test_number_of_genes_below_one_is_refused(explained, kind, n_genes):
    with pytest.raises(ValueError, match=f"`n_genes` must be at least 1, got {n_genes}"):
        sbt.pl.attribution(explained, "T cell", kind=kind, cell="cell0", n_genes=n_genes)


def test_genes_without_a_share_are_not_drawn(explained):
    explained.varm["scbert_attribution"].loc["CD3E":, "T cell"] = 0
    assert texts(sbt.pl.attribution(explained, "T cell").get_yticklabels()) == ["CD3D"]


def test_swarm_of_a_label_without_explained_cells_is_refused(explained):
    others = explained[(explained.obs["scbert_label"] != "B cell").to_numpy()]
    with pytest.raises(KeyError, match=r"No cell of 'B cell' in `adata` was explained\. Run"):
        sbt.pl.attribution(others, "B cell", kind="beeswarm")


def test_cell_that_was_not_drawn_for_explaining_is_refused(explained):
    shares = explained.layers["scbert_attribution"]
    shares.data[shares.indptr[3] : shares.indptr[4]] = 0
    with pytest.raises(KeyError, match="`cell` 'cell3' was not explained.*n_cells=None"):
        sbt.pl.attribution(explained, kind="waterfall", cell="cell3")


def test_name_of_several_cells_is_refused(explained):
    explained.obs_names = ["twice", "twice", *explained.obs_names[2:]]
    with pytest.raises(ValueError, match="`cell` 'twice' is the name of 2 cells"):
        sbt.pl.attribution(explained, kind="waterfall", cell="twice")


@pytest.mark.parametrize(
    ("values", "n_moved"),
    [([1.0], 0), ([0.0, 1.0, 2.0], 0), ([1.0, 1.0], 1), ([0.0, 0.0, 0.0, 5.0], 2)],
    ids=["one", "apart", "two at a place", "three at a place"],
)
def test_only_points_upon_others_are_moved(values, n_moved):
    assert np.count_nonzero(swarm(np.array(values))) == n_moved


@pytest.mark.parametrize("height", [0.1, 0.38])
def test_points_are_moved_to_both_sides_alike(height):
    aside = swarm(np.zeros(101), height=height)
    assert aside.sum() == pytest.approx(0)
    assert np.abs(aside).max() == pytest.approx(height, rel=0.02)
