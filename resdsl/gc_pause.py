"""Pause garbage collection while many objects are built."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause cyclic garbage collection while a text is parsed or a network is built.

    A large graph has a million objects, all of which stay alive and form no cycles. The collector runs after every 700
    allocations and visits all objects whenever their number has grown by a quarter, which takes a fifth of the time of
    building a graph of 100,000 nodes. Reference counting still frees unused objects. If the collector was disabled
    before, it stays disabled.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
