"""What an operator is in PyTorch, for all instances of a call at once.

``Operator.in_torch`` says it for one operator, with numbers. Here it is asked with numbers that know the expression
they are the value of, and the answers for all columns are put together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from resdsl.ir.operator import Operator, ParameterSpec
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import Sides, Size, TensorType
from resdsl.tools.export import expressions as py
from resdsl.tools.export.expressions import Expression
from resdsl.tools.export.instances import Unfit, same

INPUT = "\N{SECTION SIGN}"
"""Stands for an input in an expression: no name of Python has it. The second is that with a 1 behind it."""

MODULE = "\N{PILCROW SIGN}"
"""Stands for the operator's module."""

DEFAULTS: Mapping[str, object] = {
    "stride": 1,
    "padding": 0,
    "output_padding": 0,
    "dilation": 1,
    "groups": 1,
    "bias": True,
    "affine": True,
    "elementwise_affine": True,
    "eps": 1e-5,
    "ceil_mode": False,
    "count_include_pad": True,
    "inplace": False,
    "align_corners": False,
}
"""What PyTorch's modules take for an option that is left out; see ``default_of``."""

Shown = Callable[[Expression], str]


class TaggedInt(int):
    """An integer and the expression that it is the value of."""

    expression: Expression
    shown: Shown

    def __repr__(self) -> str:
        return self.shown(self.expression)

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, form: str) -> str:
        return repr(self)


class TaggedFloat(float):
    """Likewise."""

    expression: Expression
    shown: Shown

    def __repr__(self) -> str:
        return self.shown(self.expression)

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, form: str) -> str:
        return repr(self)


def tagged(value: object, expression: Expression, shown: Shown) -> object:
    """A value that knows its expression; those of which no subclass can be made stay as they are."""
    if isinstance(expression, py.Literal) or isinstance(value, bool):
        return value
    if isinstance(value, int):
        number = TaggedInt(value)
        number.expression, number.shown = expression, shown
        return number
    if isinstance(value, float):
        real = TaggedFloat(value)
        real.expression, real.shown = expression, shown
        return real
    if isinstance(value, Size | Sides):
        made: object = type(value)(*(tagged(one, expression, shown) for one in value))  # type: ignore[arg-type]
        return made
    return value


def expression_of(value: object) -> Expression | None:
    if isinstance(value, TaggedInt | TaggedFloat):
        return value.expression
    if isinstance(value, tuple) and value:
        found = {expression_of(item) for item in value}
        return found.pop() if len(found) == 1 else None
    return None


def plain(value: object) -> object:
    """The value without what it knows."""
    if isinstance(value, TaggedInt):
        return int(value)
    if isinstance(value, TaggedFloat):
        return float(value)
    if isinstance(value, tuple | list):
        return tuple(plain(item) for item in value)
    return value


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a module's class: its values in the columns, and the expression for them if it is known."""

    name: str
    values: tuple[object, ...]
    expression: Expression | None


@dataclass(frozen=True, slots=True)
class Applied:
    """An operator in all columns: a module of ``torch.nn`` or tensors of its own, and what computes it.

    ``type`` is empty where it has no module. ``expression`` has ``INPUT`` and ``MODULE`` in it. ``item`` is the class
    of ``torch.nn`` that does the same in a ``Sequential``, for an operator without a module.
    """

    operator: Operator
    type: str
    arguments: tuple[Argument, ...]
    expression: str
    tensors: tuple[tuple[ParameterSpec, ...], ...]
    item: str = ""

    @property
    def is_called(self) -> bool:
        """Whether it is its module applied to the value, and nothing else."""
        return self.expression == f"{MODULE}({INPUT})"


def input_name(position: int) -> str:
    return INPUT if not position else f"{INPUT}{position}{INPUT}"


def applied(
    operators: Sequence[Operator],
    types: Sequence[tuple[TensorType, ...]],
    results: Sequence[TensorType],
    fields: Mapping[str, Expression],
    channels: Sequence[Expression | None],
    shown: Shown,
    *,
    overwrites: bool,
) -> Applied:
    """The operators of all columns as one. ``fields`` are the expressions of their arguments, ``channels`` those of
    their inputs' channels. Raises ``Unfit`` where they need different code.
    """
    codes: list[TorchCode] = []
    texts: list[str] = []
    for operator, inputs, result in zip(operators, types, results, strict=True):
        changed = {
            name: tagged(getattr(operator, name), expression, shown)
            for name, expression in fields.items()
            if not isinstance(expression, py.Literal)
        }
        code = TorchCode(
            tuple(_with_channels(one, channel, shown) for one, channel in zip(inputs, channels, strict=True)),
            result,
            tuple(input_name(position) for position in range(len(inputs))),
            MODULE,
            may_overwrite=overwrites,
        )
        texts.append((dataclasses.replace(operator, **changed) if changed else operator).in_torch(code))
        codes.append(code)
    if not same(texts) or len({code.made.type if code.made else "" for code in codes}) > 1:
        raise Unfit("operators of different forms")
    tensors = tuple(
        operator.parameters(*inputs) if code.owns_tensors else ()
        for operator, inputs, code in zip(operators, types, codes, strict=True)
    )
    modules = [code.made for code in codes if code.made is not None]
    text = texts[0].replace("'", '"')
    if not modules:
        return Applied(operators[0], "", (), text, tensors, codes[0].item)
    count = {len(one.arguments) for one in modules}
    if len(count) > 1:
        raise Unfit("modules of different arguments")
    arguments = [_argument("", [one.arguments[place] for one in modules]) for place in range(count.pop())]
    for name in sorted({name for one in modules for name in one.options}, key=_position):
        values = [one.options.get(name, default_of(one.type, one.arguments, name)) for one in modules]
        arguments.append(_argument(name, values))
    return Applied(operators[0], modules[0].type, tuple(arguments), text, tensors)


def _position(name: str) -> tuple[int, str]:
    """Options in the order in which PyTorch has them."""
    return (list(DEFAULTS).index(name) if name in DEFAULTS else -1, name)


def default_of(type: str, arguments: Sequence[object], name: str) -> object:
    """What a module of ``torch.nn`` takes for an option that is left out."""
    if name == "stride" and "Pool" in type:
        return arguments[0]
    return False if name == "affine" and type.startswith("InstanceNorm") else DEFAULTS.get(name)


def _with_channels(type_: TensorType, channels: Expression | None, shown: Shown) -> TensorType:
    if channels is None or isinstance(channels, py.Literal) or type_.rank < 2 or not isinstance(type_.shape[1], int):
        return type_
    number = tagged(type_.shape[1], channels, shown)
    return TensorType(type_.dtype, (type_.shape[0], number, *type_.shape[2:]))  # type: ignore[arg-type]


def _argument(name: str, values: Sequence[object]) -> Argument:
    found = {expression for value in values if (expression := expression_of(value)) is not None}
    numbers = tuple(plain(value) for value in values)
    if len(found) > 1:
        return Argument(name, numbers, None)
    return Argument(name, numbers, found.pop() if found else None)
