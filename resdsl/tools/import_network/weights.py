"""The weights of an imported network under the names of its text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from resdsl.ir.graph import Parameter
from resdsl.weights.checkpoint import Checkpoint, TensorInfo
from resdsl.weights.save import Saved, TensorHeader, save_safetensors
from resdsl.weights.values import value_of

if TYPE_CHECKING:
    import numpy as np


class ImportedWeights(Checkpoint):
    """The tensors of a network that was read from a file, each computed from the file's when it is read."""

    def __init__(self, name: str, parameters: Mapping[str, Parameter]) -> None:
        super().__init__(Path(name))
        self.metadata = {}
        self._parameters = parameters
        self.tensors = {key: TensorInfo(one.shape, "float32") for key, one in parameters.items()}

    def read(self, key: str) -> np.ndarray:
        return value_of(self._parameters[key])

    def save(self, output: Path) -> Saved:
        """Write them as ``.safetensors``, whole or not at all. Raises ``CompileError``."""
        headers = [TensorHeader(key, info.shape) for key, info in self.tensors.items()]
        return save_safetensors(output, headers, (self.read(key) for key in self.tensors), {})
