"""What a value is: element type and shape."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from resdsl.ir.dims import Dim


class DType(StrEnum):
    """Element types, by the names that the language uses."""

    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    U8 = "u8"
    I64 = "i64"
    OTHER = "other"
    """Any other type, of a value in a network that was read from an ONNX file. The language has no such values."""

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return {"f32": 4, "f16": 2, "bf16": 2, "u8": 1, "i64": 8, "other": 8}[self.value]


class Size(NamedTuple):
    """Height and width, as ``3x3`` writes them."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


class Sides(NamedTuple):
    """How much is added at each side, in pixels."""

    top: int
    left: int
    bottom: int
    right: int

    def __str__(self) -> str:
        return f"[{self.top}, {self.left}, {self.bottom}, {self.right}]"


class Word(str):
    """A bare word of the language where a choice is meant: ``half`` in ``pad = half``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TensorType:
    """Element type and shape; an image batch is ``[N, C, H, W]``."""

    dtype: DType
    shape: tuple[Dim, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def channels(self) -> Dim:
        """The size of the second axis."""
        return self.shape[1]

    def with_shape(self, *shape: Dim) -> TensorType:
        return TensorType(self.dtype, shape)

    def __str__(self) -> str:
        return f"[{', '.join(str(dim) for dim in self.shape)}]"
