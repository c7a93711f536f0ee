"""Inputs and outputs in the memory of the device, so that a run copies nothing, or nothing but what changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# ONNX Runtime's key in the options of a run.
_GRAPH = "gpu_graph_id"
_NO_RECORDING = "-1"


class Binding:
    """Inputs of a session and memory for its outputs, made by ``Session.bind``.

    Addresses do not change: a recorded CUDA graph reads and writes the same ones each time it is replayed.
    """

    def __init__(
        self,
        onnxruntime: Any,
        native: Any,
        memory: tuple[str, int],
        feeds: Mapping[str, Array],
        outputs: Sequence[str],
        graph: int | None,
    ) -> None:
        self._native = native
        self._io = native.io_binding()
        self._outputs = tuple(outputs)
        self._inputs = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), *memory)
            for name, array in feeds.items()
        }
        for name, value in self._inputs.items():
            self._io.bind_ortvalue_input(name, value)
        for name in outputs:
            self._io.bind_output(name, *memory)
        self._outputs_allocated = False
        self._records = graph is not None
        self._plain = onnxruntime.RunOptions()
        self._options = onnxruntime.RunOptions()
        if graph is not None:
            self._plain.add_run_config_entry(_GRAPH, _NO_RECORDING)
            # Each set of addresses has its own recording.
            self._options.add_run_config_entry(_GRAPH, str(graph))

    def update(self, feeds: Mapping[str, Array]) -> None:
        """Replace the inputs by arrays of the same shapes and types."""
        for name, array in feeds.items():
            self._inputs[name].update_inplace(np.ascontiguousarray(array))

    def run(self) -> None:
        """Run the model once. Exceptions of ONNX Runtime pass through."""
        if self._outputs_allocated:
            self._native.run_with_iobinding(self._io, self._options)
            return
        # The sizes of the outputs are known after the first run; later runs write to the same memory.
        self._native.run_with_iobinding(self._io, self._plain)
        for name, value in zip(self._outputs, self._io.get_outputs(), strict=True):
            self._io.bind_ortvalue_output(name, value)
        self._outputs_allocated = True
        if self._records:
            self._native.run_with_iobinding(self._io, self._options)

    def values(self) -> dict[str, Array]:
        """Copies of the outputs of the last run, by name."""
        self._io.synchronize_outputs()
        return dict(zip(self._outputs, (np.array(value) for value in self._io.copy_outputs_to_cpu()), strict=True))


class StateBinding:
    """Inputs of a session whose values stay in the memory of the device, and outputs that are written over them.

    Made by ``Session.bind_state``. A model may be run so if it reads no such input after it has computed the output.
    """

    def __init__(self, onnxruntime: Any, native: Any, memory: tuple[str, int]) -> None:
        self._onnxruntime = onnxruntime
        self._native = native
        self._memory = memory
        self._io = native.io_binding()
        self._values: dict[str, Any] = {}
        self._outputs: dict[str, None] = {}

    def set(self, name: str, array: Array) -> None:
        """Set an input to a copy of ``array``."""
        self.share(name, self._onnxruntime.OrtValue.ortvalue_from_numpy(np.array(array, order="C"), *self._memory))

    def share(self, name: str, value: Any) -> None:
        """Set an input to a value that another binding has."""
        self._values[name] = value
        self._io.bind_ortvalue_input(name, value)

    def write_over(self, name: str, output: str) -> None:
        """Write an output to the memory of an input that was set."""
        self._io.bind_ortvalue_output(output, self._values[name])
        self._outputs[output] = None

    def value(self, name: str) -> Any:
        """The value of an input."""
        return self._values[name]

    def array(self, name: str) -> Array:
        """A copy of the value of an input."""
        return np.array(self._values[name].numpy())

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run the model on the inputs that were set and ``feeds``. Exceptions of ONNX Runtime pass through."""
        for name, array in feeds.items():
            self._io.bind_ortvalue_input(name, self._onnxruntime.OrtValue.ortvalue_from_numpy(array, *self._memory))
        for name in outputs:
            self._io.bind_output(name, "cpu")
            self._outputs[name] = None
        self._native.run_with_iobinding(self._io)
        self._io.synchronize_outputs()
        # In the order in which outputs were bound first.
        bound = dict(zip(self._outputs, self._io.get_outputs(), strict=True))
        return [bound[name].numpy() for name in outputs]
