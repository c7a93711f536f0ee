"""Fuzz hostile models, and their metadata with images. Needs nothing.

    python -m tests.fuzz.fuzz_models models|metadata [RUNS] [SEED]

An input is made of its seed alone; ``RUNS`` of 1 repeats one.
"""

from __future__ import annotations

import faulthandler
import resource
import sys

from tests.fuzz.models import fuzz

MEMORY = 6 << 30
"""Bytes of address space: a model may ask for any size, and what it cannot get is an error."""

if __name__ == "__main__":
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    runs, seed = (int(argument) for argument in (*sys.argv[2:4], *("20000", "0")[len(sys.argv) - 2 :]))
    print(dict(fuzz(sys.argv[1], runs, seed, lambda text: print(text, file=sys.stderr, flush=True))))
