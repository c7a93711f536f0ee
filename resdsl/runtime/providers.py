"""ONNX Runtime: the installed package, its execution providers and their options, and its errors."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from resdsl.diagnostics import Diagnostic, Option, Text, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.runtime.captured_output import captured_output, simplified
from resdsl.runtime.device import Device, DeviceOptions, nvidia_driver
from resdsl.runtime.processor import processor

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
"""ONNX Runtime's execution provider for each kind of device."""

ABOUT_THE_DEVICE = re.compile(r"cuda|cudnn|cublas|tensorrt|nvinfer|\bgpu\b", re.IGNORECASE)
"""Matches messages about a GPU rather than about the model."""

_MISSING_LIBRARY = re.compile(r"cannot open shared object file|LoadLibrary failed|Require cuDNN|Please install", re.I)


def onnx_runtime() -> ModuleType:
    """The ``onnxruntime`` module. Raises ``UnavailableError`` if it cannot be imported."""
    try:
        with captured_output() as captured:
            return importlib.import_module("onnxruntime")
    except Exception as error:
        # A missing package, a library that cannot be loaded, or two distributions installed over each other.
        raise UnavailableError(
            Diagnostic(
                catalogue.NO_ONNX_RUNTIME,
                f"ONNX Runtime cannot be loaded: {simplified(str(error))}",
                notes=tuple(captured.errors),
                helps=("reinstall it: `pip install --force-reinstall onnxruntime-gpu` (or `onnxruntime`)",),
            )
        ) from None


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A model and its session options, independent of the device.

    ``profile`` is the path prefix of a profile, ``entries`` are ONNX Runtime session configuration entries.
    """

    onnxruntime: ModuleType
    model: Path | bytes
    name: str
    options: DeviceOptions
    profile: Path | None = None
    entries: Mapping[str, str] = field(default_factory=dict)
    optimize: bool = True
    """Whether ONNX Runtime optimises the graph. Models of `--for-runtime` are optimised already."""
    plan_memory: bool = True
    """Whether runs of shapes that were run before take one block of memory, beside what the first run took."""

    @property
    def version(self) -> str:
        return str(self.onnxruntime.__version__)

    def has(self, device: Device) -> bool:
        """Whether this build of ONNX Runtime supports the device; the machine may still lack it."""
        return PROVIDERS[device.kind] in self.onnxruntime.get_available_providers()

    def native(self, device: Device) -> Any:
        """An ONNX Runtime session on ``device``, without fallback to another one.

        Raises ``UnavailableError`` if the device cannot be used: if ONNX Runtime reports an error, creates a session
        without the device, or assigns none of the model's nodes to it.
        """
        if not self.has(device):
            raise self._refused(device, [f"ONNX Runtime {self.version} is built without it"])
        with captured_output() as captured:
            if device.kind != "cpu":
                preload(self.onnxruntime, device)
            try:
                native = self.onnxruntime.InferenceSession(
                    os.fspath(self.model) if isinstance(self.model, Path) else self.model,
                    self._session_options(),
                    providers=_providers(device, self.options),
                    # The built-in fallback prints a message and continues on the CPU.
                    enable_fallback=0,
                )
            except Exception as error:
                # ONNX Runtime's exceptions have no other common base class.
                failure: str | None = simplified(str(error))
            else:
                failure = None
        if failure is not None and (device.kind == "cpu" or not ABOUT_THE_DEVICE.search(failure)):
            raise _unreadable(self.model, self.name, failure)
        causes = captured.errors + ([failure] if failure else [])
        if failure is not None or PROVIDERS[device.kind] not in native.get_providers():
            raise self._refused(device, causes)
        placed = placement(native)
        if placed and PROVIDERS[device.kind] not in placed:
            where = " and ".join(sorted(placed))
            raise self._refused(
                device, [*causes, f"all {sum(placed.values())} nodes of the model were assigned to {where}"]
            )
        return native

    def _session_options(self) -> Any:
        options = self.onnxruntime.SessionOptions()
        # Errors are raised as well: a log on the terminal would repeat them.
        options.log_severity_level = 4
        if not self.optimize:
            options.graph_optimization_level = self.onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        # With an explicit number, ONNX Runtime does not pin threads to CPUs that a container lacks.
        options.intra_op_num_threads = self.options.threads or processor().threads
        for key, value in {"session.record_ep_graph_assignment_info": "1", **self.entries}.items():
            options.add_session_config_entry(key, value)
        if self.profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = os.fspath(self.profile)
        options.enable_mem_pattern = self.plan_memory
        return options

    def _refused(self, device: Device, causes: list[str]) -> UnavailableError:
        driver = nvidia_driver()
        notes = [f"ONNX Runtime: {cause}" for cause in causes]
        helps = []
        if driver.problem:
            notes.append(driver.problem)
            helps.append("use a machine with an NVIDIA GPU and its driver (`nvidia-smi` lists what the driver sees)")
        elif device.index >= len(driver.gpus):
            gpus = ", ".join(f"`{device.kind}:{index}` ({gpu})" for index, gpu in enumerate(driver.gpus))
            helps.append(f"the GPUs of this machine are {gpus}")
        if not self.has(device):
            helps.append("install the build for GPUs: `pip uninstall onnxruntime`, then `pip install onnxruntime-gpu`")
        elif any(_MISSING_LIBRARY.search(cause) for cause in causes):
            helps += libraries_for(device)
        helps.append(Text(Option("device", "cpu"), " runs it on the CPU"))
        return UnavailableError(
            Diagnostic(
                catalogue.DEVICE_UNUSABLE,
                f"the device `{device}` cannot be used",
                notes=tuple(notes),
                helps=tuple(helps),
            )
        )


def placement(native: Any) -> dict[str, int]:
    """The number of nodes assigned to each provider; empty if this ONNX Runtime does not report it."""
    if not hasattr(native, "get_provider_graph_assignment_info"):
        return {}
    placed: dict[str, int] = {}
    for part in native.get_provider_graph_assignment_info():
        placed[part.ep_name] = placed.get(part.ep_name, 0) + len(part.get_nodes())
    return placed


def preload(onnxruntime: ModuleType, device: Device) -> None:
    """Load the CUDA libraries that pip installed: the system's loader does not find them."""
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    if device.kind == "tensorrt":
        with contextlib.suppress(ImportError, OSError):
            importlib.import_module("tensorrt_libs")


