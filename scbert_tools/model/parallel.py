"""Work on all cores: one thread of torch each, few pieces in flight, results in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def one_core_each() -> Iterator[int]:
    """Give the number of cores torch may use; within the block, each thread uses one of them.

    The matrices of one batch are too small to be shared well between cores; whole batches are not.
    """
    with _on_cores(1) as before:
        yield before


@contextmanager
def leave_a_core() -> Iterator[int]:
    """Give the number of cores torch may use; within the block, it leaves one to a thread that works with NumPy.

    Threads of one product wait for each other busily: with more of them than cores are free, most time is lost.
    """
    n_cores = max(1, torch.get_num_threads() - 1)
    with _on_cores(n_cores) as before, threadpool_limits(1, user_api="blas"):
        yield before


@contextmanager
def _on_cores(n_cores: int) -> Iterator[int]:
    """Let torch use so many cores within the block, and give how many it may use outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_cores)
    try:
        yield before
    finally:
        torch.set_num_threads(before)


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
