"""What an ONNX file holds, as it stands there: nodes, tensors and values, without the numbers of large tensors.

The names follow onnx.proto. A tensor's elements are a place in the file, or in a file beside it, until someone asks for
them: the structure of a model of any size takes the memory of its nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import prod

from resdsl.ir import metadata


class Element(IntEnum):
    """Element types of ``TensorProto`` that the importer computes with."""

    FLOAT = 1
    UINT8 = 2
    INT8 = 3
    INT32 = 6
    INT64 = 7
    BOOL = 9
    FLOAT16 = 10
    DOUBLE = 11
    BFLOAT16 = 16


NUMPY = {
    Element.FLOAT: "f4",
    Element.UINT8: "u1",
    Element.INT8: "i1",
    Element.INT32: "i4",
    Element.INT64: "i8",
    Element.BOOL: "?",
    Element.FLOAT16: "f2",
    Element.DOUBLE: "f8",
    Element.BFLOAT16: "u2",
}
"""The NumPy types of their bytes, which ONNX stores in little-endian order."""


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes of the model file: ``length`` of them from ``start`` on."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """An initializer or a constant attribute.

    ``element`` is the type by its number in ``TensorProto.DataType``. ``raw`` is the place of the bytes of its
    elements, ``numbers`` are elements that are stored as numbers instead, ``external`` the entries that describe where
    they are in another file. A file that was saved without weights has none of the three.
    """

    name: str
    element: int
    shape: tuple[int, ...]
    raw: Place | None = None
    numbers: tuple[float, ...] = ()
    external: Mapping[str, str] | None = None

    @property
    def count(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Subgraph:
    """An attribute that is a graph (the branches of ``If``): it is not read."""

    length: int


AttributeValue = int | float | str | bytes | TensorRecord | Subgraph | tuple[int, ...] | tuple[float, ...] | None


@dataclass(slots=True)
class NodeRecord:
    """A node. ``domain`` is empty for the standard operators; an empty name in ``inputs`` is one left out."""

    type: str
    domain: str = ""
    name: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)

    def integer(self, name: str, default: int = 0) -> int:
        value = self.attributes.get(name, default)
        return value if isinstance(value, int) else default

    def number(self, name: str, default: float) -> float:
        value = self.attributes.get(name, default)
        return float(value) if isinstance(value, int | float) else default

    def word(self, name: str, default: str = "") -> str:
        value = self.attributes.get(name, default)
        return value if isinstance(value, str) else default

    def integers(self, name: str) -> tuple[int, ...] | None:
        value = self.attributes.get(name)
        if isinstance(value, tuple) and all(isinstance(item, int) for item in value):
            return tuple(int(item) for item in value)
        return None


def path_of(record: NodeRecord) -> str:
    """The path of the layer that a node is of, in a file of this package; empty in others."""
    return record.metadata.get(metadata.PATH.key, "")


@dataclass(frozen=True, slots=True)
class ValueRecord:
    """A value and its type: ``shape`` has integers, names of symbolic sizes, and ``None`` for unknown ones.

    ``element`` is 0 and ``shape`` is ``None`` where the file does not state them.
    """

    name: str
    element: int = 0
    shape: tuple[int | str | None, ...] | None = None


REASON = "reason"
"""The metadata of a node that says why it is no operator of the language, where its source knows."""


@dataclass(slots=True)
class ModelRecord:
    """A model. ``opsets`` are versions by domain, ``functions`` counts the operators that the file itself defines."""

    ir_version: int = 0
    producer: str = ""
    producer_version: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    functions: int = 0
    name: str = ""
    nodes: list[NodeRecord] = field(default_factory=list)
    tensors: dict[str, TensorRecord] = field(default_factory=dict)
    inputs: list[ValueRecord] = field(default_factory=list)
    outputs: list[ValueRecord] = field(default_factory=list)
    values: dict[str, ValueRecord] = field(default_factory=dict)
