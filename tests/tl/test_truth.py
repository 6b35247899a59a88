"""Labels a user knows are found in every form and checked, and used for temperature and sets of labels."""

import numpy as np
import pandas as pd
import pytest

from scbert_tools.infer.forward import read_cells
from scbert_tools.infer.verdict import Reading, read_all
from scbert_tools.tl._truth import Truth, check_promise, conformal_sets, find_truth

NONE = Truth(np.zeros(0, np.int64), [])


def own(n, label="T cell"):
    return Truth(np.arange(n), [label] * n)


FORMS = {
    "column": lambda adata, labels: adata.obs.insert(0, "known", labels) or "known",
    "categorical column": lambda adata, labels: adata.obs.insert(0, "known", pd.Categorical(labels)) or "known",
    "list": lambda adata, labels: labels,
    "tuple": lambda adata, labels: tuple(labels),
    "array": lambda adata, labels: np.array(labels, dtype=object),
    "series": lambda adata, labels: pd.Series(labels, adata.obs_names),
    "series backwards": lambda adata, labels: pd.Series(labels, adata.obs_names)[::-1],
    "series of known cells": lambda adata, labels: pd.Series(labels, adata.obs_names).dropna(),
}


@pytest.mark.parametrize("form", FORMS)
def test_known_cells_are_found_in_every_form(adata, annotator, form):
    labels = [None] * 30
    labels[4], labels[17], labels[29] = "T cell", "lymphocyte", "monocyte"
    truth = find_truth(adata, FORMS[form](adata, labels), annotator)
    assert truth.cells.tolist() == [4, 17, 29]
    assert truth.labels == ["T cell", "lymphocyte", "monocyte"]


@pytest.mark.parametrize("missing", [None, np.nan, "", pd.NA], ids=["None", "NaN", "empty text", "NA"])
def test_missing_values_of_every_kind_name_no_cell(adata, annotator, missing):
    assert find_truth(adata, ["B cell", *[missing] * 29], annotator).cells.tolist() == [0]


def test_nothing_given_is_nothing_known(adata, annotator):
    truth = find_truth(adata, None, annotator)
    assert (truth.cells.tolist(), truth.labels) == ([], [])


@pytest.mark.parametrize(
    ("calibrate", "error", "message"),
    [
        ("nowhere", KeyError, "`calibrate` is 'nowhere', but adata.obs has only the columns .*cell_type"),
        (["T cell"], ValueError, "`calibrate` has 1 labels for 30 cells; give one each"),
        ([None] * 30, ValueError, "`calibrate` holds no label at all; it may use .*'B cell'"),
        (["Tcell", "B", *["T cell"] * 28], ValueError, r"`calibrate` holds \['B', 'Tcell'\], which the model does not"),
        (pd.Series(["T cell"], ["of other data"]), ValueError, "`calibrate` holds no label at all"),
        (pd.Series(["T cell"] * 2, ["a", "a"]), ValueError, "`calibrate` names the cell 'a' more than once"),
        ({"a": "T cell"}, TypeError, "`calibrate` must be a column of obs, .* got a dict"),
        (pd.DataFrame({"a": ["T cell"] * 30}), TypeError, "`calibrate` must be .* got a DataFrame"),
        ([str(i) for i in range(30)], ValueError, r"`calibrate` holds \['0'.* and 20 more, which the model does not"),
    ],
    ids=["column", "length", "no label", "unknown labels", "other cells", "twice", "dict", "table", "many unknown"],
)
def test_labels_that_cannot_be_used_are_refused(adata, annotator, calibrate, error, message):
    with pytest.raises(error, match=message):
        find_truth(adata, calibrate, annotator)


@pytest.fixture
def states(adata, knowing):
    return read_cells(knowing, lambda rows: adata.X[rows], adata.n_obs, progress=False)


def test_temperature_stays_without_known_cells(knowing, states):
    assert NONE.temperature(knowing, states) == knowing.calibration.temperature


@pytest.mark.parametrize(("label", "rises"), [("T cell", False), ("monocyte", True)], ids=["right", "wrong"])
def test_temperature_rises_where_the_model_is_sure_and_wrong(knowing, states, label, rises):
    before = knowing.calibration.temperature
    assert (own(10, label).temperature(knowing, states) > before) is rises


@pytest.mark.parametrize(
    ("truth", "coverage", "n_cells"),
    [(NONE, 0.8, [50, 50, 50]), (own(10), 0.8, [10, 50, 50]), (own(3), 0.8, [50, 50, 50])],
    ids=["none", "enough of one label", "too few"],
)
def test_own_cells_take_the_place_of_the_models_where_there_are_enough(knowing, states, truth, coverage, n_cells):
    held_out = truth.held_out(knowing, states, coverage=coverage)
    order = [held_out.names.index(name) for name in ("T cell", "B cell", "monocyte")]
    assert held_out.n_cells[order].tolist() == n_cells


def test_model_that_remembers_nothing_rests_on_own_cells(trained, states):
    held_out = own(10).held_out(trained, states, coverage=0.8)
    assert held_out.n_cells.sum() == 10


def test_sets_say_what_they_rest_on_and_promise(trained, states):
    reading = Reading(states, None, np.ones(12, bool))
    sets = conformal_sets(own(10), trained, reading, coverage=0.8, p_known=None)
    assert sets.record["rests_on"] == "10 cells: of your own for T cell"
    assert set(sets.record["no_promise_for"].split(", ")) == {"B cell", "monocyte"}
    assert len(sets.names) == 30


def test_cells_without_anything_to_read_have_no_set(knowing, adata):
    adata.X.data[adata.X.indptr[5] : adata.X.indptr[6]] = 0
    reading = read_all(knowing, lambda rows: adata.X[rows], adata.n_obs, measured=np.ones(12, bool), progress=False)
    missing = conformal_sets(NONE, knowing, reading, coverage=0.8, p_known=None).names.isna()
    assert np.flatnonzero(missing).tolist() == [5]


@pytest.mark.parametrize(
    ("truth", "options", "message"),
    [
        (
            NONE,
            {"coverage": None, "reject": 0},
            "`reject` must be above 0 and below 1, got 0; to reject no cell it is None, on the command line 0",
        ),
        (NONE, {"coverage": None, "reject": True}, "`reject` must be .* got True"),
        (NONE, {"coverage": 0.0, "reject": None}, "`coverage` must be above 0 and below 1"),
        (own(8), {"coverage": 0.9, "reject": None}, "names 8 cells; a coverage of 0.9 needs at least 9"),
        (NONE, {"coverage": 0.9, "reject": None}, "the model 'trained' came without any"),
    ],
    ids=["reject none", "reject by truth", "no coverage", "too few", "nothing known"],
)
def test_what_means_nothing_is_refused(trained, truth, options, message):
    with pytest.raises(ValueError, match=message):
        check_promise(truth, trained, **options)


@pytest.mark.parametrize(
    ("truth", "coverage", "reject"),
    [(NONE, None, None), (NONE, None, 0.01), (own(9), 0.9, 0.99), (own(1), 0.5, None)],
    ids=["nothing asked", "reject", "just enough cells", "low coverage"],
)
def test_what_can_be_kept_is_let_pass(trained, truth, coverage, reject):
    check_promise(truth, trained, coverage=coverage, reject=reject)
