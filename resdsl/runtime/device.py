"""Names and options of devices, and what the NVIDIA driver says of this machine."""

from __future__ import annotations

import ctypes
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest

KINDS = ("auto", "cpu", "cuda", "tensorrt")

_OTHER_WORDS = {"gpu": "cuda", "nvidia": "cuda", "trt": "tensorrt", "processor": "cpu"}
_NAME = re.compile(r"([a-z]+)(?::(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Device:
    """``cuda:1``: what kind of device, and which one of its kind."""

    kind: str
    index: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind in ("auto", "cpu") else f"{self.kind}:{self.index}"


class ConvSearch(StrEnum):
    """How cuDNN chooses the algorithm of a convolution.

    ``EXHAUSTIVE`` tries them all, which takes seconds for every new shape; ``HEURISTIC`` lets cuDNN guess, and
    ``DEFAULT`` takes the one that always works.
    """

    EXHAUSTIVE = "exhaustive"
    HEURISTIC = "heuristic"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """What runs a model, and how. All but ``device`` and ``threads`` are for GPUs, and do nothing on the processor.

    ``device`` is a name that ``parse_device`` knows; ``threads`` the number of processor threads, all that this process
    may use if ``None``. ``tf32`` lets a GPU round the factors of products to 10 bits of mantissa, which is faster and
    no longer agrees with the processor to float32's precision. ``cuda_graphs`` records the kernels of a run once for
    each shape of the input and replays them, which spares the time to launch them one by one; every node must run on
    the GPU. ``trt_fp16`` lets TensorRT compute a float32 model in float16 (CUDA computes in the model's own types:
    compile it in float16). ``trt_cache`` is a folder where TensorRT keeps the engines it built, which takes minutes.
    """

    device: str = "auto"
    threads: int | None = None
    tf32: bool = False
    conv_search: ConvSearch = ConvSearch.HEURISTIC
    cuda_graphs: bool = False
    trt_fp16: bool = False
    trt_cache: Path | None = None


def parse_device(text: str) -> Device:
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``tensorrt``, ``tensorrt:1``. Raises ``RunError`` for another text."""
    match = _NAME.fullmatch(text.strip().lower())
    kind = match[1] if match else ""
    if match and kind in KINDS and (match[2] is None or kind not in ("auto", "cpu")):
        return Device(kind, int(match[2] or 0))
    word = re.split(r"[^a-z]", text.strip().lower())[0]
    near = _OTHER_WORDS.get(word) or (word if word in KINDS else closest(word, KINDS))
    raise RunError.of(
        catalogue.DEVICE_NAME,
        f"unknown device `{text}`",
        helps=(
            *((f"did you mean `{near}`?",) if near and near != text else ()),
            "the devices are `auto`, `cpu`, `cuda`, `tensorrt`, and `cuda:1` for the second GPU",
        ),
    )


@dataclass(frozen=True, slots=True)
class Driver:
    """The NVIDIA driver: the names of its GPUs, or why there are none."""

    gpus: tuple[str, ...] = ()
    problem: str | None = None


@cache
def nvidia_driver() -> Driver:
    """What the driver itself says.

    Asking it needs no CUDA toolkit, and tells a machine without a GPU from one whose CUDA libraries are missing.
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
