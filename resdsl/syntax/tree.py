"""The syntax tree. Every node has the span it was read from; equality ignores spans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, TypeVar, dataclass_transform

from resdsl.diagnostics.source import Source, Span

Node = TypeVar("Node")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def node(made: type[Node]) -> type[Node]:
    """A frozen dataclass with the comparison, hash and text of `Tree`.

    ``dataclass(frozen=True)`` compiles six methods for every class, which for this module alone takes as long as
    checking a network; so only the type checker enforces that nodes do not change.
    """
    return dataclass(slots=True, eq=False, repr=False)(made)


@node
class Tree:
    """A node of the tree."""

    span: Span = field(compare=False, kw_only=True, repr=False)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(self._compared())

    def __repr__(self) -> str:
        shown = (f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
        return f"{type(self).__name__}({', '.join(shown)})"

    def _compared(self) -> tuple[object, ...]:
        kind: Any = type(self)  # mypy takes the hash of a class for that of its objects
        return tuple([getattr(self, name) for name in _compared_fields(kind)])


def moved(item: Node, source: Source, by: int) -> Node:
    """A copy of a tree that was read from a part of a text, as of the text ``source``, whose part begins at ``by``."""
    made: Any = type(item)
    copied = made.__new__(made)
    for name in field_names(made):
        value = getattr(item, name)
        kind = type(value)
        if kind is Span:
            value = Span(source, value[1] + by, value[2] + by)
        elif kind is tuple:
            value = tuple([moved(one, source, by) if isinstance(one, Tree) else one for one in value])
        elif isinstance(value, Tree):
            value = moved(value, source, by)
        setattr(copied, name, value)
    return copied  # type: ignore[no-any-return]


@cache
def field_names(kind: Any) -> tuple[str, ...]:
    """The names of the fields of a class of nodes, that of the span included."""
    return tuple(one.name for one in fields(kind))


@cache
def _compared_fields(kind: Any) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind) if one.compare)


@node
class Identifier(Tree):
    """A name that is defined or used."""

    name: str


# --- expressions -----------------------------------------------------------------------------------------------------


@node
class Number(Tree):
    """``1_000``, ``1e-3``, ``11.51G``. ``text`` is as written (a claim is compared at its written precision);
    ``value`` is an ``int`` if it is written without point and exponent, or if its suffix makes it an integer
    (``11.51G`` is ``11_510_000_000``).
    """

    value: int | float
    text: str = field(compare=False)


@node
class SizeLiteral(Tree):
    """``3x3``: height and width."""

    height: int
    width: int


@node
class String(Tree):
    r"""``"..."``. No escapes but ``\"`` and ``\\``."""

    value: str


@node
class Boolean(Tree):
    value: bool


@node
class Name(Tree):
    """A variable, a parameter, a block, ``channels``, a symbol of the input, or a bare word (``half``)."""

    name: str


@node
class ListLiteral(Tree):
    items: tuple[Expression, ...]


@node
class Unary(Tree):
    """``-x`` or ``not x``."""

    operator: str
    operand: Expression


@node
class Binary(Tree):
    """``+ - * / // % == != < <= > >= and or``."""

    operator: str
    left: Expression
    right: Expression


@node
class Conditional(Tree):
    """``value if condition else otherwise``."""

    value: Expression
    condition: Expression
    otherwise: Expression


@node
class Index(Tree):
    """``operand[index]``."""

    operand: Expression
    index: Expression


@node
class Argument(Tree):
    """``value`` or ``name = value``."""

    name: Identifier | None
    value: Expression


@node
class FunctionCall(Tree):
    """``min(..)``, ``max(..)``, ``len(..)``, ``round(..)``, or a shortcut kind with settings: ``pad(zeros = both)``."""

    function: Identifier
    arguments: tuple[Argument, ...]


@node
class Wildcard(Tree):
    """``_``: a size that is not checked, in a shape annotation."""


Expression = (
    Number
    | SizeLiteral
    | String
    | Boolean
    | Name
    | ListLiteral
    | Unary
    | Binary
    | Conditional
    | Index
    | FunctionCall
    | Wildcard
)


# --- labels ----------------------------------------------------------------------------------------------------------


@node
class LabelTree(Tree):
    """``name``, ``0``, ``a.b``, ``denselayer{i}``: literal pieces and expressions in braces, in order."""

    parts: tuple[str | Expression, ...]


# --- statements: the flow --------------------------------------------------------------------------------------------


@node
class Shape(Tree):
    """``[N, 512, 28, 28]``, with ``_`` for a size that is not checked."""

    dims: tuple[Expression, ...]


@node
class Body(Tree):
    """``{ ... }``: statements one after another."""

    statements: tuple[Statement, ...]


@node
class Call(Tree):
    """``conv(64, 3x3)``: an operator, a block or a model, applied to the current value."""

    callee: Identifier
    arguments: tuple[Argument, ...]


@node
class Group(Tree):
    """``{ ... }`` as a statement: transparent without a label, a scope with one."""

    body: Body


