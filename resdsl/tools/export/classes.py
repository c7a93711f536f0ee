"""A class under construction: its constructor arguments, its modules, and the lines of its two methods."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword, issoftkeyword
from typing import Any

from resdsl.elaborate.recording import BodyRun
from resdsl.tools.export import expressions as py
from resdsl.tools.export.expressions import Expression
from resdsl.tools.export.instances import Column, Place, Unfit, same, values_of
from resdsl.tools.export.layout import Line
from resdsl.tools.export.names import RESERVED, SHADOWED


class _Nothing:
    """The default of what has none."""


NOTHING = _Nothing()


@dataclass(slots=True)
class Parameter:
    """A constructor argument: its values in the instances of the class.

    ``language`` is its name in the text, ``outer`` what the class around passes, where that is the same for all.
    """

    name: str
    values: list[object]
    default: object = NOTHING
    language: str = ""
    outer: Expression | None = None
    used: bool = False

    @property
    def annotation(self) -> str:
        return _annotation(self.values if isinstance(self.default, _Nothing) else [*self.values, self.default])


def _annotation(values: Sequence[object]) -> str:
    kinds = list(dict.fromkeys(_kind(value) for value in values))
    if set(kinds) == {"int", "float"}:
        return "float"
    if set(kinds) == {"int", "tuple[int, int]"}:
        return "int | tuple[int, int]"
    if all(kind.startswith("tuple[") for kind in kinds) and len(kinds) > 1:
        items = {re.sub(r"^tuple\[(\w+)[,\]].*$", r"\1", kind) for kind in kinds}
        return f"tuple[{items.pop()}, ...]" if len(items) == 1 else "tuple[float, ...]"
    return kinds[0] if len(kinds) == 1 else " | ".join(sorted(kinds))


def _kind(value: object) -> str:
    if isinstance(value, tuple):
        kinds = list(dict.fromkeys(_kind(item) for item in value))
        if len(value) == 2 and kinds == ["int"]:
            return "tuple[int, int]"
        inner = kinds[0] if len(kinds) == 1 else "float" if set(kinds) == {"int", "float"} else "object"
        return f"tuple[{inner}, ...]"
    return type(value).__name__


@dataclass(slots=True)
class Constructed:
    """A call of a class for the columns of a place, and the channels behind it."""

    text: str
    channels: Expression | None


_WRITTEN = (
    "base",
    "call_super",
    "definitions",
    "forward",
    "init",
    "parameters",
    "result",
    "strides",
    "_attributes",
    "_carried",
    "_containers",
    "_language",
    "_shared",
    "_stored",
    "_variables",
)


class ClassWriter:
    """What is known of a class while its body is written.

    ``labels`` are the names of the modules that the text names; no other attribute may have one of them.
    """

    def __init__(
        self, name: str, instances: Sequence[Column], labels: Iterable[str], *, is_model: bool = False
    ) -> None:
        self.name = name
        self.instances = tuple(instances)
        self.is_model = is_model
        self.base = "nn.Module"
        self.doc: tuple[str, ...] = ()
        self.parameters: dict[str, Parameter] = {}
        self.init: list[Line] = []
        self.forward: list[Line] = []
        self.inputs: list[str] = ["x"]
        self.returns = "Tensor"
        self.strides: list[Expression] = []
        self.result: Expression | None = None
        self.end: int | None = None
        self.definitions: dict[str, Expression] = {}
        self.call_super: str = "super().__init__()"
        self.root_of: dict[int, int] = {id(column.run): number for number, column in enumerate(instances)}
        self._labels = tuple(dict.fromkeys(labels))
        self._tree = _tree(self._labels)
        self._attributes: set[str] = {label.split(".")[0] for label in self._labels}
        self._variables: set[str] = set()
        self._language: dict[str, str] = {}
        self._carried: dict[str, dict[int, object]] = {}
        self._shared: dict[str, tuple[str, Line]] = {}
        self._stored: dict[Expression, str] = {}
        self._containers: dict[str, tuple[Mapping[str, str], Line]] = {}

    # --- attempts ---

    def state(self) -> dict[str, Any]:
        """All that is written so far, to go back to."""
        return {name: copy.copy(getattr(self, name)) for name in _WRITTEN}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Forget what was written since. Lists stay the same objects."""
        for name, value in state.items():
            current = getattr(self, name)
            if isinstance(current, list):
                current[:] = value
            else:
                setattr(self, name, copy.copy(value))

    # --- names and values ---

    def variable(self, name: str) -> str:
        """A new variable of the constructor."""
        found = self._free(identifier(name), self._variables)
        self._variables.add(found)
        return found

    def add_parameter(self, parameter: Parameter) -> py.Variable:
        parameter.name = self.variable(parameter.name)
        self.parameters[parameter.name] = parameter
        return py.Variable(parameter.name)

    def language_variable(self, name: str) -> py.Variable:
        """A constant or a loop variable of the text."""
        made = self.variable(name)
        self._language[made] = name
        return py.Variable(made)

    def loop_variable(self, name: str) -> py.Variable:
        """A loop variable of the text; loops after one another share it."""
        made = identifier(name)
        if self._language.get(made) == name and made not in self.definitions:
            return py.Variable(made)
        return self.language_variable(name)

    def shortest(self, expression: Expression | None, names: Iterable[Expression]) -> Expression | None:
        """The expression, or the constant of the text that is defined as it."""
        if expression is None or not py.size(expression):
            return expression
        whole = self.expanded(expression)
        for name in names:
            if isinstance(name, py.Variable) and name.name in self.definitions and self.expanded(name) == whole:
                return name
        return expression

    def expanded(self, expression: Expression) -> Expression:
        """An expression in constructor arguments, without the constants of the text."""
        while any(name in self.definitions for name in py.names(expression)):
            expression = py.substituted(expression, self.definitions)
        return expression

    def lasting(
        self, expression: Expression | None, columns: Sequence[Column], results: Sequence[int | None]
    ) -> Expression | None:
        """Channels behind a group: a number where the expression has a variable of loops in it."""
        if expression is None or not any(name in self._carried for name in py.names(expression)):
            return expression
        widths = [column.network.type_of(index).shape[1] for column, index in zip(columns, results, strict=True)]
        return py.literal_of(widths[0]) if same(widths) else None

    def carried_variable(self, name: str, values: Mapping[int, object]) -> py.Variable:
        """A variable that loops change: its values by the identity of the bodies that begin with them."""
        made = self.variable(name)
        self._carried[made] = dict(values)
        return py.Variable(made)

    @staticmethod
    def _free(name: str, taken: set[str]) -> str:
        found, number = name, 1
        while found in taken:
            number += 1
            found = f"{name}{number}" if not name[-1].isdigit() else f"{name}_{number}"
        return found

    def value_of(self, name: str, column: Column) -> object:
        """The value of a constructor argument or variable in a column."""
        if name in self.parameters:
            return self.parameters[name].values[column.root]
        if name in self.definitions and name not in self._language:
            return py.evaluated(self.definitions[name], lambda inner: self.value_of(inner, column))
        if name in self._carried:
            values = self._carried[name]
            if id(column.run) not in values:
                raise Unfit(f"`{name}` changes here")
            return values[id(column.run)]
        variable = column.run.context.variables.get(self._language[name])
        found = None if variable is None else py.literal_of(variable.value)
        if found is None:
            raise Unfit(f"`{name}` has no value here")
        return found.value

    def values(self, expression: Expression, columns: Sequence[Column]) -> list[object]:
        return values_of(expression, columns, self.value_of)

    def holds(self, expression: Expression | None, columns: Sequence[Column], values: Sequence[object]) -> bool:
        """Whether an expression has these values."""
        if expression is None:
            return False
        try:
            return self.values(expression, columns) == list(values)
        except (Unfit, ArithmeticError, LookupError, TypeError):
            return False

    def expression_for(
        self,
        values: Sequence[object],
        place: Place,
        candidates: Iterable[Expression | None],
        name: str,
        default: object,
    ) -> Expression:
        """An expression for values in the columns of a place: a candidate, a literal, an argument, a new one."""
        for candidate in candidates:
            if self.holds(candidate, place.columns, values):
                assert candidate is not None
                return candidate
        if same(values) and (literal := py.literal_of(values[0])) is not None:
            return literal
        known = [py.Variable(one) for one in (*self.parameters, *self._language) if one != "in_channels"]
        for variable in known:
            if self.holds(variable, place.columns, values):
                return variable
        for variable in known:
            half = py.binary("//", variable, py.Literal(2))
            if name == "padding" and self.holds(half, place.columns, values):
                return half
        return self._ask(values, place, name, default)

    def _ask(self, values: Sequence[object], place: Place, name: str, default: object) -> Expression:
        """A new constructor argument of these values, which every call then passes."""
        if self.is_model:
            raise Unfit(f"no argument of the model gives `{name}`")
        found: dict[int, object] = {}
        for column, value in zip(place.columns, values, strict=True):
            literal = py.literal_of(value)
            if literal is None or found.setdefault(column.root, literal.value) != literal.value:
                raise Unfit(f"`{name}` changes in an instance")
        missing = default if not isinstance(default, _Nothing) else next(iter(found.values()))
        every = [found.get(number, missing) for number in range(len(self.instances))]
        return self.add_parameter(Parameter(name, every, default))

    # --- attributes ---

    def access(self, label: str) -> str:
        """The expression for the module of a label in ``forward``."""
        first, *rest = label.split(".")
        found = _attribute(first)
        keys: Mapping[str, object] = self._tree[first]  # type: ignore[assignment]
        for part in rest:
            if len(keys) > 1:
                found += f"[{part}]" if _is_list(keys) else f"[{py.string_text(part)}]"
            keys = keys[part]  # type: ignore[assignment]
        return found

    def add_module(self, label: str, text: str, lines: list[Line]) -> str:
        """Give the class a module; gives the expression for it."""
        first, *rest = label.split(".")
        if not rest:
            lines.append(Line(_assignment(first, text)))
            return self.access(label)
        leaves, line = self._containers.get(first, ({}, Line("")))
        lines[:] = [other for other in lines if other is not line]
        leaves = {**leaves, ".".join(rest): text}
        made = _container(self._tree[first], leaves)  # type: ignore[arg-type]
        line = Line(_assignment(first, made))
        lines.append(line)
        self._containers[first] = (leaves, line)
        return self.access(label)

    def shared_module(self, name: str, text: str, lines: list[Line]) -> str:
        """A module without tensors and without a name in the text: one for all equal ones of the class."""
        if text in self._shared:
            return f"self.{self._shared[text][0]}"
        made = self._free(identifier(name), self._attributes | RESERVED)
        self._attributes.add(made)
        line = Line(f"self.{made} = {text}")
        lines.append(line)
        self._shared[text] = (made, line)
        return f"self.{made}"

    def stored(self, expression: Expression, name: str, lines: list[Line]) -> str:
        """A number that ``forward`` reads, as an attribute."""
        if isinstance(expression, py.Literal):
            return py.written(expression)
        if expression not in self._stored:
            wanted = expression.name if isinstance(expression, py.Variable) else name
            made = self._free(identifier(wanted), self._attributes | RESERVED)
            self._attributes.add(made)
            lines.append(Line(f"self.{made} = {py.written(expression)}"))
            self._stored[expression] = f"self.{made}"
        return self._stored[expression]

    def tidy(self) -> None:
        """Write containers shorter: as a sequence where it is one, and equal items as a comprehension."""
        for name, (_, line) in self._containers.items():
            access = _attribute(name)
            prefix = f"{access} = nn.ModuleList(["
            if not line.text.startswith(prefix):
                continue
            items = split_items(line.text[len(prefix) : -len("])")])
            if self._is_sequence(access, len(items)):
                line.text = f"{access} = nn.Sequential({', '.join(items)})"
                continue
            taken = {*self._variables, *self.parameters}
            short = comprehension(items, next(one for one in ("channels", "width", "value") if one not in taken))
            if short:
                line.text = f"{access} = nn.ModuleList([{short}])"

    def _is_sequence(self, access: str, count: int) -> bool:
        """Whether ``forward`` applies the items one after the other; then it applies the whole."""
        calls = [f"{access}[{number}](" for number in range(count)]
        text = "\n".join(_texts(self.forward))
        if any(text.count(call) != 1 for call in calls):
            return False
        lines = [line.text for line in self.forward]
        first = next((number for number, line in enumerate(lines) if line == f"x = {calls[0]}x)"), None)
        if first is None:
            return False
        if lines[first : first + count - 1] != [f"x = {call}x)" for call in calls[:-1]]:
            return False
        last = self.forward[first + count - 1]
        if f"{calls[-1]}x)" not in last.text:
            return False
        last.text = last.text.replace(f"{calls[-1]}x)", f"{access}(x)")
        del self.forward[first : first + count - 1]
        return True

    def finish(self) -> None:
        """Leave out variables that nothing reads, and note which arguments are used."""
        while True:
            text = "\n".join([self.call_super, *_texts(self.init)])
            unread = {line.defines for line in _every(self.init) if line.defines} - set(_defined_and_read(self.init))
            unread = {name for name in unread if not _reads(self.call_super, name)}
            if not unread:
                break
            _remove(self.init, unread)
        for parameter in self.parameters.values():
            parameter.used = _reads(text, parameter.name)

    @property
    def signature(self) -> list[Parameter]:
        """The arguments that are used, those without a default first."""
        used = [parameter for parameter in self.parameters.values() if parameter.used]
        return sorted(used, key=lambda one: not isinstance(one.default, _Nothing))


