"""The syntax tree. Every node has the span it was read from; spans take no part in equality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from resdsl.diagnostics.source import Source, Span


@dataclass(frozen=True, slots=True)
class Tree:
    """Anything that was read from a place."""

    span: Span = field(compare=False, kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class Identifier(Tree):
    """A name where it is defined or referred to."""

    name: str


# --- expressions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number(Tree):
    """``1_000``, ``1e-3``, ``11.51G``. ``text`` is as written (a claim is compared at its written precision);
    ``value`` is an ``int`` where it is a whole number written without point or exponent or with a suffix that makes
    it whole (``11.51G`` is ``11_510_000_000``).
    """

    value: int | float
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class SizeLiteral(Tree):
    """``3x3``: height and width."""

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class String(Tree):
    r"""``"..."``. No escapes but ``\"`` and ``\\``."""

    value: str


@dataclass(frozen=True, slots=True)
class Boolean(Tree):
    value: bool


@dataclass(frozen=True, slots=True)
class Name(Tree):
    """A variable, a parameter, a block, ``channels``, a symbol of the input, or a bare word (``half``)."""

    name: str


@dataclass(frozen=True, slots=True)
class ListLiteral(Tree):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Unary(Tree):
    """``-x`` or ``not x``."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Tree):
    """``+ - * / // % == != < <= > >= and or``."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Conditional(Tree):
    """``value if condition else otherwise``."""

    value: Expression
    condition: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Index(Tree):
    """``operand[index]``."""

    operand: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Argument(Tree):
    """``value`` or ``name = value``."""

    name: Identifier | None
    value: Expression


@dataclass(frozen=True, slots=True)
class FunctionCall(Tree):
    """``min(..)``, ``max(..)``, ``len(..)``, ``round(..)``, or a shortcut kind with settings: ``pad(zeros = both)``."""

    function: Identifier
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class LabelTree(Tree):
    """``name``, ``0``, ``a.b``, ``denselayer{i}``: literal pieces and expressions in braces, in order."""

    parts: tuple[str | Expression, ...]


# --- statements: the flow --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shape(Tree):
    """``[N, 512, 28, 28]``, with ``_`` for a size that is not checked."""

    dims: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Body(Tree):
    """``{ ... }``: statements one after another."""

    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Call(Tree):
    """``conv(64, 3x3)``: an op, a block or a model, applied to the current value."""

    callee: Identifier
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Group(Tree):
    """``{ ... }`` as a statement: transparent without a label, a scope with one."""

    body: Body


@dataclass(frozen=True, slots=True)
class Repeat(Tree):
    """``3 x bottleneck(64)``."""

    count: Expression
    call: Call


@dataclass(frozen=True, slots=True)
class Stage(Tree):
    """``stage NAME(args) { ... }``. The name is a label."""

    label: LabelTree
    arguments: tuple[Argument, ...]
    body: Body


@dataclass(frozen=True, slots=True)
class Residual(Tree):
    """``residual(scale = 1) { main } shortcut KIND { body }``.

    ``kind`` is ``None`` where none is written; ``shortcut_span`` covers ``shortcut KIND`` and is ``None`` where the
    whole shortcut is left out.
    """

    arguments: tuple[Argument, ...]
    main: Body
    kind: Expression | None
    shortcut: Body | None
    keyword_span: Span = field(compare=False)
    shortcut_span: Span | None = field(compare=False)


@dataclass(frozen=True, slots=True)
class Join(Tree):
    """``concat { .. }``, ``add``, ``mul``, ``mean``: every statement inside is a branch from the same value."""

    kind: str
    body: Body
    keyword_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class From(Tree):
    """``from NAME { ... }``: go on from a tapped value."""

    tap: Identifier
    body: Body


@dataclass(frozen=True, slots=True)
class For(Tree):
    """``for i in first..last { ... }``, both ends included."""

    variable: Identifier
    first: Expression
    last: Expression
    body: Body


@dataclass(frozen=True, slots=True)
class If(Tree):
    """``if c { .. } else if d { .. } else { .. }``; for ``else if``, ``otherwise`` is a body of one ``If``."""

    condition: Expression
    then: Body
    otherwise: Body | None


Flow = Call | Group | Repeat | Stage | Residual | Join | From | For | If
"""What makes values from the current value."""


@dataclass(frozen=True, slots=True)
class Step(Tree):
    """A piece of the flow with what may stand around it: ``label: ... -> [shape]``."""

    label: LabelTree | None
    flow: Flow
    shape: Shape | None


# --- statements: declarations ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Input(Tree):
    """``input image: f32[N, 3, 224, 224]``."""

    name: Identifier
    dtype: Identifier
    shape: Shape


@dataclass(frozen=True, slots=True)
class Tap(Tree):
    """``tap NAME``."""

    name: Identifier


@dataclass(frozen=True, slots=True)
class Output(Tree):
    """``output NAME``."""

    name: Identifier


@dataclass(frozen=True, slots=True)
class Const(Tree):
    """``const NAME = expr``; also at the top of a file."""

    name: Identifier
    value: Expression


@dataclass(frozen=True, slots=True)
class Default(Tree):
    """``default bn(eps = 1e-3)``."""

    callee: Identifier
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Preprocess(Tree):
    """``preprocess { resize(256); crop(224); normalize(..) }``."""

    steps: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Labels(Tree):
    """``labels "imagenet1k"``, or a path."""

    value: String


@dataclass(frozen=True, slots=True)
class Expect(Tree):
    """``expect parameters == 60_192_808``. ``relation`` is ``==``, ``<=`` or ``>=``; a shape is a ``ListLiteral``."""

    subject: Identifier
    relation: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Broken(Tree):
    """Where the parser skipped text that it reported. Whatever depends on it is silently unknown."""


Statement = Step | Input | Tap | Output | Const | Default | Preprocess | Labels | Expect | Broken


# --- the file --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TypeAnnotation(Tree):
    """``int``, ``shortcut``, or an enumeration ``{conv1, conv2}`` (``name`` empty, ``members`` filled)."""

    name: str
    members: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter(Tree):
    """``stride_in: {conv1, conv2} = conv2``."""

    name: Identifier
    annotation: TypeAnnotation | None
    default: Expression | None


@dataclass(frozen=True, slots=True)
class Definition(Tree):
    """``block NAME(params) { ... }`` or ``model NAME(params) { ... }``. ``kind`` is the keyword."""

    kind: str
    name: Identifier
    parameters: tuple[Parameter, ...]
    body: Body


@dataclass(frozen=True, slots=True)
class Use(Tree):
    """``use "path.res" (name, ...)``."""

    path: String
    names: tuple[Identifier, ...]


Item = Use | Const | Definition | Broken


@dataclass(frozen=True, slots=True)
class Comment(Tree):
    """``# ...``, with the mark; ``own_line`` tells one that stands alone from one after code."""

    text: str
    own_line: bool


@dataclass(frozen=True, slots=True)
class Module(Tree):
    """A whole file."""

    source: Source = field(compare=False, repr=False)
    items: tuple[Item, ...]
    comments: tuple[Comment, ...] = field(compare=False)

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """Blocks and models by name; where one is defined twice, the first."""
        found: dict[str, Definition] = {}
        for item in self.items:
            if isinstance(item, Definition):
                found.setdefault(item.name.name, item)
        return found
