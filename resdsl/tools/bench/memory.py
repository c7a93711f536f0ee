"""The memory that a model takes, measured in a process of its own.

In a process that ran other models, what they freed is taken again and seems to cost nothing.
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

_PATIENCE = 600
_STATUS = Path("/proc/self/status")


def peak_memory(file: Path, device: DeviceOptions, *, batch: int, size: tuple[int, int] | None) -> int | None:
    """Bytes that the process takes at most to open the model and run one batch, ONNX Runtime itself not counted.

    On a GPU that is the memory of the host. ``None`` where the system does not tell, or the model does not run.
    """
    task = {"file": os.fspath(file), "device": dataclasses.asdict(device), "batch": batch, "size": size}
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(task, default=os.fspath),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip().isdigit() else None


def _measure(task: dict[str, object]) -> int | None:
    given = task["device"]
    assert isinstance(given, dict)
    cache = given.pop("trt_cache")
    search = ConvSearch(given.pop("conv_search"))
    device = DeviceOptions(**given, conv_search=search, trt_cache=Path(cache) if cache else None)
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
    """The most that this process has had in memory."""
    if _STATUS.exists():
        # Not getrusage: on Linux its peak goes back to before this program was started, in the process that started it.
        match = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
        return 1024 * int(match[1]) if match else None
    try:
        import resource  # there is none on Windows
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    print(_measure(json.loads(sys.stdin.read())))
