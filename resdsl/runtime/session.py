"""A model loaded into ONNX Runtime, on the device that was asked for or not at all."""

from __future__ import annotations

import dataclasses
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
from resdsl.runtime.binding import Binding
from resdsl.runtime.device import Device, DeviceOptions, nvidia_driver, parse_device
from resdsl.runtime.files import require_file
from resdsl.runtime.optimised import made_for, require_this_machine
from resdsl.runtime.providers import ABOUT_THE_DEVICE, Opening, onnx_runtime, placement
from resdsl.runtime.quiet import in_plain_words

Array = npt.NDArray[Any]
Result = TypeVar("Result")

WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
"""An entry for models from memory: the folder of the file of weights that they refer to."""

_MOST_RECORDINGS = 4


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model. A size is an integer, a symbol's name, or ``None`` where nothing is known."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]

    @property
    def sizes(self) -> str:
        """The shape as specifications write it: ``[N, 3, 224, 224]``."""
        return f"[{', '.join('?' if size is None else str(size) for size in self.shape)}]"


class Session:
    """A model that is ready to run.

    ``device`` is the one that runs it, as ``parse_device`` writes it; ``reason`` says in a sentence why that one;
    ``providers`` are ONNX Runtime's own account of what it uses, and ``placement`` of how many nodes each was given
    (empty where it does not tell). ``name`` is what messages call the model.
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
        self.inputs = tuple(_port(one) for one in native.get_inputs())
        self.outputs = tuple(_port(one) for one in native.get_outputs())
        meta = native.get_modelmeta()
        self.graph_name: str = meta.graph_name
        self.metadata: Mapping[str, str] = dict(meta.custom_metadata_map)
        self._native = native
        self._onnxruntime = onnxruntime
        self._bindings = 0
        self._recordings: dict[tuple[object, ...], Binding] = {}

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """The values of ``outputs`` (all of them, if ``None``) for the inputs ``feeds``, both by name.

        Raises ``RunError`` where the model fails on them, ``UnavailableError`` where the device does.
        """
        names = [port.name for port in self.outputs] if outputs is None else list(outputs)
        if self.records:
            return self._replay(feeds, names)
        values = self._told(lambda: self._native.run(names, dict(feeds)))
        return dict(zip(names, (np.asarray(value) for value in values), strict=True))

    @property
    def records(self) -> bool:
        """Whether runs are recorded as CUDA graphs and replayed."""
        return self.options.cuda_graphs and self.device.kind != "cpu"

    def bind(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> Binding:
        """``feeds`` copied to where the model runs, for runs of them that copy nothing; ``run_bound`` runs them."""
        names = [port.name for port in self.outputs] if outputs is None else list(outputs)
        place = ("cpu", 0) if self.device.kind == "cpu" else ("cuda", self.device.index)
        self._bindings += 1
        graph = self._bindings if self.records else None
        return self._told(lambda: Binding(self._onnxruntime, self._native, place, feeds, names, graph))

    def run_bound(self, binding: Binding) -> None:
        """Run the model on the inputs of ``binding``, which gives the ``values``. Raises as ``run`` does."""
        self._told(binding.run)

    def end_profile(self) -> Path:
        """The file of the profile, which is complete now. Only for a session that was opened with ``profile``."""
        return Path(self._native.end_profiling())

    def _replay(self, feeds: Mapping[str, Array], outputs: list[str]) -> dict[str, Array]:
        """Run through what was recorded for inputs of these shapes, the latest few of which are kept."""
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

    def _told(self, act: Callable[[], Result]) -> Result:
        try:
            return act()
        except Exception as error:
            # ONNX Runtime's exceptions have no common base but this one.
            raise self._failed(in_plain_words(str(error))) from None

    def _failed(self, reason: str) -> RunError:
        code, message = catalogue.RUN_FAILED, f"`{self.name}` failed on {self.device}: {reason}"
        if re.search(r"out of memory|failed to allocate|bad_alloc|Available memory", reason, re.IGNORECASE):
            way_out = "run fewer images at once, or smaller ones"
            return UnavailableError(Diagnostic(code, message, helps=(way_out,)))
        if self.device.kind != "cpu" and ABOUT_THE_DEVICE.search(reason):
            return UnavailableError(
                Diagnostic(code, message, helps=(Text(Option("device", "cpu"), " runs it on the CPU"),))
            )
        return RunError.of(code, message, helps=("give it images of the size that its input takes",))


def open_session(
    model: Path | bytes,
    *,
    device: str | DeviceOptions = "auto",
    threads: int | None = None,
    name: str | None = None,
    profile: Path | None = None,
    entries: Mapping[str, str] = MappingProxyType({}),
) -> Session:
    """Load an ONNX file (or its bytes) for ``device``: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``tensorrt``.

    ``auto`` takes the first GPU if one works and the processor otherwise. Any other device is used or refused: ONNX
    Runtime would go on with the processor, so its own account of the providers, and of the nodes that each was given,
    decides. ``device`` may also be ``DeviceOptions``, which say more; ``threads`` is the number of processor threads,
    and wins over theirs. ``name`` is what messages call the model. With ``profile`` every run is recorded node by node
    in a file whose name begins so; ``Session.end_profile`` gives it. ``entries`` go to ONNX Runtime's configuration of
    the session as they are.

    Raises ``UnavailableError`` where the device or ONNX Runtime itself cannot be used, ``RunError`` for a model
    that is missing or cannot be read and for a ``device`` that is not known.
    """
    options = DeviceOptions(device) if isinstance(device, str) else device
    if threads is not None:
        options = dataclasses.replace(options, threads=threads)
    asked = parse_device(options.device)
    name = name or ("the model" if isinstance(model, bytes) else str(model))
    if isinstance(model, Path):
        require_file(model, "a model")
    made = made_for(model)
    opening = Opening(onnx_runtime(), model, name, options, profile, entries, optimised=made is not None)
    if made is not None:
        require_this_machine(made, name, asked)
        return _session(opening, Device("cpu"), "the model was made for this machine's processor")
    if asked.kind != "auto":
        return _session(opening, asked, f"{asked} was asked for")
    return _open_best(opening)


def _open_best(opening: Opening) -> Session:
    cuda = Device("cuda")
    driver = nvidia_driver()
    if not opening.has(cuda):
        reason = f"ONNX Runtime {opening.version} is built without CUDA"
    elif driver.problem:
        reason = driver.problem
    else:
        try:
            return _session(opening, cuda, f"there is a GPU, {driver.gpus[0]}")
        except UnavailableError as problem:
            facts = (problem.diagnostic.message, *problem.diagnostic.notes)
            reason = f"there is a GPU, {driver.gpus[0]}, but {'; '.join(facts)}"
    return _session(opening, Device("cpu"), reason)


def _session(opening: Opening, device: Device, reason: str) -> Session:
    return Session(opening.name, device, reason, opening.native(device), opening.onnxruntime, opening.options)


def _port(native: Any) -> Port:
    return Port(native.name, native.type, tuple(native.shape))
