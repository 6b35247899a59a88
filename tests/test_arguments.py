"""Arguments that many functions share are refused in one wording; randomness becomes one seed."""

import numpy as np
import pytest

from scbert_tools._arguments import check_at_least, check_list, seed_of


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (-1, "-1"), (0.99, "0.99"), (float("nan"), "nan"), ("5", "'5'"), (None, "None")],
    ids=str,
)
def test_too_small_numbers_and_what_is_no_number_are_refused(number, said):
    with pytest.raises(ValueError, match=f"`n_genes` must be at least 1, got {said}"):
        check_at_least(1, n_cells=1, n_genes=number)


def test_one_name_is_not_read_letter_by_letter():
    check_list(labels=["B cell"], genes=None)
    with pytest.raises(TypeError, match=r"must be a list, got the one name 'B cell'; write `labels=\['B cell'\]`"):
        check_list(labels="B cell")


@pytest.mark.parametrize(
    ("rng", "random_state", "seed"),
    [(None, None, 0), (3, None, 3), (None, 3, 3), (0, None, 0), (np.int64(7), None, 7), (None, np.uint8(9), 9)],
    ids=["neither", "rng", "random_state", "zero", "NumPy integer", "NumPy byte"],
)
def test_whole_numbers_are_the_seed(rng, random_state, seed):
    found = seed_of(rng, random_state)
    assert (found, type(found)) == (seed, int)


def test_generators_give_the_same_seed_once_and_another_next():
    generator = np.random.default_rng(1)
    first = seed_of(generator, None)
    assert first == seed_of(np.random.default_rng(1), None)
    assert first != seed_of(generator, None)
    assert 0 <= first < 2**31


@pytest.mark.parametrize(
    ("rng", "random_state", "error", "message"),
    [
        (1, 2, ValueError, "`rng` and `random_state` are two names of one thing, got 1 and 2"),
        (0, 0, ValueError, "two names of one thing, got 0 and 0"),
        (-1, None, ValueError, "`rng` must be at least 0, got -1"),
        ("3", None, TypeError, "`rng` must be a whole number, .*got '3'"),
        (None, 1.5, TypeError, "`random_state` must be a whole number, .*got 1.5"),
        (None, True, TypeError, "`random_state` must be a whole number, .*got True"),
        (None, np.random.RandomState(0), TypeError, "or `rng` a `numpy.random.Generator`, got RandomState"),
    ],
    ids=["both", "both zero", "negative", "text", "fraction", "truth value", "old generator"],
)
def test_other_seeds_are_refused(rng, random_state, error, message):
    with pytest.raises(error, match=message):
        seed_of(rng, random_state)
