"""Figures of confidence: three kinds, drawn from what annotate wrote, refused where it is missing."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import scbert_tools as sbt


@pytest.fixture
def annotated(adata, trained):
    sbt.tl.annotate(adata, model=trained)
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(30, 2))
    yield adata
    plt.close("all")


def test_labels_are_listed_with_their_cells(annotated):
    ax = sbt.pl.confidence(annotated)
    shown = {text.get_text() for text in ax.get_yticklabels()}
    assert shown == {f"{name} ({n})" for name, n in annotated.obs["scbert_label"].value_counts().items()}


def test_reliability_states_its_error(annotated):
    ax = sbt.pl.confidence(annotated, kind="reliability", label_key="cell_type")
    assert ax.get_xlabel() == "stated confidence"
    assert f"{(annotated.obs['scbert_label'] != 'unassigned').sum()} cells" in ax.get_title()


def test_embedding_shows_every_cell(annotated):
    annotated.obs["scbert_label"] = ["unassigned"] * 3 + ["T cell"] * 27
    ax = sbt.pl.confidence(annotated, kind="embedding")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("UMAP1", "UMAP2")
    assert [len(drawn.get_offsets()) for drawn in ax.collections] == [30, 3]


def test_axes_of_the_user_are_drawn_into(annotated):
    ax = plt.subplots()[1]
    assert sbt.pl.confidence(annotated, ax=ax) is ax


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kind": "pie"}, ValueError, "`kind` must be one of .+labels.+, got 'pie'"),
        ({"key_added": "other"}, KeyError, "other_confidence.+ is missing; run `sbt.tl.annotate`"),
        ({"kind": "reliability"}, KeyError, "`label_key` is None.+cell_type"),
        ({"kind": "reliability", "label_key": "donor"}, ValueError, "`label_key` 'donor' holds no label of the model"),
        ({"kind": "embedding", "basis": "X_tsne"}, KeyError, "`basis` is 'X_tsne'.+X_umap"),
    ],
)
def test_what_is_missing_is_said(annotated, options, error, message):
    with pytest.raises(error, match=message):
        sbt.pl.confidence(annotated, **options)
