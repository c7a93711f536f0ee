"""The memory that a run may use."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

_MEMORY = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60


def available_memory(device: str) -> int | None:
    """Bytes that are free on ``cpu`` or on a GPU, ``cuda:1``; ``None`` if the system does not say."""
    return _of_gpu(int(device.partition(":")[2] or 0)) if device.startswith("cuda") else _of_machine()


def _of_machine() -> int | None:
    """What the kernel counts as available, and what the container may still use."""
    match = re.search(r"^MemAvailable:\s+(\d+) kB$", _read(_MEMORY), re.MULTILINE)
    found = [1024 * int(match[1])] if match else []
    for limit, used in (
        (_CGROUP / "memory.max", _CGROUP / "memory.current"),
        (_CGROUP / "memory" / "memory.limit_in_bytes", _CGROUP / "memory" / "memory.usage_in_bytes"),
    ):
        most, now = _read(limit).strip(), _read(used).strip()
        if most.isdigit() and now.isdigit() and int(most) < _UNLIMITED:
            found.append(max(0, int(most) - int(now) + _cached()))
    return min(found, default=None)


def _cached() -> int:
    """Pages of files that the container may give back."""
    match = re.search(r"^inactive_file (\d+)$", _read(_CGROUP / "memory.stat"), re.MULTILINE)
    return int(match[1]) if match else 0


class _GpuMemory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def _of_gpu(index: int) -> int | None:
    """From the management library of the driver, which needs no context on the GPU."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    handle, memory = ctypes.c_void_p(), _GpuMemory()
    if library.nvmlInit_v2():
        return None
    try:
        if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
            return None
        return memory.free if library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0 else None
    finally:
        library.nvmlShutdown()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
