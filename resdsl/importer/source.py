"""Where a network is read from: its structure as records, and the numbers of its tensors."""

from __future__ import annotations

from pathlib import Path

from resdsl.importer.records import ModelRecord, TensorRecord
from resdsl.ir.graph import CheckpointReader


class NetworkSource(CheckpointReader):
    """A network that another tool made. ``read`` gives the numbers of a tensor when someone asks for them."""

    path: Path | None = None
    given_shape: tuple[int | str, ...] | None = None
    """The shape that the user gives the input, with channels first; ``None`` for that of the file."""
    model: ModelRecord
    constants: dict[str, TensorRecord]
    """Tensors that are attributes of nodes, by the name of the value."""

    noun = "file"
    """What it is called in messages."""

    keeps_names = False
    """Whether the names of its tensors are those that others know; exporters make up names and lose modules."""

    def record(self, name: str) -> TensorRecord:
        return self.model.tensors.get(name) or self.constants[name]

    def items(self, record: TensorRecord) -> tuple[float, ...] | None:
        """The elements of a small tensor, as Python numbers; ``None`` where they are not known."""
        raise NotImplementedError

    def has_numbers(self, record: TensorRecord) -> bool:
        """Whether the elements of this tensor can be read."""
        return True
