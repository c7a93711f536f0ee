"""Compute in float16 or bfloat16."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.diagnostics.errors import OutputError
from resdsl.ir.graph import Derived, DerivedFunction, Graph, Node, Parameter
from resdsl.ir.types import DType
from resdsl.ops.bn import BatchNorm
from resdsl.ops.cast import Cast
from resdsl.passes.folding import BatchNormMap, OutputBias
from resdsl.passes.rewrite import Rewrite

if TYPE_CHECKING:
    import numpy as np


def lower_precision(graph: Graph, dtype: DType) -> Graph:
    """Compute in ``dtype`` (``f16`` or ``bf16``): ``y = round(f(round(x), round(w)))`` in place of ``y = f(x, w)``.

    Inputs and outputs stay float32, with a ``cast`` behind an input and before an output; operators that state
    ``needs_f32`` (softmax, local response norms) are computed in float32. Every weight is rounded once, to the nearest,
    after what it is derived from was computed in double precision. A batch norm that could not be folded becomes one of
    mean 0 and variance 1 with

        gamma' = gamma / sqrt(var + eps) * sqrt(1 + eps)        beta' = beta - mean * gamma / sqrt(var + eps)

    because rounding the mean and the variance first would cancel the digits that their difference needs.

    Refused: a weight beyond the largest ``f16`` number, 65,504; it raises ``OutputError`` when it is computed.
    """
    if dtype is DType.F32:
        return graph
    rewrite = Rewrite(graph)
    casts: dict[tuple[int, DType], int] = {}

    def convert(value: int, target: DType) -> int:
        """The value in another type, by one ``cast`` for all readers that need it. Bytes stay bytes."""
        if rewrite.type_of(value).dtype in (target, DType.U8):
            return value
        if (value, target) not in casts:
            node = graph.nodes[value]
            casts[value, target] = rewrite.insert(Cast(target), [value], f"{node.path}.{target}", after=node)
        return casts[value, target]

    for node in graph.nodes[1:]:
        target = DType.F32 if node.operator.needs_f32 else dtype
        operator, parameters = node.operator, graph.parameters_of(node)
        if isinstance(operator, BatchNorm):
            parameters = _standard_norm(node, operator, parameters)
            operator = replace(operator, affine=True)
        rewrite.retype(
            node,
            operator,
            [convert(value, target) for value in node.inputs],
            [_rounded(parameter, target) for parameter in parameters],
        )
    for output in graph.outputs:
        rewrite.set_output(output.node, convert(output.node, DType.F32))
    return rewrite.apply()


def _rounded(parameter: Parameter, dtype: DType) -> Parameter:
    if parameter.dtype is dtype:
        return parameter
    return replace(parameter, dtype=dtype, source=Derived(Rounded(dtype, parameter.name), (parameter,)))


def _standard_norm(node: Node, norm: BatchNorm, statistics: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """The tensors of the same norm with mean 0 and variance 1."""
    shape = statistics[-1].shape
    channels = BatchNormMap(norm.eps, norm.affine)
    sources = {
        "weight": Derived(StandardScale(channels, norm.eps), statistics),
        "bias": Derived(OutputBias("lower_precision.bias", channels, biased=False), statistics),
        "running_mean": Derived(Constant(0.0, shape), ()),
        "running_var": Derived(Constant(1.0, shape), ()),
    }
    return tuple(
        Parameter(f"{node.path}.{name}", shape, DType.F32, not name.startswith("running"), source, node.index)
        for name, source in sources.items()
    )


@dataclass(frozen=True)
class Rounded(DerivedFunction):
    """A tensor in ``dtype``. ``tensor`` is its name, for the message if it does not fit."""

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
class StandardScale(DerivedFunction):
    """``gamma / sqrt(var + eps) * sqrt(1 + eps)``; the operands are the norm's tensors in their order."""

    channels: BatchNormMap
    eps: float
    name = "lower_precision.scale"

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        import numpy as np

        result: np.ndarray = (self.channels(*arrays).scale * np.sqrt(1 + self.eps)).astype(arrays[-1].dtype)
        return result


@dataclass(frozen=True)
class Constant(DerivedFunction):
    """The same number everywhere."""

    value: float
    shape: tuple[int, ...]
    name = "lower_precision.constant"

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.full(self.shape, self.value, np.float32)
