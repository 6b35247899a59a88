"""Agreement draws shares of cells, own labels in rows, and refuses what it cannot compare."""

import numpy as np
import pandas as pd
import pytest

import scbert_tools as sbt
from scbert_tools.pl._agreement import SMALLEST_WRITTEN, shared_labels


def texts(labels):
    return [label.get_text() for label in labels]


def test_agreement_is_the_shares_of_cells(explained):
    ax = sbt.pl.agreement(explained, "cell_type")
    found = np.asarray(ax.images[0].get_array())
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.trace(found) > 2.8
    assert texts(ax.get_yticklabels())[0] == "B cell (10)"


@pytest.mark.parametrize(
    ("own", "predicted", "shares"),
    [
        (["B", "B"], ["b", "b"], {"b": {"B": 1.0}}),
        (["B", "B"], ["b", "t"], {"b": {"B": 0.5}, "t": {"B": 0.5}}),
        (["B", None], ["b", "t"], {"b": {"B": 1.0}}),
        (["T", "B", "B"], ["t", "b", "t"], {"b": {"B": 0.5, "T": 0.0}, "t": {"B": 0.5, "T": 1.0}}),
        ([2, 1], ["t", "b"], {"b": {"1": 1.0, "2": 0.0}, "t": {"1": 0.0, "2": 1.0}}),
    ],
    ids=["same", "shared", "missing", "two labels", "numbers"],
)
@pytest.mark.parametrize("dtype", [object, "category"])
def test_rows_are_shares_of_the_cells_of_a_label(own, predicted, shares, dtype):
    assert shared_labels(pd.Series(own, dtype=dtype), pd.Series(predicted, dtype=dtype)).to_dict() == shares


def test_like_labels_come_along_the_diagonal():
    own, predicted = pd.Series(list("abcabc")), pd.Series(list("zyxzyw"))
    assert shared_labels(own, predicted).columns.tolist() == ["z", "y", "w", "x"]


def test_cells_that_share_a_name_are_told_apart():
    own, predicted = (pd.Series(list(words), index=["cell", "cell"]) for words in ("ab", "xy"))
    assert shared_labels(own, predicted).to_dict() == {"x": {"a": 1, "b": 0}, "y": {"a": 0, "b": 1}}


@pytest.mark.parametrize(
    ("n_other", "written"), [(0, ["100"]), (1, ["97"]), (2, ["93", "7"])], ids=["all", "few", "enough"]
)
def test_shares_are_written_in_percent_from_the_smallest_on(explained, n_other, written):
    explained.obs["scbert_label"] = ["B cell"] * (30 - n_other) + ["T cell"] * n_other
    explained.obs["one"] = "own"
    assert texts(sbt.pl.agreement(explained, "one").texts) == written
    assert 1 / 30 < SMALLEST_WRITTEN < 2 / 30


def test_cells_without_a_label_are_neither_drawn_nor_counted(explained):
    explained.obs["some"] = ["own"] * 4 + [None] * 26
    assert texts(sbt.pl.agreement(explained, "some").get_yticklabels()) == ["own (4)"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"label_key": "nowhere"}, KeyError, r"adata.obs\['nowhere'\] is missing; present: .*Name a column"),
        ({"label_key": "cell_type", "key_added": "mine"}, KeyError, r"mine_label.* is missing.*Run `sbt.tl.annotate"),
        ({"label_key": "none"}, ValueError, "`label_key` 'none' is missing in every cell"),
    ],
    ids=["column", "key", "no label"],
)
def test_what_is_missing_is_said(explained, options, error, message):
    explained.obs["none"] = None
    with pytest.raises(error, match=message):
        sbt.pl.agreement(explained, **options)