def split_items(text: str) -> list[str]:
    """The items of a list, as they are written."""
    found, depth, start = [], 0, 0
    for position, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and not depth:
            found.append(text[start:position])
            start = position + 2
    return [*found, text[start:]]


def comprehension(items: Sequence[str], variable: str) -> str:
    """Equal items, or items that differ in one word, as a comprehension; empty if they differ in more."""
    if len(items) < _FEWEST:
        return ""
    words = [re.split(r"(\N{CURRENCY SIGN}\d+\N{CURRENCY SIGN}|\w+)", item) for item in items]
    if len({len(each) for each in words}) > 1:
        return ""
    differing = [place for place in range(len(words[0])) if len({each[place] for each in words}) > 1]
    if not differing:
        return f"{items[0]} for _ in range({len(items)})"
    if len(differing) > 1 or not re.fullmatch(r"\w+", words[0][differing[0]]):
        return ""
    (place,) = differing
    values = ", ".join(each[place] for each in words)
    item = "".join([*words[0][:place], variable, *words[0][place + 1 :]])
    return f"{item} for {variable} in ({values})"


_FEWEST = 3
"""Items that a comprehension is shorter than."""


def _reads(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}\b(?!=[^=])", text) is not None


def _every(lines: Iterable[Line]) -> Iterable[Line]:
    for line in lines:
        yield line
        yield from _every(line.inside)


