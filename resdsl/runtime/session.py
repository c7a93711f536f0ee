"""A model loaded into ONNX Runtime on the requested device, without fallback to another one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Diagnostic, Option, Text, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.runtime.binding import Binding, StateBinding
from resdsl.runtime.captured_output import simplified
from resdsl.runtime.device import Device, DeviceOptions, nvidia_driver, parse_device
from resdsl.runtime.files import require_file, require_no_pointer
from resdsl.runtime.optimised import made_for, require_this_machine
from resdsl.runtime.providers import ABOUT_THE_DEVICE, SessionRequest, onnx_runtime, placement

Array = npt.NDArray[Any]
Result = TypeVar("Result")

WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
"""A configuration entry for models from memory: the folder of their external weights."""

_MOST_RECORDINGS = 4


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model. A size is an integer, a symbol's name, or ``None`` if it is unknown."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]

    @property
    def sizes(self) -> str:
        """The shape as specifications write it: ``[N, 3, 224, 224]``."""
        return f"[{', '.join('?' if size is None else str(size) for size in self.shape)}]"


class Session:
    """A model that is ready to run.

    ``device`` runs it, and ``reason`` is the reason for that choice. ``providers`` are the execution providers in use,
    ``placement`` the number of nodes assigned to each (empty if ONNX Runtime does not report it). ``name`` is used in
    messages.
    """

    def __init__(
        self, name: str, device: Device, reason: str, native: Any, onnxruntime: Any, options: DeviceOptions
    ) -> None:
        self.name = name
        self.device = device
        self.reason = reason
        self.options = options
        self.providers: tuple[str, ...] = tuple(native.get_providers())
        self.placement: Mapping[str, int] = placement(native)
        try:
            self.inputs = tuple(_port(one) for one in native.get_inputs())
            self.outputs = tuple(_port(one) for one in native.get_outputs())
            meta = native.get_modelmeta()
            self.graph_name: str = meta.graph_name
            self.metadata: Mapping[str, str] = dict(meta.custom_metadata_map)
        except UnicodeDecodeError:
            raise RunError.of(
                catalogue.MODEL_UNREADABLE,
                f"`{name}` cannot be read: a name or its metadata is not UTF-8",
                helps=("export the model again",),
            ) from None
        self._native = native
        self._onnxruntime = onnxruntime
        self._bindings = 0
        self._recordings: dict[tuple[object, ...], Binding] = {}

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """The values of ``outputs`` (``None``: all of them) for the inputs ``feeds``, both by name.

        Raises ``RunError`` if the model fails on these inputs, ``UnavailableError`` if the device fails.
        """
        names = [port.name for port in self.outputs] if outputs is None else list(outputs)
        if self.records:
            return self._replay(feeds, names)
        values = self._with_diagnostics(lambda: self._native.run(names, dict(feeds)))
        return dict(zip(names, (np.asarray(value) for value in values), strict=True))

    @property
    def records(self) -> bool:
        """Whether runs are recorded as CUDA graphs and replayed."""
        return self.options.cuda_graphs and self.device.kind != "cpu"

    def bind(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> Binding:
        """``feeds`` copied to the memory of the device once; ``run_bound`` then runs them without copies."""
        names = [port.name for port in self.outputs] if outputs is None else list(outputs)
        memory = self._memory
        self._bindings += 1
        graph = self._bindings if self.records else None
        return self._with_diagnostics(lambda: Binding(self._onnxruntime, self._native, memory, feeds, names, graph))

    def run_bound(self, binding: Binding) -> None:
        """Run the model on the inputs of ``binding``, which then has the ``values``. Raises as ``run`` does."""
        self._with_diagnostics(binding.run)

    def bind_state(self) -> StateBinding:
        """A binding whose inputs stay in the memory of the device between runs, and can be written by outputs."""
        return StateBinding(self._onnxruntime, self._native, self._memory)

    def run_state(self, binding: StateBinding, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """The values of ``outputs`` for the state of ``binding`` and ``feeds``. Raises as ``run`` does."""
        return self._with_diagnostics(lambda: binding.run(feeds, outputs))

    @property
    def _memory(self) -> tuple[str, int]:
        return ("cpu", 0) if self.device.kind == "cpu" else ("cuda", self.device.index)

    def end_profile(self) -> Path:
        """Finish the profile and return its file. Only for a session opened with ``profile``."""
        return Path(self._native.end_profiling())

    def _replay(self, feeds: Mapping[str, Array], outputs: list[str]) -> dict[str, Array]:
        """Replay the CUDA graph recorded for these shapes; the most recent graphs are kept."""
        key = (*((name, array.shape, str(array.dtype)) for name, array in sorted(feeds.items())), *outputs)
        binding = self._recordings.pop(key, None)
        if binding is None:
            binding = self.bind(feeds, outputs)
        else:
            binding.update(feeds)
        self._recordings[key] = binding
        if len(self._recordings) > _MOST_RECORDINGS:
            del self._recordings[next(iter(self._recordings))]
        self.run_bound(binding)
        return binding.values()

    def _with_diagnostics(self, act: Callable[[], Result]) -> Result:
        try:
            return act()
        except Exception as error:
            # ONNX Runtime's exceptions have no other common base class.
            raise self._failed(simplified(str(error))) from None

    def _failed(self, reason: str) -> RunError:
        code, message = catalogue.RUN_FAILED, f"`{self.name}` failed on {self.device}: {reason}"
        if re.search(r"out of memory|failed to allocate|bad_alloc|Available memory", reason, re.IGNORECASE):
            return UnavailableError(Diagnostic(code, message, helps=("run smaller batches or smaller images",)))
        if self.device.kind != "cpu" and ABOUT_THE_DEVICE.search(reason):
            return UnavailableError(
                Diagnostic(code, message, helps=(Text(Option("device", "cpu"), " runs it on the CPU"),))
            )
        return RunError.of(code, message, helps=("use images of the size of its input",))


def open_session(
    model: Path | str | bytes,
    *,
    device: str | DeviceOptions = "auto",
    threads: int | None = None,
    name: str | None = None,
    profile: Path | None = None,
    entries: Mapping[str, str] = MappingProxyType({}),
    optimize: bool = True,
    plan_memory: bool = True,
) -> Session:
    """Load an ONNX file (or its bytes) on ``device``: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``tensorrt``.

    ``auto`` uses the first GPU if it works, otherwise the CPU. Any other device is used, or an error: ONNX Runtime
    would silently fall back to the CPU, so the providers of the session and the nodes assigned to them are checked.
    ``device`` may also be ``DeviceOptions``; ``threads``, the number of CPU threads, takes precedence over theirs.
    ``name`` is used in messages. With ``profile`` each run is recorded node by node, in a file with that path prefix
    (see ``Session.end_profile``). ``entries`` are ONNX Runtime session configuration entries. Without ``optimize`` the
    graph runs as written, node by node. Without ``plan_memory`` no block is kept for all values of a run.

    Raises ``UnavailableError`` if the device or ONNX Runtime cannot be used, ``RunError`` for a model that is missing
    or invalid, and for an unknown ``device``.
    """
    model = Path(model) if isinstance(model, str) else model
    options = DeviceOptions.of(device, threads)
    requested = parse_device(options.device)
    name = name or ("the model" if isinstance(model, bytes) else str(model))
    if isinstance(model, Path):
        require_file(model, "a model", regular=True)
        require_no_pointer(model)
    made = made_for(model)
    request = SessionRequest(
        onnx_runtime(),
        model,
        name,
        options,
        profile,
        entries,
        optimize=optimize and made is None,
        plan_memory=plan_memory,
    )
    if made is not None:
        require_this_machine(made, name, requested)
        return _session(request, Device("cpu"), "the model was compiled for this machine's CPU")
    if requested.kind != "auto":
        return _session(request, requested, f"{requested} was requested")
    return _open_best(request)


def _open_best(request: SessionRequest) -> Session:
    cuda = Device("cuda")
    driver = nvidia_driver()
    if not request.has(cuda):
        reason = f"ONNX Runtime {request.version} is built without CUDA"
    elif driver.problem:
        reason = driver.problem
    else:
        try:
            return _session(request, cuda, f"found a GPU, {driver.gpus[0]}")
        except UnavailableError as problem:
            facts = (problem.diagnostic.message, *problem.diagnostic.notes)
            reason = f"found a GPU, {driver.gpus[0]}, but {'; '.join(facts)}"
    return _session(request, Device("cpu"), reason)


def _session(request: SessionRequest, device: Device, reason: str) -> Session:
    return Session(request.name, device, reason, request.native(device), request.onnxruntime, request.options)


def _port(native: Any) -> Port:
    return Port(native.name, native.type, tuple(native.shape))
