"""Measure the memory of a model in a separate process.

In a process that has run other models, memory that they freed is reused and would not be counted.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from resdsl.runtime.device import ConvSearch, DeviceOptions
from resdsl.runtime.inputs import random_inputs
from resdsl.runtime.providers import onnx_runtime
from resdsl.runtime.session import open_session

_TIMEOUT = 600
_STATUS = Path("/proc/self/status")


def peak_memory(file: Path, device: DeviceOptions, *, batch: int, size: tuple[int, int] | None) -> int | None:
    """Peak memory in bytes to open the model and run one batch, without ONNX Runtime itself.

    On a GPU this is host memory. ``None`` if the system does not report it, or if the model does not run.
    """
    task = {"file": os.fspath(file), "device": dataclasses.asdict(device), "batch": batch, "size": size}
    process = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(task, default=os.fspath),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT,
    )
    return int(process.stdout) if process.returncode == 0 and process.stdout.strip().isdigit() else None


def _measure(task: dict[str, object]) -> int | None:
    options = task["device"]
    assert isinstance(options, dict)
    cache = options.pop("trt_cache")
    search = ConvSearch(options.pop("conv_search"))
    device = DeviceOptions(**options, conv_search=search, trt_cache=Path(cache) if cache else None)
    onnx_runtime()
    before = _peak()
    session = open_session(Path(str(task["file"])), device=device)
    size, batch = task["size"], task["batch"]
    assert isinstance(batch, int)
    size = (size[0], size[1]) if isinstance(size, list) else None
    session.run(random_inputs(session, batch=batch, size=size, seed=0))
    after = _peak()
    return None if before is None or after is None else after - before


def _peak() -> int | None:
    """Peak resident memory of this process in bytes."""
    if _STATUS.exists():
        # Not getrusage: on Linux its peak includes the parent process before the fork.
        match = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
        return 1024 * int(match[1]) if match else None
    try:
        import resource  # not available on Windows
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(_measure(json.loads(sys.stdin.read())))
