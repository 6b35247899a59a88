"""Results come in order, whatever finishes first; torch gets its threads back."""

import time

import pytest
import torch
from threadpoolctl import threadpool_info

from scbert_tools.model.parallel import in_order, leave_a_core, one_core_each


@pytest.mark.parametrize("n_workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(n_workers):
    waits = [0.02, 0, 0.01, 0]
    done = in_order(lambda pair: time.sleep(pair[1]) or pair[0], enumerate(waits), n_workers)
    assert list(done) == [0, 1, 2, 3]


def test_items_are_drawn_as_they_are_needed():
    drawn = []
    results = in_order(str, (drawn.append(i) or i for i in range(10)), 2)
    assert next(results) == "0"
    assert len(drawn) == 3


def test_error_of_the_work_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda x: 1 / x, [1, 0], 2))


def test_every_thread_has_one_core_and_torch_gets_its_cores_back():
    before = torch.get_num_threads()
    with one_core_each() as n_cores:
        assert n_cores == before
        assert list(in_order(lambda _: torch.get_num_threads(), range(3), 2)) == [1, 1, 1]
    assert torch.get_num_threads() == before


def test_torch_gets_its_cores_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), one_core_each():
        raise KeyError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("n_cores", "left"), [(4, 3), (2, 1), (1, 1)])
def test_one_core_is_left_to_a_thread_beside_torch(n_cores, left):
    before = torch.get_num_threads()
    torch.set_num_threads(n_cores)
    try:
        with leave_a_core() as given:
            assert (given, torch.get_num_threads()) == (n_cores, left)
            assert {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"} <= {1}
        assert torch.get_num_threads() == n_cores
    finally:
        torch.set_num_threads(before)
