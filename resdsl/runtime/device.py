"""Names and options of devices, and the GPUs that the NVIDIA driver reports."""

from __future__ import annotations

import ctypes
import re
import sys
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest

KINDS = ("auto", "cpu", "cuda", "tensorrt")

_ALIASES = {"gpu": "cuda", "nvidia": "cuda", "trt": "tensorrt", "processor": "cpu"}
_NAME = re.compile(r"([a-z]+)(?::(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Device:
    """``cuda:1``: the kind of device and its index."""

    kind: str
    index: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind in ("auto", "cpu") else f"{self.kind}:{self.index}"


class ConvSearch(StrEnum):
    """How cuDNN chooses the algorithm of a convolution.

    ``EXHAUSTIVE`` measures all of them, which takes seconds for each new shape; ``HEURISTIC`` uses cuDNN's heuristics;
    ``DEFAULT`` uses the algorithm that always works.
    """

    EXHAUSTIVE = "exhaustive"
    HEURISTIC = "heuristic"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """The device that runs a model, and its settings. All but ``device`` and ``threads`` affect GPUs only.

    ``device`` is a name that ``parse_device`` accepts; ``threads`` is the number of CPU threads (``None``: all that
    this process may use). ``tf32`` rounds the factors of products to a 10-bit mantissa on the GPU: faster, but results
    no longer match the CPU to float32 precision. ``cuda_graphs`` records the kernels of a run once for each input shape
    and replays them, which saves launching them one by one; every node must run on the GPU. ``trt_fp16`` lets TensorRT
    compute a float32 model in float16 (CUDA uses the model's own types: compile it in float16). ``trt_cache`` is the
    folder where TensorRT stores its engines, which take minutes to build.
    """

    device: str = "auto"
    threads: int | None = None
    tf32: bool = False
    conv_search: ConvSearch = ConvSearch.HEURISTIC
    cuda_graphs: bool = False
    trt_fp16: bool = False
    trt_cache: Path | None = None

    @classmethod
    def of(cls, device: str | DeviceOptions, threads: int | None = None) -> DeviceOptions:
        """Those that a caller gives as a name or as options; ``threads`` takes precedence over theirs."""
        options = cls(device) if isinstance(device, str) else device
        return options if threads is None else replace(options, threads=threads)


def parse_device(text: str) -> Device:
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``tensorrt``, ``tensorrt:1``. Raises ``RunError`` for another text."""
    match = _NAME.fullmatch(text.strip().lower())
    kind = match[1] if match else ""
    if match and kind in KINDS and (match[2] is None or kind not in ("auto", "cpu")):
        return Device(kind, int(match[2] or 0))
    word = re.split(r"[^a-z]", text.strip().lower())[0]
    near = _ALIASES.get(word) or (word if word in KINDS else closest(word, KINDS))
    raise RunError.of(
        catalogue.DEVICE_NAME,
        f"unknown device `{text}`",
        helps=(
            *((f"did you mean `{near}`?",) if near and near != text else ()),
            "the devices are `auto`, `cpu`, `cuda` and `tensorrt`; `cuda:1` is the second GPU",
        ),
    )


@dataclass(frozen=True, slots=True)
class Driver:
    """The names of the GPUs that the NVIDIA driver reports, or why there are none."""

    gpus: tuple[str, ...] = ()
    problem: str | None = None


@cache
def nvidia_driver() -> Driver:
    """The GPUs, from the driver library itself.

    This needs no CUDA toolkit, and distinguishes a machine without a GPU from one without the CUDA libraries.
    """
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        cuda = ctypes.CDLL(library)
    except OSError:
        return Driver(problem=f"no NVIDIA driver is installed (there is no {library})")
    status = cuda.cuInit(0)
    if status:
        return Driver(problem=f"the NVIDIA driver cannot be used: {_error_text(cuda, status)}")
    count = ctypes.c_int(0)
    status = cuda.cuDeviceGetCount(ctypes.byref(count))
    if status or count.value == 0:
        return Driver(problem="the NVIDIA driver finds no GPU")
    return Driver(tuple(_gpu_name(cuda, index) for index in range(count.value)))


def _error_text(cuda: ctypes.CDLL, status: int) -> str:
    text = ctypes.c_char_p()
    if cuda.cuGetErrorString(status, ctypes.byref(text)) or not text.value:
        return f"error {status}"
    return f"{text.value.decode(errors='replace')} (error {status})"


def _gpu_name(cuda: ctypes.CDLL, index: int) -> str:
    device = ctypes.c_int(0)
    name = ctypes.create_string_buffer(128)
    if cuda.cuDeviceGet(ctypes.byref(device), index) or cuda.cuDeviceGetName(name, len(name), device):
        return f"GPU {index}"
    return name.value.decode(errors="replace")
