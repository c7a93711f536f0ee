"""The options that say what runs a model, for every command that runs one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from resdsl.runtime.device import ConvSearch, DeviceOptions

Function = TypeVar("Function", bound=Callable[..., Any])

_OF_GPUS = ("tf32", "conv_search", "cuda_graphs", "trt_fp16", "trt_cache")
_OF_TENSORRT = ("trt_fp16", "trt_cache")


def device_options(*, threads: bool = True) -> Callable[[Function], Function]:
    """``--device``, ``--threads`` and what is for GPUs; the command gets one ``device: DeviceOptions``.

    ``threads=False`` leaves ``--threads`` to the command, which may give it another meaning.
    """
    decorators = [
        click.option(
            "--device",
            "device_name",
            metavar="DEVICE",
            default="auto",
            help="auto, cpu, cuda, cuda:1 or tensorrt. One that cannot be used is an error, never replaced.",
        ),
        click.option("--tf32", is_flag=True, help="GPU: round the factors of products to 10 bits, which is faster."),
        click.option(
            "--conv-search",
            type=click.Choice([str(search) for search in ConvSearch]),
            callback=lambda _ctx, _option, value: value and ConvSearch(value),
            help="GPU: how cuDNN chooses algorithms (heuristic). exhaustive takes seconds for every new shape.",
        ),
        click.option("--cuda-graphs", is_flag=True, help="GPU: record a run's kernels once and replay them."),
        click.option("--trt-fp16", is_flag=True, help="TensorRT: compute a float32 model in float16."),
        click.option(
            "--trt-cache",
            metavar="FOLDER",
            type=click.Path(path_type=Path, file_okay=False),
            help="TensorRT: keep the engines it builds, so that the next start is fast.",
        ),
    ]
    if threads:
        decorators.insert(
            1, click.option("--threads", type=click.IntRange(1), help="Processor threads; all that may be used.")
        )

    def decorate(function: Function) -> Function:
        @wraps(function)
        def command(*given: Any, device_name: str, **arguments: Any) -> Any:
            names = [*_OF_GPUS, *(["threads"] if threads else [])]
            options = {name: arguments.pop(name) for name in names}
            said = {name: value for name, value in options.items() if value}
            _require_use(device_name, said)
            return function(*given, device=DeviceOptions(device_name, **said), **arguments)

        decorated: Any = command
        for decorator in reversed(decorators):
            decorated = decorator(decorated)
        return cast("Function", decorated)

    return decorate


def _require_use(device: str, said: Iterable[str]) -> None:
    """Refuse an option that could do nothing on the device that was asked for."""
    kind = device.strip().lower().partition(":")[0]
    useless = {"cpu": _OF_GPUS, "cuda": _OF_TENSORRT}.get(kind, ())
    for name in said:
        if name in useless:
            where = "TensorRT" if name in _OF_TENSORRT else "a GPU"
            raise click.UsageError(f"--{name.replace('_', '-')} is for {where}, and --device says {device}")
