"""Inputs and outputs that lie where a model runs, so that a run moves nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# As ONNX Runtime's options of a run have it.
_GRAPH = "gpu_graph_id"
_NO_RECORDING = "-1"


class Binding:
    """One set of inputs for a session, and room for its outputs; made by ``Session.bind``.

    What is allocated stays: a recorded CUDA graph reads and writes the same addresses whenever it is replayed.
    """

    def __init__(
        self,
        onnxruntime: Any,
        native: Any,
        place: tuple[str, int],
        feeds: Mapping[str, Array],
        outputs: Sequence[str],
        graph: int | None,
    ) -> None:
        self._native = native
        self._io = native.io_binding()
        self._outputs = tuple(outputs)
        self._inputs = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), *place)
            for name, array in feeds.items()
        }
        for name, value in self._inputs.items():
            self._io.bind_ortvalue_input(name, value)
        for name in outputs:
            self._io.bind_output(name, *place)
        self._has_room = False
        self._records = graph is not None
        self._plain = onnxruntime.RunOptions()
        self._options = onnxruntime.RunOptions()
        if graph is not None:
            self._plain.add_run_config_entry(_GRAPH, _NO_RECORDING)
            # Each set of addresses has a recording of its own.
            self._options.add_run_config_entry(_GRAPH, str(graph))

    def update(self, feeds: Mapping[str, Array]) -> None:
        """Replace the inputs by arrays of the same shapes and types."""
        for name, array in feeds.items():
            self._inputs[name].update_inplace(np.ascontiguousarray(array))

    def run(self) -> None:
        """Run the model once; what ONNX Runtime raises goes through."""
        if self._has_room:
            self._native.run_with_iobinding(self._io, self._options)
            return
        # How large the outputs are is known only after a run. From here on they are written to where they are.
        self._native.run_with_iobinding(self._io, self._plain)
        for name, value in zip(self._outputs, self._io.get_outputs(), strict=True):
            self._io.bind_ortvalue_output(name, value)
        self._has_room = True
        if self._records:
            self._native.run_with_iobinding(self._io, self._options)

    def values(self) -> dict[str, Array]:
        """Copies of the outputs of the last run, by name."""
        self._io.synchronize_outputs()
        return dict(zip(self._outputs, (np.array(value) for value in self._io.copy_outputs_to_cpu()), strict=True))
