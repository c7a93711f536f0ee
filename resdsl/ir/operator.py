"""The interface of operators. The operators themselves are in ``resdsl.ops``, one file each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from resdsl.diagnostics.catalogue import NO_GRADIENT
from resdsl.diagnostics.diagnostic import Code
from resdsl.ir.dims import Dim
from resdsl.ir.initializers import Initializer
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import DType, TensorType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike


OPSET = 18
"""The ONNX operator set that lowerings are written in.

The newest one for which ONNX Runtime has a kernel of every operator used here *on every device*, in all releases from
1.24. A kernel without an upper bound serves the exact version of an operator that it names, no later one: of set 19
(``Pad``), 21 (``Flatten``, ``Identity``) and 22 (``MaxPool``, ``GlobalAveragePool``) the CUDA provider had none, so
those layers ran on the CPU, with copies to and from it (microsoft/onnxruntime#26393, #27728, #27729). The CPU provider
of 1.31 also runs the same lowerings as set 26.
"""


NEWEST_OPSET = 26
"""The newest operator set that ONNX Runtime 1.31 runs. Every lowering has the same meaning in all sets from
``OPSET`` to this one, as the contract tests verify, so a model can be written for any of them."""


class Refusal(Exception):
    """An operator cannot take its input. The elaborator turns it into a diagnostic.

    ``argument`` names the argument to point at (the whole call where it is ``None``), ``branch`` the branch of a join
    that is at fault, counted from 0; ``helps`` are suggested fixes.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        argument: str | None = None,
        branch: int | None = None,
        helps: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.argument = argument
        self.branch = branch
        self.helps = tuple(helps)


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """A tensor that an operator owns. ``name`` is the last part of the tensor's name (``weight``).

    ``initializer`` gives the values that it has where no checkpoint is loaded. ``trainable`` tensors count as
    parameters, others (running statistics) as buffers.
    """

    name: str
    shape: tuple[int, ...]
    initializer: Initializer
    trainable: bool = True
    dtype: DType = DType.F32


class Example(NamedTuple):
    """A statement of the language and the shape that it is applied to. The contract tests run it.

    ``any_size`` says whether it can also be applied where only the channels are known.
    """

    text: str
    shape: tuple[int, ...]
    any_size: bool = True


Attribute = int | float | str | tuple[int, ...] | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Ref:
    """A value inside a lowering: an input, a parameter, a constant or the result of an earlier primitive.

    A primitive can have several results, counted by ``place``. The other kinds occur in training alone: the seed of the
    step, the operator's result, its gradient, and what ``TrainingLowering.keep`` kept.
    """

    kind: Literal["input", "parameter", "constant", "prim", "seed", "output", "gradient", "kept"]
    index: int
    name: str = ""
    place: int = 0


@dataclass(frozen=True, slots=True)
class Prim:
    """One ONNX node as plain data. ``None`` in ``inputs`` is an optional input that is left out."""

    type: str
    inputs: tuple[Ref | None, ...]
    attributes: Mapping[str, Attribute]
    outputs: int = 1


class Lowering:
    """Collects the ONNX nodes that an operator becomes; the last one makes the operator's result.

    ``inputs`` and ``types`` are the values the operator is applied to and their types, ``result`` the type it gives.
    Calling it adds a node: ``to("Relu", to.input)``.
    """

    def __init__(self, types: tuple[TensorType, ...], result: TensorType) -> None:
        self.types = types
        self.result = result
        self.inputs = tuple(Ref("input", index) for index in range(len(types)))
        self.prims: list[Prim] = []
        self.constants: list[np.ndarray] = []

    @property
    def input(self) -> Ref:
        """The only input."""
        (only,) = self.inputs
        return only

    def parameter(self, name: str) -> Ref:
        """The operator's own tensor of that name."""
        return Ref("parameter", 0, name)

    def constant(self, array: np.ndarray) -> Ref:
        """A small tensor that is part of the graph, not of the weights (the pads of ``Pad``)."""
        self.constants.append(array)
        return Ref("constant", len(self.constants) - 1)

    def number(self, value: float) -> Ref:
        """A constant scalar of the first input's element type."""
        return self.numbers(value)

    def numbers(self, values: ArrayLike) -> Ref:
        """A constant tensor of the first input's element type."""
        # Numpy is loaded here and not above: checking and formatting a specification start without it.
        import numpy as np

        if self.types[0].dtype is DType.BF16:
            from ml_dtypes import bfloat16

            return self.constant(np.array(values, dtype=bfloat16))
        return self.constant(np.array(values, dtype=np.float16 if self.types[0].dtype is DType.F16 else np.float32))

    def integers(self, values: Sequence[int]) -> Ref:
        """A constant vector of 64-bit integers, as ONNX takes shapes, pads and indices."""
        import numpy as np

        return self.constant(np.array(values, dtype=np.int64))

    def floats(self, values: Sequence[float]) -> Ref:
        """A constant vector of 32-bit floats, as ONNX expects scales, for any element type."""
        import numpy as np

        return self.constant(np.array(values, dtype=np.float32))

    def __call__(self, type: str, /, *inputs: Ref | None, **attributes: Attribute) -> Ref:
        """Add an ONNX node with these inputs and attributes; gives its (first) output."""
        self.prims.append(Prim(type, inputs, attributes))
        return Ref("prim", len(self.prims) - 1)

    def several(self, type: str, outputs: int, /, *inputs: Ref | None, **attributes: Attribute) -> tuple[Ref, ...]:
        """Add an ONNX node with so many outputs; gives all of them."""
        self.prims.append(Prim(type, inputs, attributes, outputs))
        return tuple(Ref("prim", len(self.prims) - 1, place=place) for place in range(outputs))


class TrainingLowering(Lowering):
    """Collects the ONNX nodes of an operator in training mode; see ``Operator.lower_training``.

    ``is_frozen`` says that its buffers keep their values, so that a batch norm normalises by its running statistics.
    ``place`` numbers the operator within the network: what it draws at random differs from what others draw.
    """

    def __init__(self, types: tuple[TensorType, ...], result: TensorType, *, place: int, is_frozen: bool) -> None:
        super().__init__(types, result)
        self.place = place
        self.is_frozen = is_frozen
        self.kept: dict[str, Ref] = {}
        self.updates: dict[str, Ref] = {}
        self.value: Ref | None = None
        self.seed = Ref("seed", 0)
        """The seed of the step, an ``int64`` scalar from 0 to 2^31 - 1."""

    def keep(self, name: str, value: Ref) -> None:
        """Keep a value for ``gradient``, which asks for it by ``to.kept(name)``."""
        self.kept[name] = value

    def update(self, buffer: str, value: Ref) -> None:
        """The value that a buffer (running statistics) has after the step."""
        self.updates[buffer] = value

    def returns(self, value: Ref) -> None:
        """The operator's result, where it is not that of the last node."""
        self.value = value


class Gradient(Lowering):
    """Collects the ONNX nodes that compute the gradients of an operator's inputs and parameters.

    ``gradient`` is that of the loss by the operator's result, whose value is ``output``; ``inputs`` are the values that
    it was computed from. ``wants(index)`` and ``wants_parameter(name)`` say whether a gradient is needed:
    others are not asked for, and giving them costs nodes that nothing reads. Each is given once.
    """

    def __init__(
        self,
        types: tuple[TensorType, ...],
        result: TensorType,
        *,
        wanted: Sequence[bool],
        parameters: Collection[str],
        is_frozen: bool,
    ) -> None:
        super().__init__(types, result)
        self._wanted = tuple(wanted)
        self._parameters = frozenset(parameters)
        self.is_frozen = is_frozen
        self.output = Ref("output", 0)
        self.gradient = Ref("gradient", 0)
        self.of_inputs: dict[int, Ref] = {}
        self.of_parameters: dict[str, Ref] = {}

    def wants(self, index: int = 0) -> bool:
        """Whether the gradient of this input is needed."""
        return self._wanted[index]

    def wants_parameter(self, *names: str) -> bool:
        """Whether the gradient of one of these parameters is needed."""
        return not self._parameters.isdisjoint(names)

    def kept(self, name: str) -> Ref:
        """What the training form of the operator kept."""
        return Ref("kept", 0, name)

    def give(self, value: Ref, index: int = 0) -> None:
        """The gradient of an input, of that input's shape."""
        self.of_inputs[index] = value

    def give_parameter(self, name: str, value: Ref) -> None:
        """The gradient of a parameter, of that parameter's shape; dropped where it is not needed."""
        if name in self._parameters:
            self.of_parameters[name] = value


class Steps(NamedTuple):
    """A window along one axis: its points, its stride, the distance between points, the padding before the input."""

    points: int = 1
    stride: int = 1
    dilation: int = 1
    pad: int = 0


class Window(NamedTuple):
    """The pixels of the input that one pixel of the result is computed from, down and across."""

    rows: Steps
    columns: Steps


ONE_PIXEL = Window(Steps(), Steps())
"""The window of what computes each pixel from the one in its place."""


class Moments(NamedTuple):
    """Mean and variance of the elements of a value, over images, pixels and channels."""

    mean: float
    variance: float

    @property
    def square(self) -> float:
        """The mean of the squares."""
        return self.mean * self.mean + self.variance


class Foreign(NamedTuple):
    """An operator of another language: the name of its type, and its attributes."""

    type: str
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Operator:
    """A function from tensors to one tensor. The fields of a subclass are its arguments in the language.

    Subclasses are frozen, so an operator is equal to another of the same arguments and can be a key. What the other
    parts of the program need to know about an operator is stated here, so that a new operator is one new file.
    """

    name: ClassVar[str] = ""
    """As the language writes it; empty for operators that only the compiler makes."""

    aliases: ClassVar[tuple[str, ...]] = ()
    """Its names in other libraries, in lower case: suggested where the language has no operator of that name."""

    calls: ClassVar[Mapping[str, str]] = {}
    """What to write for operators of other libraries that are a call with certain arguments here: ``avgpool(global)``
    for ``globalavgpool``. Their names are in lower case and without underscores."""

    examples: ClassVar[tuple[Example, ...]] = ()

    input_channels_first: ClassVar[bool] = False
    """Whether other libraries take the channels of the input as the first argument, where nothing is given here."""

    is_pool: ClassVar[bool] = False
    """Whether it is a pool, whose stride is by default the size of the kernel in other libraries."""

    counts_as_layer: ClassVar[bool] = False
    """Whether it is a layer where the depth of a network is counted (ResNet-152): convolutions and linear layers."""

    drawn_inside: ClassVar[bool] = False
    """Whether pictures draw it inside the box of the layer before it, as papers draw norms and activations."""

    is_identity: ClassVar[bool] = False
    """Whether it returns its input unchanged at inference."""

    is_norm: ClassVar[bool] = False
    """Whether it normalises and then multiplies by its parameter ``weight``."""

    cancels_bias: ClassVar[bool] = False
    """Whether it subtracts the mean of each channel, so that a layer before it needs no bias."""

    needs_f32: ClassVar[bool] = False
    """Whether it is computed in 32 bits where the network is not: it sums exponentials or squares."""

    never_negative: ClassVar[bool] = False
    """Whether no element of its result is below 0."""

    enlarges: ClassVar[bool] = False
    """Whether it makes images larger."""

    def infer(self, *inputs: TensorType) -> TensorType:
        """The type of the result; raises ``Refusal`` where the operator cannot take these inputs."""
        raise NotImplementedError

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        """The tensors that it owns when applied to these inputs, in the order of a state dict."""
        return ()

    def macs(self, inputs: Sequence[TensorType], result: TensorType) -> Dim:
        """Multiply-accumulates for one image, counted for convolutions and linear layers as papers do; others 0."""
        return 0

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        """The pixels of ``x`` that each pixel of the result depends on; ``None`` where that is the whole image.

        It is ``None``, too, where the pixels of the result are not spaced evenly over those of ``x``.
        """
        pixels = x.shape[2:]
        # Of an image of one pixel, flattening and global pools depend on that one.
        return ONE_PIXEL if result.shape[2:] == pixels or pixels == (1, 1) else None

    def of_number(self, x: float) -> float | None:
        """What it gives for one element, if it is a function of single elements: an activation."""
        return None

    def moments(self, inputs: Sequence[Moments], types: Sequence[TensorType]) -> Moments:
        """The moments of its result at initialisation, of independent inputs with these moments and types.

        Those of layers with random weights, of norms and of activations follow from what they state; the others leave
        them as they are, unless they say otherwise.
        """
        return inputs[0]

    def canonical(self, *inputs: TensorType) -> Operator:
        """One operator for all that compute the same from values of these types, however their arguments are written.

        ``pad = half`` and ``pad = valid`` of a 1x1 window are the same numbers, and ``upsample(1)`` is ``identity``.
        It is compared, and never applied.
        """
        return self

    def label(self) -> str:
        """The text of its box in a picture, as papers write it (``3x3 conv, 64``); empty: the call is shown."""
        return ""

    def foreign(self) -> Foreign | None:
        """How it is called where the language has no call for it, as in an ONNX file; ``None`` for all others."""
        return None

    def in_torch(self, to: TorchCode) -> str:
        """The expression of Python that computes it in PyTorch; ``to`` collects the module that it calls."""
        raise NotImplementedError

    def lower(self, to: Lowering) -> None:
        """Describe the ONNX nodes that compute it; the last one added gives the result."""
        raise NotImplementedError

    def lower_training(self, to: TrainingLowering) -> None:
        """Describe the ONNX nodes that compute it in training mode: as ``lower``, where training is no different."""
        self.lower(to)

    def gradient(self, to: Gradient) -> None:
        """Describe the ONNX nodes that compute the gradients of its inputs and parameters, by ``to.give`` and
        ``to.give_parameter``; raises ``Refusal`` where it has none.
        """
        raise Refusal(NO_GRADIENT, f"`{self.name or type(self).__name__}` has no gradient")
