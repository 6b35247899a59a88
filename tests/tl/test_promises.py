"""Rejection, sets, doublets and the report of annotate: written, named, refused where they mean nothing."""

import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scbert_tools as sbt
from scbert_tools.infer import forward

OWN = ["scbert_set", "scbert_p_known", "scbert_novel", "scbert_doublet"]


@pytest.fixture
def mixed(adata, rng):
    """The toy cells, and 14 of a type that expresses the markers of all types alike but two genes most."""
    odd = rng.poisson(np.where(np.isin(np.arange(12), [3, 6]), 60.0, 2.0), (14, 12))
    cells = ad.AnnData(sparse.vstack([adata.X, odd.astype(np.float32)], format="csr"), var=adata.var)
    cells.obs["cell_type"] = [*adata.obs["cell_type"], *["unknown"] * 14]
    return cells


def test_unknown_cells_are_rejected_with_a_reason_and_gathered(mixed, knowing):
    sbt.tl.annotate(mixed, model=knowing, reject=0.02)
    odd = mixed.obs["cell_type"] == "unknown"
    assert (mixed.obs["scbert_label"][odd] == "unassigned").mean() > 0.9
    assert (mixed.obs["scbert_reason"][odd] == "unlike known types").mean() > 0.9
    assert (mixed.obs["scbert_label"][~odd] != "unassigned").mean() > 0.85
    assert (mixed.obs["scbert_novel"][odd] == "novel 1").mean() > 0.7
    assert mixed.obs["scbert_novel"][~odd].isna().mean() > 0.85
    np.testing.assert_allclose(mixed.obsm["scbert_probabilities"].sum(axis=1), 1, rtol=1e-5)


def test_higher_threshold_gives_fewer_and_surer_labels(adata, knowing):
    shares = []
    for threshold in (None, 0.5, 0.99, 1.0):
        sbt.tl.annotate(adata, model=knowing, threshold=threshold, reject=None)
        named = adata.obs["scbert_label"] != "unassigned"
        least = adata.uns["scbert"]["threshold"]
        assert (adata.obs["scbert_confidence"][named] >= least - 1e-6).all()
        shares.append(named.mean())
    assert least == 1
    assert shares[0] == shares[1] > shares[2] >= shares[3]


def test_nothing_is_rejected_if_not_wanted(mixed, knowing):
    sbt.tl.annotate(mixed, model=knowing, reject=None)
    assert "unlike known types" not in mixed.obs["scbert_reason"].cat.categories
    assert (mixed.obs["scbert_p_known"][-14:] < 0.05).mean() > 0.8


def test_reason_is_missing_exactly_where_there_is_a_label(mixed, knowing):
    mixed.X[0] = 0
    sbt.tl.annotate(mixed, model=knowing)
    has_label = mixed.obs["scbert_label"] != "unassigned"
    assert (mixed.obs["scbert_reason"].isna() == has_label).all()
    assert mixed.obs["scbert_reason"].iloc[0] == "nothing to read"


def test_sets_hold_the_label_and_say_what_they_rest_on(adata, knowing):
    sbt.tl.annotate(adata, model=knowing, coverage=0.9)
    pairs = adata.obs[["cell_type", "scbert_set"]].astype(str).to_numpy()
    assert np.mean([kind in words or words == "any" for kind, words in pairs]) > 0.75
    record = adata.uns["scbert"]["sets"]
    assert record["coverage"] == 0.9
    assert record["rests_on"] == "150 cells of data sets that the model had not seen"
    assert record["no_promise_for"] == ""


def test_cells_with_an_empty_set_are_among_the_oddest_and_keep_their_label(mixed, knowing):
    sbt.tl.annotate(mixed, model=knowing, coverage=0.8, reject=None)
    none = mixed.obs["scbert_set"] == "none"
    assert 0 < none.mean() < 0.4
    assert mixed.obs["scbert_p_known"][none].median() < mixed.obs["scbert_p_known"][~none].median() / 2
    assert (mixed.obs["scbert_label"][none] != "unassigned").any()
    assert "oddest" in mixed.uns["scbert"]["sets"]["none_means"]


def in_a_column(adata, labels):
    adata.obs["known"] = labels
    return "known"


