"""Figures of explanations, by what they hold; what is missing is said."""

from functools import partial

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import scbert_tools as sbt


def texts(labels):
    return [label.get_text() for label in labels]


def test_heat_map_holds_the_attention_and_marks_known_genes(explained):
    ax = sbt.pl.attention(explained, labels=["B cell", "T cell"], n_genes=4)
    genes, names = texts(ax.get_yticklabels()), texts(ax.get_xticklabels())
    assert names == ["B cell", "T cell"]
    expected = 100 * explained.varm["scbert_attention"].loc[genes, names]
    np.testing.assert_allclose(ax.images[0].get_array(), expected)
    marked = {(genes[round(y)], names[round(x)]) for x, y in ax.collections[0].get_offsets()}
    assert ("MS4A1", "B cell") in marked
    assert ("MS4A1", "T cell") not in marked


def test_network_names_its_genes(explained):
    ax = sbt.pl.attention(explained, kind="network")
    assert set(texts(ax.texts)) == {"CD3E", "MS4A1", "CD79A", "LYZ"}
    assert len(ax.collections[0].get_offsets()) == 4


def test_embedding_draws_labels_and_confidence_and_leaves_no_colours(explained):
    explained.obsm["X_umap"] = np.random.default_rng(0).normal(size=(30, 2))
    axes = sbt.pl.embedding(explained)
    assert [axes[name].get_title() for name in ("label", "confidence")] == ["label", "confidence"]
    assert "scbert_label_colors" not in explained.uns


def test_own_colours_of_labels_are_kept(explained):
    explained.obsm["X_umap"] = np.random.default_rng(0).normal(size=(30, 2))
    own = ["#ff0000", "#00ff00", "#0000ff", "#123456"][: len(explained.obs["scbert_label"].cat.categories)]
    explained.uns["scbert_label_colors"] = own
    points = sbt.pl.embedding(explained)["label"].collections[0].get_facecolors()
    drawn = {mpl.colors.to_hex(colour) for colour in points}
    present = explained.obs["scbert_label"].cat.codes.unique()
    assert drawn == {own[code] for code in present}
    assert explained.uns["scbert_label_colors"] == own


@pytest.fixture
def curves():
    rows = [(m, "deletion", n, p / (1 + n * s)) for m, p, s in [("a", 0.9, 0.0), ("b", 0.9, 1.0)] for n in (0, 5, 50)]
    return pd.DataFrame(rows, columns=["method", "curve", "n_genes", "probability"])


def test_most_faithful_method_comes_first(curves):
    ax = sbt.pl.faithfulness(curves)
    assert texts(ax.get_legend().get_texts()) == ["b", "a"]
    assert texts(ax.get_xticklabels()) == ["0", "5", "50"]


def test_method_looks_the_same_in_both_figures(curves):
    both = pd.concat([curves, curves.assign(curve="insertion", probability=curves["probability"] ** 2)])
    drawn = [sbt.pl.faithfulness(both, curve=curve).get_lines() for curve in ("deletion", "insertion")]
    looks = [{line.get_label(): (line.get_color(), line.get_marker()) for line in lines} for lines in drawn]
    assert looks[0] == looks[1]
    assert len(set(looks[0].values())) == 2


def test_axes_given_are_drawn_into(explained, curves):
    explained.obsm["X_umap"] = np.zeros((30, 2))
    draw = [
        lambda ax: sbt.pl.attention(explained, ax=ax),
        lambda ax: sbt.pl.attention(explained, kind="network", ax=ax),
        lambda ax: sbt.pl.attribution(explained, "B cell", ax=ax),
        lambda ax: sbt.pl.agreement(explained, "cell_type", ax=ax),
        lambda ax: sbt.pl.embedding(explained, ax=ax)["label"],
        lambda ax: sbt.pl.history({"steps": [1], "loss": [1.0], "held_out": [1.0]}, ax=ax),
        lambda ax: sbt.pl.faithfulness(curves, ax=ax),
    ]
    for one in draw:
        ax = plt.subplots()[1]
        assert one(ax) is ax


def test_figure_is_shown_only_if_wanted(explained, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(1))
    sbt.pl.agreement(explained, "cell_type")
    sbt.pl.agreement(explained, "cell_type", show=True)
    assert shown == [1]


CALLS = {
    "attention": (lambda adata: sbt.pl.attention(adata), KeyError, r"Run `sbt\.tl\.attention\(adata\)` first"),
    "network": (lambda adata: sbt.pl.attention(adata, kind="network"), KeyError, r"attention\(adata, genes="),
    "kind": (lambda adata: sbt.pl.attention(adata, kind="pie"), ValueError, "`kind` must be one of"),
    "attribution": (lambda adata: sbt.pl.attribution(adata, "B cell"), KeyError, r"Run `sbt\.tl\.attribute\(adata\)`"),
    "agreement": (lambda adata: sbt.pl.agreement(adata, "cell_type"), KeyError, "scbert_label"),
    "embedding": (lambda adata: sbt.pl.embedding(adata), KeyError, r"Run `sbt\.tl\.annotate"),
    "history": (lambda _: sbt.pl.history({"steps": [1], "loss": []}), ValueError, "equally long, non-empty lists"),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_missing_is_said(adata, name):
    call, error, message = CALLS[name]
    with pytest.raises(error, match=message):
        call(adata)


def test_map_that_is_missing_is_said(explained):
    with pytest.raises(KeyError, match=r"`basis` is 'X_tsne', but adata.obsm has only"):
        sbt.pl.embedding(explained, basis="X_tsne")


def test_map_may_be_called_as_scanpy_does(explained):
    explained.obsm["X_umap"] = explained.obsm["X_scbert"][:, :2]
    for draw in (sbt.pl.embedding, partial(sbt.pl.confidence, kind="embedding")):
        draw(explained, basis="umap")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"labels": "B cell"}, TypeError, "`labels` must be a list, got the one name 'B cell'"),
        ({"labels": []}, ValueError, "`labels` is empty; give some of .*'B cell'"),
        ({"labels": ["B cell", "liver"]}, KeyError, r"No cells were explained for \['liver'\]; the labels there are"),
        ({"n_genes": 0}, ValueError, "`n_genes` must be at least 1, got 0"),
    ],
    ids=["one text", "none", "unknown", "no gene"],
)
def test_labels_and_genes_that_cannot_be_drawn_are_refused(explained, options, error, message):
    with pytest.raises(error, match=message):
        sbt.pl.attention(explained, **options)


def test_curve_that_is_missing_is_said(curves):
    with pytest.raises(ValueError, match="in the table, which has"):
        sbt.pl.faithfulness(curves, curve="insertion")


@pytest.mark.parametrize("column", ["method", "curve", "n_genes", "probability"])
def test_column_of_curves_that_is_missing_is_said(curves, column):
    with pytest.raises(KeyError, match=rf"lacks the columns \['{column}'\]"):
        sbt.pl.faithfulness(curves.drop(columns=column))


def test_path_of_curves_is_refused():
    with pytest.raises(TypeError, match="`curves` must be a table, got str; read a file first"):
        sbt.pl.faithfulness("curves.csv")
