"""ONNX Runtime itself: the installed package, its providers and their options, and what it says when it refuses."""

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
from resdsl.runtime.device import Device, DeviceOptions, nvidia_driver
from resdsl.runtime.processor import processor
from resdsl.runtime.quiet import capture, in_plain_words

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
"""ONNX Runtime's name for each kind of device."""

ABOUT_THE_DEVICE = re.compile(r"cuda|cudnn|cublas|tensorrt|nvinfer|\bgpu\b", re.IGNORECASE)
"""Found in messages that are about a GPU rather than about a model."""

_MISSING_LIBRARY = re.compile(r"cannot open shared object file|LoadLibrary failed|Require cuDNN|Please install", re.I)


def onnx_runtime() -> ModuleType:
    """The package. Raises ``UnavailableError`` where it cannot be imported."""
    try:
        with capture() as printed:
            return importlib.import_module("onnxruntime")
    except Exception as error:
        # A missing package, a library that doesn't load, two of its packages installed over each other.
        raise UnavailableError(
            Diagnostic(
                catalogue.NO_ONNX_RUNTIME,
                f"ONNX Runtime cannot be loaded: {in_plain_words(str(error))}",
                notes=tuple(printed.errors),
                helps=("install it anew: `pip install --force-reinstall onnxruntime-gpu` (or `onnxruntime`)",),
            )
        ) from None


@dataclass(frozen=True, slots=True)
class Opening:
    """What is the same whichever device a model is opened for.

    ``profile`` is how the file of a profile begins, ``entries`` are for the configuration of the session.
    """

    onnxruntime: ModuleType
    model: Path | bytes
    name: str
    options: DeviceOptions
    profile: Path | None = None
    entries: Mapping[str, str] = field(default_factory=dict)
    optimised: bool = False
    """Whether the model is one that `--for-runtime` wrote: nothing is left to do, and looking for it takes time."""

    @property
    def version(self) -> str:
        return str(self.onnxruntime.__version__)

    def has(self, device: Device) -> bool:
        """Whether this build of ONNX Runtime knows the device; that says nothing of this machine."""
        return PROVIDERS[device.kind] in self.onnxruntime.get_available_providers()

    def native(self, device: Device) -> Any:
        """ONNX Runtime's session on ``device`` and no other.

        Raises ``UnavailableError`` where the device cannot be used: where ONNX Runtime says so, where its session
        works without it, and where it gives the device none of the model's nodes.
        """
        if not self.has(device):
            raise self._refused(device, [f"ONNX Runtime {self.version} is built without it"])
        with capture() as printed:
            if device.kind != "cpu":
                preload(self.onnxruntime, device)
            try:
                native = self.onnxruntime.InferenceSession(
                    os.fspath(self.model) if isinstance(self.model, Path) else self.model,
                    self._session_options(),
                    providers=_providers(device, self.options),
                    # Its own fallback prints and goes on with the processor.
                    enable_fallback=0,
                )
            except Exception as error:
                # ONNX Runtime's exceptions have no common base but this one.
                failure: str | None = in_plain_words(str(error))
            else:
                failure = None
        if failure is not None and (device.kind == "cpu" or not ABOUT_THE_DEVICE.search(failure)):
            raise _unreadable(self.model, self.name, failure)
        causes = printed.errors + ([failure] if failure else [])
        if failure is not None or PROVIDERS[device.kind] not in native.get_providers():
            raise self._refused(device, causes)
        placed = placement(native)
        if placed and PROVIDERS[device.kind] not in placed:
            where = " and ".join(sorted(placed))
            raise self._refused(device, [*causes, f"all {sum(placed.values())} nodes of the model go to {where}"])
        return native

    def _session_options(self) -> Any:
        options = self.onnxruntime.SessionOptions()
        # What goes wrong is raised as well: a log on the user's terminal would tell it twice.
        options.log_severity_level = 4
        if self.optimised:
            options.graph_optimization_level = self.onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        # Told the number, ONNX Runtime does not try to pin threads to processors that a container lacks.
        options.intra_op_num_threads = self.options.threads or processor().threads
        for key, value in {"session.record_ep_graph_assignment_info": "1", **self.entries}.items():
            options.add_session_config_entry(key, value)
        if self.profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = os.fspath(self.profile)
        return options

    def _refused(self, device: Device, causes: list[str]) -> UnavailableError:
        driver = nvidia_driver()
        notes = [f"ONNX Runtime says: {cause}" for cause in causes]
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
    """How many nodes of the model each provider was given; empty where this ONNX Runtime does not tell."""
    if not hasattr(native, "get_provider_graph_assignment_info"):
        return {}
    placed: dict[str, int] = {}
    for part in native.get_provider_graph_assignment_info():
        placed[part.ep_name] = placed.get(part.ep_name, 0) + len(part.get_nodes())
    return placed