@pytest.mark.parametrize(
    "give",
    [in_a_column, lambda adata, labels: labels, lambda adata, labels: pd.Series(labels, adata.obs_names)[::-1]],
    ids=["column", "list", "series in another order"],
)
def test_labels_of_ones_own_are_taken_in_every_form(adata, trained, give):
    labels = [kind if i % 2 else None for i, kind in enumerate(adata.obs["cell_type"])]
    sbt.tl.annotate(adata, model=trained, coverage=0.8, calibrate=give(adata, labels))
    assert adata.uns["scbert"]["sets"]["rests_on"] == "15 cells: of your own for T cell, B cell, monocyte"
    assert adata.uns["scbert"]["temperature"] != trained.calibration.temperature


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"coverage": 1.0}, ValueError, "`coverage` must be above 0 and below 1"),
        ({"coverage": 90}, ValueError, "`coverage` must be above 0 and below 1"),
        ({"reject": 0.0}, ValueError, "`reject` must be above 0 and below 1, got .*; to reject no cell it is None"),
        ({"reject": 5}, ValueError, "`reject` must be above 0 and below 1, got .*; to reject no cell it is None"),
        (
            {"threshold": 0},
            ValueError,
            "`threshold` must be above 0 and at most 1, got 0; leave it out",
        ),
        ({"threshold": 50}, ValueError, "`threshold` must be .* got 50"),
        ({"calibrate": "nowhere"}, KeyError, "`calibrate` is 'nowhere'.*cell_type"),
        ({"calibrate": ["T cell"] * 3}, ValueError, "`calibrate` has 3 labels for 30 cells"),
        ({"calibrate": [None] * 30}, ValueError, "`calibrate` holds no label at all"),
        ({"calibrate": ["astrocyte", *["T cell"] * 29]}, ValueError, r"`calibrate` holds \['astrocyte'\], which"),
        (
            {"calibrate": ["T cell"] * 5 + [None] * 25, "coverage": 0.9},
            ValueError,
            "names 5 cells; a coverage of 0.9 needs at least 9",
        ),
        ({"coverage": "0.9"}, ValueError, "`coverage` must be above 0 and below 1, .* got '0.9'"),
        ({"reject": "1%"}, ValueError, "`reject` must be .* got '1%'"),
        ({"threshold": "high"}, ValueError, "`threshold` must be .* got 'high'"),
        ({"threshold": True}, ValueError, "`threshold` must be .* got True"),
        (
            {"refine": ["leiden"]},
            TypeError,
            r"`refine` must be 'neighbors' or the name of a column of obs, got \['leid",
        ),
        ({"refine": "leiden"}, KeyError, "`refine` is 'leiden' but"),
    ],
    ids=[
        "all",
        "percent",
        "reject none",
        "reject many",
        "any label",
        "sure in percent",
        "column",
        "length",
        "empty",
        "unknown",
        "too few",
        "coverage as text",
        "reject as text",
        "sure as text",
        "sure as truth",
        "several columns",
        "clusters",
    ],
)
def test_what_means_nothing_is_refused_before_any_compute(adata, knowing, monkeypatch, options, error, message):
    monkeypatch.setattr(forward, "read_cells", lambda *_, **__: pytest.fail("computed"))
    before = list(adata.obs)
    with pytest.raises(error, match=message):
        sbt.tl.annotate(adata, model=knowing, **options)
    assert list(adata.obs) == before


def test_sets_need_known_cells(adata, trained):
    with pytest.raises(ValueError, match="`coverage` needs cells whose type is known.*`calibrate`"):
        sbt.tl.annotate(adata, model=trained, coverage=0.9)


def test_labels_too_coarse_for_sets_are_said(adata, trained):
    with pytest.raises(ValueError, match="names 0 cells with a label that can be used"):
        sbt.tl.annotate(adata, model=trained, coverage=0.9, calibrate=["lymphocyte"] * 30)
    assert "scbert_label" not in adata.obs


def test_columns_of_an_earlier_call_do_not_go_stale(adata, knowing, trained):
    sbt.tl.annotate(adata, model=knowing, coverage=0.9)
    assert set(OWN) <= set(adata.obs)
    sbt.tl.annotate(adata, model=trained)
    assert not set(OWN) & set(adata.obs)


def test_report_is_told_and_kept(adata, knowing, caplog):
    with caplog.at_level(logging.INFO, logger="scbert_tools"):
        sbt.tl.annotate(adata, model=knowing, refine="donor")
    assert "30 cells: " in caplog.messages[0]
    assert adata.uns["scbert"]["report"].splitlines() == caplog.messages


def test_changed_labels_are_counted_by_class(adata, knowing):
    sbt.tl.annotate(adata, model=knowing, key_added="alone")
    adata.obs["one"] = "cluster"
    sbt.tl.annotate(adata, model=knowing, refine="one")
    changed = adata.uns["scbert"].get("refinement", {"label": [], "lost": [], "won": []})
    before, after = (adata.obs[f"{key}_label"].astype(str) for key in ("alone", "scbert"))
    assert sum(changed["lost"]) == sum(changed["won"]) == (before != after).sum()


def test_shallow_cells_are_warned_of(adata, knowing, rng):
    x = adata.X.toarray()
    x[:, 2:] = 0
    adata.X = sparse.csr_matrix(x + np.eye(30, 12, dtype=np.float32))
    with pytest.warns(UserWarning, match="% of cells have fewer genes than 99% of training cells"):
        sbt.tl.annotate(adata, model=knowing)


def test_everything_survives_a_file(mixed, knowing, tmp_path):
    sbt.tl.annotate(mixed, model=knowing, coverage=0.9, refine="cell_type")
    mixed.write_h5ad(tmp_path / "out.h5ad")
    back = ad.read_h5ad(tmp_path / "out.h5ad")
    for name in ["scbert_reason", *OWN]:
        assert back.obs[name].astype(str).tolist() == mixed.obs[name].astype(str).tolist()
    assert back.uns["scbert"]["sets"]["coverage"] == 0.9