def libraries_for(device: Device) -> tuple[str, ...]:
    """How to install the libraries that a GPU provider needs."""
    cuda = 'install the CUDA libraries: `pip install "onnxruntime-gpu[cuda,cudnn]"`'
    return (cuda, "install TensorRT: `pip install tensorrt`") if device.kind == "tensorrt" else (cuda,)


def _providers(device: Device, options: DeviceOptions) -> list[tuple[str, dict[str, str]]]:
    match device.kind:
        case "cpu":
            return [(PROVIDERS["cpu"], {})]
        case "cuda":
            return [(PROVIDERS["cuda"], _cuda_options(device, options))]
        case _:
            # CUDA runs the operators that TensorRT does not support.
            return [
                (PROVIDERS["tensorrt"], _tensorrt_options(device, options)),
                (PROVIDERS["cuda"], _cuda_options(device, options)),
            ]


def _cuda_options(device: Device, options: DeviceOptions) -> dict[str, str]:
    return {
        "device_id": str(device.index),
        "use_tf32": _flag(options.tf32),
        "cudnn_conv_algo_search": options.conv_search.upper(),
        # With TensorRT, TensorRT records the graph.
        "enable_cuda_graph": _flag(options.cuda_graphs and device.kind == "cuda"),
    }


def _tensorrt_options(device: Device, options: DeviceOptions) -> dict[str, str]:
    settings = {
        "device_id": str(device.index),
        "trt_fp16_enable": _flag(options.trt_fp16),
        "trt_cuda_graph_enable": _flag(options.cuda_graphs),
    }
    if options.trt_cache is not None:
        folder = os.fspath(options.trt_cache)
        settings |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": folder,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": folder,
        }
    return settings


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _unreadable(model: Path | bytes, name: str, reason: str) -> RunError:
    reason = re.sub(r"^Load model from .*? failed: ?", "", reason)
    reason = re.sub(r"^Protobuf parsing failed$", "it is not an ONNX file, or it is truncated", reason)
    helps = ["`resdsl compile` writes models that ONNX Runtime can read"]
    if isinstance(model, Path) and model.suffix == ".res":
        helps = [f"this is a specification: compile it first, `resdsl compile {model} -o {model.with_suffix('.onnx')}`"]
    elif "Could not find an implementation" in reason:
        helps = [
            Text("the device has no kernel for it: compile a `bf16` model again with ", Option("precision", "f16"))
        ]
    elif re.search(r"opset|IR version", reason):
        helps = ["a newer ONNX Runtime may read it: `pip install --upgrade onnxruntime-gpu`"]
    elif re.search(r"external|\.data\b", reason, re.IGNORECASE):
        helps = ["put the file with its weights beside it, under its original name"]
    return RunError.of(catalogue.MODEL_UNREADABLE, f"`{name}` cannot be read: {reason}", helps=tuple(helps))
