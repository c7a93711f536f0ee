"""Options for the device, shared by the commands that run models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from resdsl.runtime.device import ConvSearch, DeviceOptions

Function = TypeVar("Function", bound=Callable[..., Any])

_GPU_OPTIONS = ("tf32", "conv_search", "cuda_graphs", "trt_fp16", "trt_cache")
_TENSORRT_OPTIONS = ("trt_fp16", "trt_cache")


def device_options(*, threads: bool = True) -> Callable[[Function], Function]:
    """``--device``, ``--threads`` and the GPU options; the command gets one ``device: DeviceOptions``.

    ``threads=False`` leaves ``--threads`` to the command.
    """
    decorators = [
        click.option(
            "--device",
            "device_name",
            metavar="DEVICE",
            default="auto",
            help="auto, cpu, cuda, cuda:1 or tensorrt. No fallback: an unavailable device is an error.",
        ),
        click.option("--tf32", is_flag=True, help="GPU: use TF32 for products: faster, less precise."),
        click.option(
            "--conv-search",
            type=click.Choice([str(search) for search in ConvSearch]),
            callback=lambda _ctx, _option, value: value and ConvSearch(value),
            help="GPU: how cuDNN chooses algorithms (heuristic). exhaustive takes seconds for each new shape.",
        ),
        click.option("--cuda-graphs", is_flag=True, help="GPU: record the kernels of a run once and replay them."),
        click.option("--trt-fp16", is_flag=True, help="TensorRT: compute a float32 model in float16."),
        click.option(
            "--trt-cache",
            metavar="FOLDER",
            type=click.Path(path_type=Path, file_okay=False),
            help="TensorRT: store engines in FOLDER, so that later starts are fast.",
        ),
    ]
    if threads:
        decorators.insert(
            1, click.option("--threads", type=click.IntRange(1), help="CPU threads (default: all available).")
        )

    def decorate(function: Function) -> Function:
        @wraps(function)
        def command(*given: Any, device_name: str, **arguments: Any) -> Any:
            names = [*_GPU_OPTIONS, *(["threads"] if threads else [])]
            options = {name: arguments.pop(name) for name in names}
            used = {name: value for name, value in options.items() if value}
            _require_use(device_name, used)
            return function(*given, device=DeviceOptions(device_name, **used), **arguments)

        decorated: Any = command
        for decorator in reversed(decorators):
            decorated = decorator(decorated)
        return cast("Function", decorated)

    return decorate


def _require_use(device: str, used: Iterable[str]) -> None:
    """Reject options that have no effect on the requested device."""
    kind = device.strip().lower().partition(":")[0]
    useless = {"cpu": _GPU_OPTIONS, "cuda": _TENSORRT_OPTIONS}.get(kind, ())
    for name in used:
        if name in useless:
            where = "TensorRT" if name in _TENSORRT_OPTIONS else "a GPU"
            raise click.UsageError(f"--{name.replace('_', '-')} is for {where}, and the device is {device}")
