"""An operator of ONNX that the language does not have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.dims import Dim
from resdsl.ir.graph import Node
from resdsl.ir.operator import Attribute, Foreign, Operator, ParameterSpec
from resdsl.ir.types import TensorType
from resdsl.untrusted import printable

_PRODUCTS = ("MatMul", "Gemm")
_CONVOLUTIONS = ("Conv", "ConvTranspose")


@dataclass(frozen=True, slots=True)
class Opaque(Operator):
    """What is known of a node of an ONNX file: its type and attributes, the weights it owns, the type of its result.

    A network with such operators can be summed up, drawn and compared; it cannot be written in the language, nor
    emitted. ``output`` numbers the outputs of a node that has several: each is a value of its own. ``arguments`` are
    the attributes, and small constant inputs under the names ``input1``, ``input2``.
    """

    opaque: ClassVar[bool] = True

    type: str
    result: TensorType
    arguments: tuple[tuple[str, Attribute], ...] = ()
    output: int = 0
    tensors: tuple[ParameterSpec, ...] = ()

    def infer(self, *inputs: TensorType) -> TensorType:
        return self.result

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        return self.tensors

    def macs(self, inputs: Sequence[TensorType], result: TensorType) -> Dim:
        """Those of products of matrices and of convolutions of any rank; others 0."""
        weight = next((spec.shape for spec in self.tensors if len(spec.shape) > 1), None)
        elements: Dim = 1
        for dim in result.shape[1:]:
            elements = elements * dim
        if self.type in _PRODUCTS and inputs and inputs[0].shape:
            return elements * inputs[0].shape[-1]
        if self.type in _CONVOLUTIONS and weight is not None:
            window = 1
            for size in weight[1:]:
                window *= size
            return elements * window
        return 0

    def label(self) -> str:
        return printable(self.type.rpartition(".")[2], most=40)

    def foreign(self) -> Foreign:
        return Foreign(self.type, {**dict(self.arguments), **({"output": self.output} if self.output else {})})


def opaque_text(nodes: Iterable[Node], *, most: int = 5) -> str:
    """The types of operators that the language does not have, with how many nodes are of each; empty for none."""
    counts = Counter(node.operator.type for node in nodes if isinstance(node.operator, Opaque))
    shown = [
        f"`{printable(name)}`" + (f" ({count:,})" if count > 1 else "") for name, count in counts.most_common(most)
    ]
    return ", ".join(shown) + (f" and {len(counts) - most:,} more" if len(counts) > most else "")
