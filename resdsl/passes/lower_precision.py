"""Weights and arithmetic of fewer bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.files import OutputError
from resdsl.ir.graph import Derived, DerivedFunction, Graph, Node, Parameter
from resdsl.ir.types import DType
from resdsl.ops.bn import BatchNorm
from resdsl.ops.cast import Cast
from resdsl.passes.fold_batch_norm import FoldedBias, FoldedWeight
from resdsl.passes.rewriting import Rewriting

if TYPE_CHECKING:
    import numpy as np


def lower_precision(graph: Graph, dtype: DType) -> Graph:
    """Compute in ``dtype`` (``f16`` or ``bf16``): ``y = round(f(round(x), round(w)))`` in place of ``y = f(x, w)``.

    The inputs and outputs stay 32-bit floats, with a ``cast`` after the inputs and before the outputs; operators that
    state ``needs_f32`` (softmax, local response norms) are computed in 32 bits. Every weight is rounded once, to the
    nearest, after what it is derived from was computed in double precision. So is a batch norm that stands alone: it
    becomes one of mean 0 and variance 1 with

        gamma' = gamma / sqrt(var + eps) * sqrt(1 + eps)        beta' = beta - mean * gamma / sqrt(var + eps)

    because rounding a variance and a mean before they are used would cost the digits that their difference lives on.

    A weight beyond the largest number of ``f16``, 65,504, raises ``OutputError`` when it is made.
    """
    if dtype is DType.F32:
        return graph
    lowering = _Lowering(graph, dtype)
    for node in graph.nodes:
        lowering.node(node)
    return lowering.finish()


class _Lowering:
    def __init__(self, graph: Graph, dtype: DType) -> None:
        self._graph = graph
        self._dtype = dtype
        self._rewriting = Rewriting(graph)
        self._casts: dict[tuple[int, DType], int] = {}
        self._parameters: list[Parameter] = []

    def node(self, node: Node) -> None:
        if not node.inputs:
            self._rewriting.keep(node)
            return
        wanted = DType.F32 if node.operator.needs_f32 else self._dtype
        reads = [self._as(self._rewriting.of[index], wanted, self._graph.nodes[index]) for index in node.inputs]
        operator = node.operator
        if isinstance(operator, BatchNorm):
            operator = replace(operator, affine=True)
        self._rewriting.keep(node, operator, reads)
        self._parameters.extend(_rounded(parameter, wanted) for parameter in self._weights(node))

    def finish(self) -> Graph:
        outputs = {
            output.node: self._as(self._rewriting.of[output.node], DType.F32, self._graph.nodes[output.node])
            for output in self._graph.outputs
        }
        return self._rewriting.finish(outputs, self._parameters)

    def _weights(self, node: Node) -> Iterator[Parameter]:
        parameters = self._graph.parameters_of(node)
        yield from _standard(node, node.operator, parameters) if isinstance(node.operator, BatchNorm) else parameters

    def _as(self, value: int, dtype: DType, old: Node) -> int:
        """The new value in another type, through one ``cast`` for all who want it so. Bytes stay bytes."""
        if self._rewriting.nodes[value].type.dtype in (dtype, DType.U8):
            return value
        if (value, dtype) not in self._casts:
            path = f"{old.path}.{dtype}"
            self._casts[value, dtype] = self._rewriting.put(Cast(dtype), [value], path, beside=old)
        return self._casts[value, dtype]


def _rounded(parameter: Parameter, dtype: DType) -> Parameter:
    if parameter.dtype is dtype:
        return parameter
    return replace(parameter, dtype=dtype, source=Derived(Rounded(dtype, parameter.name), (parameter,)))


def _standard(node: Node, norm: BatchNorm, statistics: tuple[Parameter, ...]) -> Iterator[Parameter]:
    """The tensors of the same norm with mean 0 and variance 1."""
    mean = statistics[-2]
    shape, affine = mean.shape, norm.affine
    made = {
        "weight": Derived(StandardScale(norm.eps, affine), statistics),
        "bias": Derived(FoldedBias(norm.eps, affine, False), statistics),
        "running_mean": Derived(Constant(0.0, shape), ()),
        "running_var": Derived(Constant(1.0, shape), ()),
    }
    for name, source in made.items():
        trainable = not name.startswith("running")
        yield Parameter(f"{node.path}.{name}", shape, DType.F32, trainable, source, node.index)


@dataclass(frozen=True)
class Rounded(DerivedFunction):
    """A tensor in ``dtype``. ``tensor`` is its name, for the message where it does not fit."""

    dtype: DType
    tensor: str
    rowwise = True

    @property
    def name(self) -> str:  # type: ignore[override]
        return str(self.dtype)

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        import numpy as np  # passes are listed and printed without it

        (array,) = arrays
        if self.dtype is DType.BF16:
            from ml_dtypes import bfloat16  # (comes with onnx; NumPy has no such type)

            rounded: np.ndarray = array.astype(bfloat16)
            return rounded
        with np.errstate(over="ignore"):
            result = array.astype(np.float16)
        if np.isinf(result).any() and np.isfinite(array).all():
            raise self._too_large(float(np.abs(array).max()))
        return result

    def _too_large(self, largest: float) -> OutputError:
        return OutputError(
            Diagnostic(
                catalogue.PRECISION,
                f"`{self.tensor}` holds {largest:,.6g}, and the largest number of `fp16` is 65,504",
                helps=(
                    "`--precision bf16` has the range of 32-bit floats",
                    "leave `--precision` out: the weights stay as they are",
                ),
            )
        )


@dataclass(frozen=True)
class StandardScale(FoldedWeight):
    """``gamma / sqrt(var + eps) * sqrt(1 + eps)``; the operands are the norm's tensors in their order."""

    name = "lower_precision.scale"

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        import numpy as np

        ones = np.full(arrays[-1].shape, np.sqrt(1 + self.eps))
        return super().__call__(ones, *arrays)


@dataclass(frozen=True)
class Constant(DerivedFunction):
    """The same number everywhere."""

    value: float
    shape: tuple[int, ...]
    name = "lower_precision.constant"

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.full(self.shape, self.value, np.float32)
