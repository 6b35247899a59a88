"""Work on all cores: one thread of torch each, few pieces in flight, results in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def one_core_each() -> Iterator[int]:
    """Give the number of cores torch may use; within the block, each thread uses one of them.

    The matrices of one batch are too small to be shared well between cores; whole batches are not.
    """
    n_cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield n_cores
    finally:
        torch.set_num_threads(n_cores)


def in_order(work: Callable[[Item], Result], items: Iterable[Item], n_workers: int) -> Iterator[Result]:
    """Yield ``work(item)`` of every item, in order, with some of them under way at once.

    Parameters
    ----------
    work
        Done in threads.
    items
        Drawn in the calling thread, one at a time, at most one more than there are workers ahead.
    n_workers
        Threads.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(n_workers) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            # One more than is worked on is ready at any time; the rest waits unread, so memory stays bounded.
            if len(waiting) > n_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
