"""The processor: its model, instruction sets, and how much of it this process may use."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")

# The flags of /proc/cpuinfo, and the vendors' names for them.
_FEATURES = {
    "avx2": "AVX2",
    "fma": "FMA",
    "avx512f": "AVX-512",
    "avx_vnni": "AVX-VNNI",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "avx512_fp16": "AVX-512 FP16",
    "amx_int8": "AMX INT8",
    "amx_bf16": "AMX BF16",
    "asimd": "NEON",
    "asimddp": "dot product",
    "asimdhp": "FP16",
    "i8mm": "I8MM",
    "bf16": "BF16",
    "sve": "SVE",
}
_INT8_FEATURES = frozenset({"AVX-VNNI", "AVX-512 VNNI", "AMX INT8", "dot product", "I8MM"})
_BF16_FEATURES = frozenset({"AVX-512 BF16", "AMX BF16", "BF16"})


@dataclass(frozen=True, slots=True)
class Processor:
    """The processor, and the part of it that this process may use.

    ``cores`` are the logical CPUs of the machine, ``allowed`` those that this process may run on (``taskset``, cpuset).
    ``quota`` is the container's CPU time limit in CPUs, ``None`` without a limit. ``features`` are the instruction sets
    that speed up networks.
    """

    model: str
    cores: int
    allowed: int
    quota: float | None
    features: tuple[str, ...]

    @property
    def threads(self) -> int:
        """The number of threads that can run at once."""
        return self.allowed if self.quota is None else max(1, min(self.allowed, math.ceil(self.quota)))

    @property
    def int8(self) -> str:
        """How this processor computes int8 models."""
        instructions = [feature for feature in self.features if feature in _INT8_FEATURES]
        if instructions:
            return f"{' and '.join(instructions)}: the processor has instructions for int8 products"
        if "AVX2" in self.features:
            # vpmaddubsw saturates the sum of two products to 16 bits.
            return (
                "no VNNI: sums of two int8 products can saturate at 16 bits; `resdsl quantize` keeps them within 16 "
                "bits and reports the error of the kernels"
            )
        return "the processor has no instructions for int8 products: float32 is probably as fast"

    @property
    def bf16(self) -> str:
        """How this processor computes bfloat16 models."""
        instructions = [feature for feature in self.features if feature in _BF16_FEATURES]
        if instructions:
            return f"{' and '.join(instructions)}: the processor multiplies bfloat16"
        return "the processor cannot multiply bfloat16: it saves memory, not time"


@cache
def processor() -> Processor:
    """The processor of this machine, as reported by the operating system."""
    text = _read(_CPU_INFO)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Processor(_model(text), os.cpu_count() or allowed, allowed, _quota(), _features(text))


def _model(text: str) -> str:
    match = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()


def _features(text: str) -> tuple[str, ...]:
    match = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    flags = set(match[1].split()) if match else set()
    return tuple(name for flag, name in _FEATURES.items() if flag in flags)


def _quota() -> float | None:
    """The smallest CPU time limit of the control groups (versions 1 and 2) of this process, in CPUs."""
    return min(_quotas(), default=None)


def _quotas() -> Iterator[float]:
    for line in _read(_OWN_CGROUPS).splitlines():
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        # Inside a container the files of its own group are at the root, not at its path.
        groups = [Path(path), *Path(path).parents] if path.startswith("/") else []
        if number == "0":
            for group in groups:
                yield from _ratio(_read(_CGROUPS / group.relative_to("/") / "cpu.max"))
        elif "cpu" in controllers.split(","):
            for group in groups:
                folder = _CGROUPS / "cpu" / group.relative_to("/")
                yield from _ratio(f"{_read(folder / 'cpu.cfs_quota_us')} {_read(folder / 'cpu.cfs_period_us')}")


def _ratio(text: str) -> Iterator[float]:
    """``200000 100000`` is 2 CPUs; ``max`` or -1 is no limit."""
    with contextlib.suppress(ValueError, ZeroDivisionError):
        quota, period = (int(part) for part in text.split())
        if quota > 0:
            yield quota / period


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
