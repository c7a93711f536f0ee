"""Prefetching work in a thread pool."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from resdsl.runtime.prefetch import prefetch


@pytest.mark.parametrize("threads", [1, 4])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    def slower_first(number: int) -> int:
        time.sleep(0.01 / (number + 1))
        return number * number

    results = prefetch(slower_first, range(20), threads=threads, depth=8)
    assert list(results) == [number * number for number in range(20)]


def test_no_more_items_are_prefetched_than_allowed() -> None:
    asked = 0

    def endless() -> Iterator[int]:
        nonlocal asked
        while True:
            asked += 1
            yield asked

    results = prefetch(lambda number: number, endless(), threads=2, depth=5)
    for taken in range(1, 50):
        next(results)
        assert asked == taken + 5
    results.close()


def test_prefetching_continues_while_the_caller_is_busy() -> None:
    done = threading.Semaphore(0)

    def work(number: int) -> int:
        done.release()
        return number

    results = prefetch(work, range(10), threads=2, depth=4)
    assert next(results) == 0
    # Five were begun, and they end although nobody takes them.
    for _ in range(5):
        assert done.acquire(timeout=10)
    assert list(results) == list(range(1, 10))


def test_what_work_raises_is_raised_and_ends_the_threads() -> None:
    before = threading.active_count()

    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = prefetch(work, range(100), threads=4, depth=10)
    with pytest.raises(ValueError, match="three"):
        list(results)
    assert threading.active_count() == before


def test_a_consumer_that_stops_early_leaves_no_threads() -> None:
    before = threading.active_count()
    results = prefetch(lambda number: number, range(100), threads=4, depth=10)
    next(results)
    results.close()
    assert threading.active_count() == before
