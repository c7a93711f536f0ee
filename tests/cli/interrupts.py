"""Sends Ctrl-C at many moments of a start: ``python tests/cli/interrupts.py [NUMBER]``.

A run must end without a traceback that leads into resdsl, whatever it was importing.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "resdsl", "compile", "resnet18", "-o", "/dev/null"]
SECONDS = 1.5
ENDED = {0, 130, -signal.SIGINT}


def failures(number: int) -> Iterator[str]:
    """What the runs print that do not end as they should; Ctrl-C comes in even steps after the start."""
    for step in range(number):
        with subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
            time.sleep(SECONDS * step / number)
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=120)
        text = errors.decode(errors="replace")
        # What comes before the first line of resdsl is the start of Python, which shows its own frames.
        if "resdsl" in text.partition("Traceback")[2] or ("Traceback" not in text and child.returncode not in ENDED):
            yield f"after {SECONDS * step / number:.3f} s, status {child.returncode}:\n{text}"


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    found = list(failures(count))
    print(*found, f"{len(found)} of {count} failed", sep="\n")
    sys.exit(bool(found))
