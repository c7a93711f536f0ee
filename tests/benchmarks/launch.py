"""Run one command and write what it took as JSON to the file named first: `launch.py REPORT COMMAND...`.

A process of its own, because a child starts with its parent's peak of memory: this one is smaller than all it measures.
"""

import os
import sys
import time


def main() -> int:
    report, command = sys.argv[1], sys.argv[2:]
    start = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    # ru_maxrss is in KiB (bytes on macOS), and the largest of the process and of those that it waited for.
    memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    with open(report, "w") as file:  # noqa: PTH123  pathlib would double the size of this process
        file.write(f'{{"wall": {wall}, "cpu": {usage.ru_utime + usage.ru_stime}, "memory": {memory}}}')
    return os.waitstatus_to_exitcode(status)


sys.exit(main())