@node
class Repeat(Tree):
    """``3 x bottleneck(64)``, ``3 x { conv(8, 3x3); bn; relu }``."""

    count: Expression
    repeated: Call | Group


@node
class Stage(Tree):
    """``stage NAME(args) { ... }``. The name is a label."""

    label: LabelTree
    arguments: tuple[Argument, ...]
    body: Body


@node
class Residual(Tree):
    """``residual(scale = 1) { main } shortcut KIND { body }``.

    ``kind`` is ``None`` if none is written; ``shortcut_span`` covers ``shortcut KIND`` and is ``None`` if there
    is no shortcut.
    """

    arguments: tuple[Argument, ...]
    main: Body
    kind: Expression | None
    shortcut: Body | None
    keyword_span: Span = field(compare=False)
    shortcut_span: Span | None = field(compare=False)


@node
class Join(Tree):
    """``concat { .. }``, ``add``, ``mul``, ``mean``: every statement inside is a branch from the same value."""

    kind: str
    body: Body
    keyword_span: Span = field(compare=False)


@node
class From(Tree):
    """``from NAME { ... }``: continue from a tapped value."""

    tap: Identifier
    body: Body


@node
class Range(Tree):
    """``first..last``, both ends included."""

    first: Expression
    last: Expression


@node
class Row(Tree):
    """``(t, c, n, s)``: a variable for each item of a list."""

    names: tuple[Identifier, ...]


@node
class For(Tree):
    """``for i in 1..6 { ... }``, ``for width in widths { ... }``, ``for (width, stride) in table { ... }``."""

    variable: Identifier | Row
    values: Range | Expression
    body: Body


@node
class If(Tree):
    """``if c { .. } else if d { .. } else { .. }``; for ``else if``, ``otherwise`` is a body of one ``If``."""

    condition: Expression
    then: Body
    otherwise: Body | None


Flow = Call | Group | Repeat | Stage | Residual | Join | From | For | If
"""The statements that compute a value from the current value."""


@node
class Step(Tree):
    """One step of the flow with its label and shape annotation: ``label: ... -> [shape]``."""

    label: LabelTree | None
    flow: Flow
    shape: Shape | None


# --- statements: declarations ----------------------------------------------------------------------------------------


@node
class Input(Tree):
    """``input image: f32[N, 3, 224, 224]``."""

    name: Identifier
    dtype: Identifier
    shape: Shape


@node
class Tap(Tree):
    """``tap NAME``."""

    name: Identifier


@node
class Output(Tree):
    """``output NAME``."""

    name: Identifier


@node
class Const(Tree):
    """``const NAME = expr``; also at the top of a file."""

    name: Identifier
    value: Expression


@node
class Default(Tree):
    """``default bn(eps = 1e-3)``."""

    callee: Identifier
    arguments: tuple[Argument, ...]


@node
class Preprocess(Tree):
    """``preprocess { resize(256); crop(224); normalize(..) }``."""

    steps: tuple[Call, ...]


@node
class Aux(Tree):
    """``aux NAME { ... }``: a head that only training needs. The name is a label."""

    label: LabelTree
    body: Body


@node
class Labels(Tree):
    """``labels "imagenet1k"``, a path, or a list of the names themselves."""

    value: Expression


@node
class Expect(Tree):
    """``expect parameters == 60_192_808``. ``relation`` is ``==``, ``<=`` or ``>=``; a shape is a ``ListLiteral``."""

    subject: Identifier
    relation: str
    value: Expression


@node
class Broken(Tree):
    """Text that the parser skipped after reporting an error. What depends on it is unknown, and not reported again."""


Statement = Step | Aux | Input | Tap | Output | Const | Default | Preprocess | Labels | Expect | Broken


# --- the file --------------------------------------------------------------------------------------------------------


@node
class TypeAnnotation(Tree):
    """``int``, ``shortcut``, or an enumeration ``{conv1, conv2}`` (``name`` empty, ``members`` filled)."""

    name: str
    members: tuple[Identifier, ...] = ()


@node
class Parameter(Tree):
    """``stride_in: {conv1, conv2} = conv2``."""

    name: Identifier
    annotation: TypeAnnotation | None
    default: Expression | None


@node
class Definition(Tree):
    """``block NAME(params) { ... }`` or ``model NAME(params) { ... }``. ``kind`` is the keyword."""

    kind: str
    name: Identifier
    parameters: tuple[Parameter, ...]
    body: Body


@node
class Use(Tree):
    """``use "path.res" (name, ...)``."""

    path: String
    names: tuple[Identifier, ...]


Item = Use | Const | Definition | Broken


@node
class Comment(Tree):
    """``# ...``, with the mark; ``own_line``: whether no code precedes it on its line."""

    text: str
    own_line: bool


@node
class Module(Tree):
    """A whole file."""

    source: Source = field(compare=False, repr=False)
    items: tuple[Item, ...]
    comments: tuple[Comment, ...] = field(compare=False)

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """Blocks and models by name; the first if a name is defined twice."""
        definitions: dict[str, Definition] = {}
        for item in self.items:
            if isinstance(item, Definition):
                definitions.setdefault(item.name.name, item)
        return definitions
