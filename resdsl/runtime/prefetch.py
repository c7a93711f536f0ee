"""Run work in a thread pool; yield results in input order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int, depth: int
) -> Generator[Result, None, None]:
    """``work(item)`` for every item in order, computed by ``threads`` worker threads before the caller asks for it.

    At most ``depth + 1`` results are in progress or waiting to be taken, so memory does not grow with the number of
    items. ``items`` is iterated in the caller's thread. An exception of ``work`` is raised here and ends the iteration.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="resdsl-read")
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(copy_context().run, work, item))
            if len(pending) > depth:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
