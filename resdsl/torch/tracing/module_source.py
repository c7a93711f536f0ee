"""A module as a source of the importer: its structure is traced, its numbers are those of its tensors."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import fx, nn
from torch.export import ExportedProgram

from resdsl.importer.records import TensorRecord
from resdsl.importer.small import MOST_ITEMS
from resdsl.importer.source import NetworkSource
from resdsl.torch.tracing.trace import Example, trace
from resdsl.torch.tracing.translate import translated

Array = np.ndarray


class ModuleSource(NetworkSource):
    """A module of PyTorch that was traced with an example of its input."""

    noun = "module"
    keeps_names = True

    def __init__(self, name: str, module: nn.Module, example: Example, *, free: Sequence[int] = (0,)) -> None:
        """Raises ``RunError`` if the module cannot be traced."""
        self.name = name
        self.program: ExportedProgram = trace(module, example, name, free=free)
        self.constants = {}
        self.state = tuple(module.state_dict())
        """The names of the tensors in the module's state dict."""
        self._tensors: dict[str, torch.Tensor] = {
            name: tensor.detach()
            for name, tensor in ({**self.program.constants, **self.program.state_dict}).items()
            if isinstance(tensor, torch.Tensor)
        }
        self._drawn: Mapping[str, torch.Tensor] = {}
        self.model = translated(self.program, self._tensors)

    def read(self, key: str) -> Array:
        if key in self._tensors:
            tensor = self._drawn.get(key, self._tensors[key])
            array: Array = tensor.contiguous().numpy()
            return array
        record = self.record(key)
        return np.array(record.numbers, np.float32 if record.element == 1 else np.int64).reshape(record.shape)

    def items(self, record: TensorRecord) -> tuple[float, ...] | None:
        if record.numbers or record.count == 0:
            return record.numbers
        tensor = self._tensors[record.name]
        return tuple(tensor.reshape(-1).tolist()) if tensor.numel() <= MOST_ITEMS else None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of an input that the module takes: two images where their number is open."""
        shape = next(node.meta["val"].shape for node in self.program.graph.nodes if node.name in self._inputs)
        return tuple(size if isinstance(size, int) else _hint(size) for size in shape)

    @property
    def _inputs(self) -> tuple[str, ...]:
        return tuple(self.program.graph_signature.user_inputs)

    @contextmanager
    def with_drawn(self, names: Sequence[str], seed: int) -> Iterator[None]:
        """Replace the tensors of new norms among ``names``: those of one axis that are one number everywhere.

        A new norm is all but the identity, which would hide what is read wrongly.
        """
        plain = [name for name in names if name in self._tensors and _is_plain(self._tensors[name])]
        self._drawn = {name: _drawn(name, self._tensors[name], seed) for name in plain}
        try:
            yield
        finally:
            self._drawn = {}

    def has_value(self, name: str) -> bool:
        """Whether a value of the records is one of the module."""
        return name in self._values

    @property
    def _values(self) -> Mapping[str, str]:
        """The names of calls by the names of their values in the records."""
        calls = {node.name: node.name for node in self.program.graph.nodes if node.op == "call_function"}
        ends = {node.outputs[0]: node.inputs[0] for node in self.model.nodes if node.type == "Identity"}
        given = {self.model.inputs[0].name: self._inputs[0]} if self.model.inputs else {}
        return {**given, **calls, **{name: value for name, value in ends.items() if value in calls}}

    def run(self, image: Array, names: Sequence[str]) -> dict[str, Array]:
        """The values of these names for an input."""
        calls = self._values
        wanted = {calls[name] for name in names}
        kept = _Run(self.program, wanted).of(
            {**self._tensors, **self._drawn}, torch.from_numpy(np.ascontiguousarray(image))
        )
        return {name: kept[calls[name]] for name in names}


def _hint(size: torch.SymInt) -> int:
    return int(size.node.hint)


def _is_plain(tensor: torch.Tensor) -> bool:
    return tensor.ndim == 1 and tensor.is_floating_point() and tensor.numel() > 1 and bool((tensor == tensor[0]).all())


def _drawn(name: str, tensor: torch.Tensor, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed((seed << 32) + zlib.crc32(name.encode()))
    if name.endswith(("running_mean", "bias")):
        return 0.1 * torch.randn(tensor.shape, generator=random)
    return torch.rand(tensor.shape, generator=random) / 2 + 0.75


class _Run(fx.Interpreter):
    """Runs a traced program and keeps some of its values."""

    def __init__(self, program: ExportedProgram, wanted: set[str]) -> None:
        super().__init__(program.graph_module)
        self._program = program
        self._wanted = wanted
        self._kept: dict[str, Array] = {}

    def of(self, tensors: Mapping[str, torch.Tensor], image: torch.Tensor) -> dict[str, Array]:
        specs = self._program.graph_signature.input_specs
        given = [image if spec.target is None else tensors.get(spec.target) for spec in specs]
        with torch.no_grad():
            super().run(*given)
        return self._kept

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        if n.name in self._wanted and isinstance(result, torch.Tensor):
            self._kept[n.name] = result.detach().clone().numpy()
        return result

    def call_function(self, target: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        schema = getattr(target, "_schema", None)
        if schema is not None and schema.is_mutable and args and isinstance(args[0], torch.Tensor):
            args = (args[0].clone(), *args[1:])
        return super().call_function(target, args, kwargs)