def _texts(lines: Iterable[Line]) -> Iterable[str]:
    return (line.text for line in _every(lines))


def _defined_and_read(lines: Sequence[Line]) -> Iterable[str]:
    every = list(_every(lines))
    for line in every:
        if line.defines and any(
            _reads(other.text if other.defines != line.defines else other.text.partition(" = ")[2], line.defines)
            for other in every
            if other is not line
        ):
            yield line.defines


def _remove(lines: list[Line], unread: set[str]) -> None:
    lines[:] = [line for line in lines if line.defines not in unread or not line.defines]
    for line in lines:
        _remove(line.inside, unread)
    lines[:] = [line for line in lines if line.inside or not line.text.startswith(("for ", "if "))]


def identifier(name: str) -> str:
    """A name of Python, as near as possible."""
    made = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not made or made[0].isdigit():
        made = f"n{made}"
    return f"{made}_" if iskeyword(made) or issoftkeyword(made) or made in SHADOWED else made


def _attribute(name: str) -> str:
    if name in RESERVED:
        return f"dict(self.named_children())[{py.string_text(name)}]"
    return f"self.{name}" if _is_plain(name) else f"getattr(self, {py.string_text(name)})"


def _assignment(name: str, text: str) -> str:
    if name in RESERVED:
        return f"self._modules[{py.string_text(name)}] = {text}"
    if _is_plain(name):
        return f"self.{name} = {text}"
    return f"self.add_module({py.string_text(name)}, {text})"


