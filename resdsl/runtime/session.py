"""A model loaded into ONNX Runtime, on the device that was asked for or not at all."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.runtime.device import Device, nvidia_driver, parse_device
from resdsl.runtime.files import require_file
from resdsl.runtime.problem import EnvironmentProblem, RunProblem
from resdsl.runtime.quiet import capture, in_plain_words

Array = npt.NDArray[Any]

_CPU = "CPUExecutionProvider"
_PROVIDERS = {"cpu": _CPU, "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
_ABOUT_THE_DEVICE = re.compile(r"cuda|cudnn|cublas|tensorrt|nvinfer|\bgpu\b", re.IGNORECASE)
_MISSING_LIBRARY = re.compile(r"cannot open shared object file|LoadLibrary failed|Require cuDNN|Please install", re.I)


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model. A size is an integer, a symbol's name, or ``None`` where nothing is known."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


class Session:
    """A model that is ready to run.

    ``device`` is the one that runs it, as ``parse_device`` writes it; ``reason`` says in a sentence why that one;
    ``providers`` are ONNX Runtime's own account of what it uses. ``name`` is what messages call the model.
    """

    def __init__(self, name: str, device: Device, reason: str, native: Any) -> None:
        self.name = name
        self.device = device
        self.reason = reason
        self.providers: tuple[str, ...] = tuple(native.get_providers())
        self.inputs = tuple(_port(one) for one in native.get_inputs())
        self.outputs = tuple(_port(one) for one in native.get_outputs())
        meta = native.get_modelmeta()
        self.graph_name: str = meta.graph_name
        self.metadata: Mapping[str, str] = dict(meta.custom_metadata_map)
        self._native = native

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """The values of ``outputs`` (all of them, if ``None``) for the inputs ``feeds``, both by name.

        Raises ``RunProblem`` where the model fails on them, ``EnvironmentProblem`` where the device does.
        """
        names = [port.name for port in self.outputs] if outputs is None else list(outputs)
        try:
            values = self._native.run(names, dict(feeds))
        except Exception as error:
            # ONNX Runtime's exceptions have no common base but this one.
            raise self._failed(in_plain_words(str(error))) from None
        return dict(zip(names, (np.asarray(value) for value in values), strict=True))

    def _failed(self, reason: str) -> RunProblem:
        code, message = catalogue.RUN_FAILED, f"`{self.name}` failed on {self.device}: {reason}"
        if re.search(r"out of memory|failed to allocate|bad_alloc|Available memory", reason, re.IGNORECASE):
            way_out = "run fewer images at once, or smaller ones"
            return EnvironmentProblem(Diagnostic(code, message, helps=(way_out,)))
        if self.device.kind != "cpu" and _ABOUT_THE_DEVICE.search(reason):
            return EnvironmentProblem(Diagnostic(code, message, helps=("`--device cpu` runs it on the processor",)))
        return RunProblem.of(code, message, helps=("give it images of the size that its input takes",))


def open_session(
    model: Path | bytes, *, device: str = "auto", threads: int | None = None, tf32: bool = False
) -> Session:
    """Load an ONNX file (or its bytes) for ``device``: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``tensorrt``.

    ``auto`` takes the first GPU if one works and the processor otherwise. Any other device is used or refused: ONNX
    Runtime would go on with the processor, so its own account of the providers decides. ``threads`` is the number of
    processor threads, all that this process may use if ``None``. ``tf32`` lets a GPU round the factors of products
    to 10 bits of mantissa, which is faster and no longer agrees with the processor to float32's precision.

    Raises ``EnvironmentProblem`` where the device or ONNX Runtime itself cannot be used, ``RunProblem`` for a model
    that is missing or cannot be read and for a ``device`` that is not known.
    """
    asked = parse_device(device)
    name = "the model" if isinstance(model, bytes) else str(model)
    if isinstance(model, Path):
        require_file(model, "a model")
    opening = _Opening(_onnx_runtime(), model, name, threads, tf32)
    if asked.kind != "auto":
        return Session(name, asked, f"{asked} was asked for", opening.native(asked))
    return _open_best(opening, name)


def _open_best(opening: _Opening, name: str) -> Session:
    cuda = Device("cuda")
    driver = nvidia_driver()
    if not opening.has(cuda):
        reason = f"ONNX Runtime {opening.version} is built without CUDA"
    elif driver.problem:
        reason = driver.problem
    else:
        try:
            return Session(name, cuda, f"there is a GPU, {driver.gpus[0]}", opening.native(cuda))
        except EnvironmentProblem as problem:
            facts = (problem.diagnostic.message, *problem.diagnostic.notes)
            reason = f"there is a GPU, {driver.gpus[0]}, but {'; '.join(facts)}"
    cpu = Device("cpu")
    return Session(name, cpu, reason, opening.native(cpu))


def _onnx_runtime() -> ModuleType:
    try:
        with capture() as printed:
            return importlib.import_module("onnxruntime")
    except Exception as error:
        # A missing package, a library that doesn't load, two of its packages installed over each other.
        raise EnvironmentProblem(
            Diagnostic(
                catalogue.NO_ONNX_RUNTIME,
                f"ONNX Runtime cannot be loaded: {in_plain_words(str(error))}",
                notes=tuple(printed.errors),
                helps=("install it anew: `pip install --force-reinstall onnxruntime-gpu` (or `onnxruntime`)",),
            )
        ) from None


@dataclass(frozen=True, slots=True)
class _Opening:
    """What is the same whichever device a model is opened for."""

    onnxruntime: ModuleType
    model: Path | bytes
    name: str
    threads: int | None
    tf32: bool

    @property
    def version(self) -> str:
        return str(self.onnxruntime.__version__)

    def has(self, device: Device) -> bool:
        """Whether this build of ONNX Runtime knows the device; that says nothing of this machine."""
        return _PROVIDERS[device.kind] in self.onnxruntime.get_available_providers()

    def native(self, device: Device) -> Any:
        """ONNX Runtime's session on ``device`` and no other."""
        if not self.has(device):
            raise self._refused(device, [f"ONNX Runtime {self.version} is built without it"])
        with capture() as printed:
            if device.kind != "cpu":
                self._preload(device)
            try:
                native = self.onnxruntime.InferenceSession(
                    os.fspath(self.model) if isinstance(self.model, Path) else self.model,
                    self._options(),
                    providers=self._providers(device),
                    # Its own fallback prints and goes on with the processor.
                    enable_fallback=0,
                )
            except Exception as error:
                # ONNX Runtime's exceptions have no common base but this one.
                failure: str | None = in_plain_words(str(error))
            else:
                failure = None
        if failure is None and _PROVIDERS[device.kind] in native.get_providers():
            return native
        if failure is None or (device.kind != "cpu" and _ABOUT_THE_DEVICE.search(failure)):
            raise self._refused(device, printed.errors + ([failure] if failure else []))
        raise _unreadable(self.model, self.name, failure)

    def _options(self) -> Any:
        options = self.onnxruntime.SessionOptions()
        # What goes wrong is raised as well: a log on the user's terminal would tell it twice.
        options.log_severity_level = 4
        # Told the number, ONNX Runtime does not try to pin threads to processors that a container lacks.
        options.intra_op_num_threads = self.threads or _usable_processors()
        return options

    def _providers(self, device: Device) -> list[tuple[str, dict[str, str]]]:
        cuda = (
            _PROVIDERS["cuda"],
            {
                "device_id": str(device.index),
                "use_tf32": "1" if self.tf32 else "0",
                # The exhaustive search, ONNX Runtime's default, takes seconds for every new shape.
                "cudnn_conv_algo_search": "HEURISTIC",
            },
        )
        match device.kind:
            case "cpu":
                return [(_CPU, {})]
            case "cuda":
                return [cuda]
            case _:
                # CUDA takes the operators that TensorRT leaves.
                return [(_PROVIDERS["tensorrt"], {"device_id": str(device.index)}), cuda]

    def _preload(self, device: Device) -> None:
        """Load the CUDA libraries that pip installed, which the system's loader does not find by itself."""
        if hasattr(self.onnxruntime, "preload_dlls"):
            self.onnxruntime.preload_dlls()
        if device.kind == "tensorrt":
            with contextlib.suppress(ImportError, OSError):
                importlib.import_module("tensorrt_libs")

    def _refused(self, device: Device, causes: list[str]) -> EnvironmentProblem:
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
            helps += _libraries_for(device)
        helps.append("`--device cpu` runs it on the processor")
        return EnvironmentProblem(
            Diagnostic(
                catalogue.DEVICE_UNUSABLE,
                f"the device `{device}` cannot be used",
                notes=tuple(notes),
                helps=tuple(helps),
            )
        )


