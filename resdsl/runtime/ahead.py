"""Work done ahead in threads, its results in the order of what they are of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int, ahead: int
) -> Generator[Result, None, None]:
    """``work(item)`` for every item, in their order, done by ``threads`` while the caller does something else.

    No more than ``ahead + 1`` results are begun and not taken yet, however many items there are; ``items`` is asked
    for the next one in the caller's thread. What ``work`` raises is raised here, and ends the work.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="resdsl-read")
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) > ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
