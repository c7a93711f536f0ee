"""How fast a quantized model is, against the original."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from resdsl.runtime.session import open_session
from resdsl.tools.quantize.fit import Feeds

_PAIRS = 15
_WARMUPS = 2
_MOST_SECONDS = 3.0
_FEWEST_PAIRS = 3


def gain(original: Path, quantized: Path, feed: Feeds) -> float:
    """How many times as fast as ``original`` the model ``quantized`` is on one input, in one thread of this CPU.

    The median of pairs of interleaved runs. Time is that of the thread, so other work on the machine counts little.
    """
    runs = [_run(path, feed) for path in (original, quantized)]
    for _ in range(_WARMUPS):
        for run in runs:
            run()
    start = time.perf_counter()
    ratios = []
    for pair in range(_PAIRS):
        taken = [run() for run in runs[:: -1 if pair % 2 else 1]]
        floats, bytes_ = taken[:: -1 if pair % 2 else 1]
        ratios.append(floats / max(bytes_, 1e-9))
        if pair + 1 >= _FEWEST_PAIRS and time.perf_counter() - start > _MOST_SECONDS:
            break
    return median(ratios)


def _run(path: Path, feed: Feeds) -> Callable[[], float]:
    """Runs the model once, and returns the seconds that it took: a session with one thread has no other."""
    session = open_session(path, device="cpu", threads=1, name="the model")
    inputs = dict(feed)

    def run() -> float:
        start = time.thread_time()
        session.run(inputs)
        return time.thread_time() - start

    return run