def _libraries_for(device: Device) -> list[str]:
    found = ['install the CUDA libraries: `pip install "onnxruntime-gpu[cuda,cudnn]"`']
    return [*found, "install TensorRT: `pip install tensorrt`"] if device.kind == "tensorrt" else found


def _unreadable(model: Path | bytes, name: str, reason: str) -> RunProblem:
    reason = re.sub(r"^Load model from .*? failed: ?", "", reason)
    reason = re.sub(r"^Protobuf parsing failed$", "it is not an ONNX file, or only a part of one", reason)
    helps = ["`resdsl compile` writes a model that can be run"]
    if isinstance(model, Path) and model.suffix == ".res":
        helps = [f"this is a specification: compile it first, `resdsl compile {model} -o {model.with_suffix('.onnx')}`"]
    elif re.search(r"opset|IR version", reason):
        helps = ["a newer ONNX Runtime may read it: `pip install --upgrade onnxruntime-gpu`"]
    elif re.search(r"external|\.data\b", reason, re.IGNORECASE):
        helps = ["a file with its weights belongs beside it, under the name that it had when it was written"]
    return RunProblem.of(catalogue.MODEL_UNREADABLE, f"`{name}` cannot be read: {reason}", helps=tuple(helps))


def _usable_processors() -> int:
    # A container or `taskset` may allow fewer than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _port(native: Any) -> Port:
    return Port(native.name, native.type, tuple(native.shape))
