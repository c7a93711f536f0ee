"""Weights that a file stores in another form than the language: functions of its tensors, computed when read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resdsl.importer.draft import Constant, Tensor
from resdsl.ir.graph import Derived, DerivedFunction, Parameter, Stored, ValueSource
from resdsl.ir.types import DType

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Literal(DerivedFunction):
    """Numbers that stand in the graph itself."""

    numbers: tuple[float, ...]
    shape: tuple[int, ...]
    name = "literal"

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.array(self.numbers, np.float32).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Filled(DerivedFunction):
    """One number everywhere."""

    number: float
    shape: tuple[int, ...]
    name = "fill"

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.full(self.shape, self.number, np.float32)


@dataclass(frozen=True, slots=True)
class Transposed(DerivedFunction):
    """The axes in another order."""

    perm: tuple[int, ...]
    name = "transpose"

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        return arrays[0].transpose(self.perm)


@dataclass(frozen=True, slots=True)
class Reshaped(DerivedFunction):
    """The same elements in another shape; one element is repeated."""

    shape: tuple[int, ...]
    name = "reshape"

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        import numpy as np

        (array,) = arrays
        if array.size == 1:
            return np.broadcast_to(array.reshape((1,) * len(self.shape)), self.shape).copy()
        return array.reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Rows(DerivedFunction):
    """Places ``start`` to ``stop`` of the first axis."""

    start: int
    stop: int
    name = "rows"

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        return arrays[0][self.start : self.stop]


@dataclass(frozen=True, slots=True)
class Scaled(DerivedFunction):
    """Every element times a factor."""

    factor: float
    name = "scale"

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        import numpy as np

        return (arrays[0] * np.float32(self.factor)).astype(np.float32)


def source_of(constant: Constant) -> ValueSource:
    """Where the numbers of a constant come from."""
    if constant.source is not None:
        return constant.source
    return Derived(Literal(tuple(float(item) for item in constant.items or ()), constant.shape), ())  # type: ignore[arg-type]


def operand(name: str, shape: tuple[int, ...], source: ValueSource) -> Parameter:
    return Parameter(name, shape, DType.F32, trainable=True, source=source, node=-1)


def stored(constant: Constant) -> Tensor:
    """The tensor as the file has it."""
    return Tensor(origin(constant), constant.shape, source_of(constant))


def derived(function: DerivedFunction, shape: tuple[int, ...], *constants: Constant | Tensor) -> Tensor:
    """A tensor of this shape computed from others."""
    operands = tuple(
        operand(one.name, one.shape, one.source if isinstance(one, Tensor) else source_of(one)) for one in constants
    )
    first = constants[0]
    return Tensor(first.name if isinstance(first, Tensor) else origin(first), shape, Derived(function, operands))


def reshaped(constant: Constant, shape: tuple[int, ...]) -> Tensor:
    """The tensor in another shape of as many elements (or one element, repeated)."""
    return stored(constant) if constant.shape == shape else derived(Reshaped(shape), shape, constant)


def transposed(constant: Constant, perm: Sequence[int]) -> Tensor:
    """The tensor with its axes in another order."""
    shape = tuple(constant.shape[axis] for axis in perm)
    return derived(Transposed(tuple(perm)), shape, constant)


def origin(constant: Constant) -> str:
    """The name of the file's tensor that a constant is, or is computed from."""
    source = constant.source
    while isinstance(source, Derived) and source.operands:
        source = source.operands[0].source
    return source.key if isinstance(source, Stored) else constant.name
