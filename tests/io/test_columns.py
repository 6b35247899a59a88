"""Every way in which R and Python write a column gives its values back, missing ones missing, or is refused."""

import numpy as np
import pandas as pd
import pytest

from scbert_tools.io._columns import R_MISSING_INTEGER, factor, logical, plain, read_column, text, texts


def listed(column):
    """Values of a column, `None` where missing."""
    return [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"CD3E", "CD3E"),
        ("γδ".encode(), "γδ"),
        (b"M\xfcller", "Müller"),
        ("plain", "plain"),
        (7, "7"),
        (b"", ""),
    ],
    ids=["bytes", "utf-8", "latin-1", "text", "number", "empty"],
)
def test_any_value_becomes_text(value, expected):
    assert text(value) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [("one", ["one"]), (b"one", ["one"]), ([], []), (np.array([b"a", b"\xe9"]), ["a", "é"]), (np.array([1]), ["1"])],
    ids=["one text", "one of bytes", "none", "array of bytes", "numbers"],
)
def test_one_or_many_values_become_a_list(values, expected):
    assert texts(values) == expected


@pytest.mark.parametrize("dtype", ["i1", "i4", "i8", "u1"])
def test_codes_of_any_integer_type_name_their_labels(dtype):
    assert factor(np.array([1, 0, 1], dtype), ["T", "B"]).tolist() == ["B", "T", "B"]


@pytest.mark.parametrize("missing", [-1, R_MISSING_INTEGER], ids=["of pandas", "of R"])
def test_missing_codes_are_missing(missing):
    assert listed(factor(np.array([0, missing], "i4"), ["T"])) == ["T", None]


def test_labels_that_are_there_twice_become_one():
    column = factor(np.array([0, 1, 2]), ["T", "B", "T"])
    assert column.tolist() == ["T", "B", "T"]
    assert column.cat.categories.tolist() == ["T", "B"]


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.array([0, 2]), "a factor has 2 labels but codes from 0 to 2"),
        (np.array([-2, 0]), "a factor has 2 labels but codes from -2 to 0"),
        (np.array([0.0, 1.0]), "codes of a factor are float64, not integers"),
        (np.array([True, False]), "codes of a factor are bool, not integers"),
    ],
    ids=["too high", "too low", "fractions", "truth values"],
)
def test_codes_without_a_label_are_refused(codes, message):
    with pytest.raises(ValueError, match=message):
        factor(codes, ["T", "B"])


def test_factor_without_cells_keeps_its_labels():
    assert factor(np.zeros(0, "i4"), ["T", "B"]).cat.categories.tolist() == ["T", "B"]


@pytest.mark.parametrize(
    ("values", "expected", "dtype"),
    [
        ([1, 0], [True, False], "bool"),
        ([1, 2, 0], [True, None, False], "boolean"),
        ([R_MISSING_INTEGER, 1], [None, True], "boolean"),
        ([], [], "bool"),
    ],
    ids=["whole", "2 of SeuratDisk", "missing integer", "no cells"],
)
def test_truth_values_of_r(values, expected, dtype):
    column = logical(np.array(values, "i4"))
    assert (listed(column), str(column.dtype)) == (expected, dtype)


@pytest.mark.parametrize(
    ("values", "by_r", "expected", "dtype"),
    [
        (np.array([b"a", b"NA"], object), False, ["a", None], "object"),
        (np.array([3, R_MISSING_INTEGER], "i4"), False, [3, None], "Int64"),
        (np.array([0, 1], "i4"), False, [0, 1], "int32"),
        (np.array([0, 1], "i4"), True, [False, True], "bool"),
        (np.array([0, 3], "i4"), True, [0, 3], "int32"),
        (np.array([0.5, np.nan]), True, [0.5, None], "float64"),
        (np.array([True, False]), False, [True, False], "bool"),
    ],
    ids=["text", "missing integer", "0 and 1", "0 and 1 of R", "0 and 3 of R", "fractions", "truth values"],
)
def test_plain_columns_keep_their_type_and_lose_missing_values(values, by_r, expected, dtype):
    column = plain(values, by_r=by_r)
    assert (listed(column), str(column.dtype)) == (expected, dtype)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"codes": np.array([1, -1, 0], "i1"), "categories": ["T", "B"]}, ["B", None, "T"]),
        ({"values": np.array([2, R_MISSING_INTEGER, 1], "i4"), "levels": ["T", "B"]}, ["B", None, "T"]),
        ({"values": np.array([5, 6]), "mask": np.array([False, True])}, [5, None]),
        ({"values": np.array([True, False]), "mask": np.array([True, False])}, [None, False]),
        ({"values": ["a", "b"], "mask": np.array([1, 0], "u1")}, [None, "b"]),
    ],
    ids=["categories from 0", "levels from 1", "masked integers", "masked truth values", "masked text"],
)
def test_groups_are_read_by_their_parts(file, put, parts, expected):
    for name, values in parts.items():
        put(file, f"column/{name}", values)
    assert listed(read_column(file["column"])) == expected


@pytest.mark.parametrize("ordered", [True, False])
def test_order_of_categories_is_kept(file, put, ordered):
    put(file, "grade/codes", np.array([0, 1]))
    put(file, "grade/categories", ["low", "high"])
    file["grade"].attrs["ordered"] = ordered
    assert read_column(file["grade"]).cat.ordered is ordered


@pytest.mark.parametrize("level", [0, 3], ids=["below the first", "above the last"])
def test_factor_of_r_outside_its_levels_is_refused(file, put, level):
    put(file, "label/values", np.array([1, level - (level == 0)], "i4"))
    put(file, "label/levels", ["T", "B"])
    with pytest.raises(ValueError, match="a factor has 2 labels but codes from"):
        read_column(file["label"])


def test_levels_from_elsewhere_name_the_codes(file):
    file["label"] = np.array([1, 0])
    assert read_column(file["label"], levels=["T", "B"]).tolist() == ["B", "T"]


def test_class_that_seurat_noted_makes_truth_values(file):
    file["flag"] = np.array([1, 2, 0], "i4")
    file["flag"].attrs["s3class"] = np.array([b"logical"])
    assert listed(read_column(file["flag"])) == [True, None, False]


@pytest.mark.parametrize("shape", [(), (2, 2)], ids=["one value", "a table"])
def test_what_is_not_a_column_is_refused(file, shape):
    file["odd"] = np.ones(shape)
    with pytest.raises(ValueError, match=f"column /odd has {len(shape)} dimensions"):
        read_column(file["odd"])


def test_group_without_known_parts_names_what_is_missing(file):
    file.create_group("odd")
    with pytest.raises(KeyError, match="values"):
        read_column(file["odd"])


def test_columns_are_series():
    assert isinstance(plain(np.array([b"a"])), pd.Series)