def preload(onnxruntime: ModuleType, device: Device) -> None:
    """Load the CUDA libraries that pip installed, which the system's loader does not find by itself."""
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    if device.kind == "tensorrt":
        with contextlib.suppress(ImportError, OSError):
            importlib.import_module("tensorrt_libs")


def libraries_for(device: Device) -> tuple[str, ...]:
    """How to install what a GPU's provider needs."""
    cuda = 'install the CUDA libraries: `pip install "onnxruntime-gpu[cuda,cudnn]"`'
    return (cuda, "install TensorRT: `pip install tensorrt`") if device.kind == "tensorrt" else (cuda,)


def _providers(device: Device, options: DeviceOptions) -> list[tuple[str, dict[str, str]]]:
    match device.kind:
        case "cpu":
            return [(PROVIDERS["cpu"], {})]
        case "cuda":
            return [(PROVIDERS["cuda"], _cuda_options(device, options))]
        case _:
            # CUDA takes the operators that TensorRT leaves.
            return [
                (PROVIDERS["tensorrt"], _tensorrt_options(device, options)),
                (PROVIDERS["cuda"], _cuda_options(device, options)),
            ]


def _cuda_options(device: Device, options: DeviceOptions) -> dict[str, str]:
    return {
        "device_id": str(device.index),
        "use_tf32": _flag(options.tf32),
        "cudnn_conv_algo_search": options.conv_search.upper(),
        # Under TensorRT it is TensorRT that records.
        "enable_cuda_graph": _flag(options.cuda_graphs and device.kind == "cuda"),
    }


def _tensorrt_options(device: Device, options: DeviceOptions) -> dict[str, str]:
    found = {
        "device_id": str(device.index),
        "trt_fp16_enable": _flag(options.trt_fp16),
        "trt_cuda_graph_enable": _flag(options.cuda_graphs),
    }
    if options.trt_cache is not None:
        folder = os.fspath(options.trt_cache)
        found |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": folder,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": folder,
        }
    return found


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _unreadable(model: Path | bytes, name: str, reason: str) -> RunError:
    reason = re.sub(r"^Load model from .*? failed: ?", "", reason)
    reason = re.sub(r"^Protobuf parsing failed$", "it is not an ONNX file, or only a part of one", reason)
    helps = ["`resdsl compile` writes a model that can be run"]
    if isinstance(model, Path) and model.suffix == ".res":
        helps = [f"this is a specification: compile it first, `resdsl compile {model} -o {model.with_suffix('.onnx')}`"]
    elif "Could not find an implementation" in reason:
        helps = [
            Text("the device has no kernel for it: compile a `bf16` model again with ", Option("precision", "f16"))
        ]
    elif re.search(r"opset|IR version", reason):
        helps = ["a newer ONNX Runtime may read it: `pip install --upgrade onnxruntime-gpu`"]
    elif re.search(r"external|\.data\b", reason, re.IGNORECASE):
        helps = ["a file with its weights belongs beside it, under the name that it had when it was written"]
    return RunError.of(catalogue.MODEL_UNREADABLE, f"`{name}` cannot be read: {reason}", helps=tuple(helps))