def _is_plain(name: str) -> bool:
    return name.isidentifier() and name.isascii() and not iskeyword(name) and not name.startswith("__")


_Tree = dict[str, object]


def _tree(labels: Iterable[str]) -> dict[str, object]:
    tree: _Tree = {}
    for label in labels:
        inner = tree
        for part in label.split("."):
            inner = inner.setdefault(part, {})  # type: ignore[assignment]
    for label in labels:
        inner = tree
        for part in label.split("."):
            inner = inner[part]  # type: ignore[assignment]
        if inner:
            raise Unfit(f"`{label}` is a module and holds others")
    return tree


def _is_list(keys: Mapping[str, object]) -> bool:
    return sorted(keys) == sorted(str(number) for number in range(len(keys)))


def _container(tree: Mapping[str, object], leaves: Mapping[str, str], prefix: str = "") -> str:
    """The modules of dotted labels, as far as they have been written."""

    def made(key: str) -> str:
        path = f"{prefix}{key}"
        inner: Mapping[str, object] = tree[key]  # type: ignore[assignment]
        return leaves[path] if path in leaves else _container(inner, leaves, f"{path}.")

    present = [key for key in tree if any(f"{leaf}.".startswith(f"{prefix}{key}.") for leaf in leaves)]
    if len(tree) == 1:
        (key,) = tree
        return (
            f"nn.Sequential({made(key)})" if key == "0" else f"nn.Sequential(OrderedDict({named([(key, made(key))])}))"
        )
    if _is_list(tree):
        return f"nn.ModuleList([{', '.join(made(key) for key in sorted(present, key=int))}])"
    pairs = ", ".join(f"{py.string_text(key)}: {made(key)}" for key in present)
    return f"nn.ModuleDict({{{pairs}}})"


def named(pairs: Sequence[tuple[str, str]]) -> str:
    """The arguments of an ``OrderedDict``."""
    if all(_is_plain(name) and name != "self" for name, _ in pairs):
        return ", ".join(f"{name}={text}" for name, text in pairs)
    return f"[{', '.join(f'({py.string_text(name)}, {text})' for name, text in pairs)}]"


Ask = Callable[[BodyRun], ClassWriter]
