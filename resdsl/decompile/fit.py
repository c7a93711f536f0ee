"""The parameters of a block: the places where its instances differ, each written as an expression in few parameters.

An argument that is the same in every instance is a number. One that differs is the value of a parameter, a multiple or
a part of one, or of the channels that flow in, if that holds for every instance; otherwise it is a new parameter.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from resdsl.decompile.embed import Binding
from resdsl.decompile.tree import Group, Item, Join, Op, Residual, Sequence, nodes_of
from resdsl.decompile.words import reserved, unused
from resdsl.elaborate.values import ShortcutKind
from resdsl.ir.graph import Graph
from resdsl.ir.types import Sides, Size, Word
from resdsl.ir.values import format_value
from resdsl.ops.conv import Conv
from resdsl.ops.windows import sides

MOST_PARAMETERS = 6

MOST_FACTORS = 3
LEAST_EXPANSION = 3
"""Factors by which a block multiplies the channels that it is called with: those of inverted residuals are 3 to 6."""

Key = tuple[int, str]
"""A place of a block: the identity of an item of its shape, and a field of it.

Besides the fields of operators there are ``present`` (an item that some instances lack), ``shortcut`` (the kind of a
residual) and ``argument:NAME`` (a parameter of a block that is called).
"""

_HALF, _SAME = Word("half"), Word("same")

COUNTS = ("channels", "features", "groups", "start", "stop", "branches")
"""Fields that count channels, and follow from each other."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a block; ``default`` is what most of its instances take (``None``: each call states it).

    That of a stride is 1 wherever an instance has that.
    """

    name: str
    kind: str
    default: object | None

    def __str__(self) -> str:
        annotation = f": {self.kind}" if self.kind else ""
        return f"{self.name}{annotation}" + (
            "" if self.default is None else f" = {value_text(self.name, self.default)}"
        )


@dataclass(slots=True)
class Fit:
    """``texts`` are the expressions of the places; ``arguments`` the values of the parameters for each member."""

    parameters: tuple[Parameter, ...] = ()
    texts: dict[Key, str] = field(default_factory=dict)
    arguments: list[dict[str, object]] = field(default_factory=list)


@dataclass(slots=True)
class Called:
    """A group that is a call of a block: its parameters, and their values."""

    parameters: tuple[Parameter, ...]
    values: Mapping[str, object]


def value_text(name: str, value: object) -> str:
    """A value as an argument of this name: windows are written as sizes, steps as numbers."""
    return format_value(value, shortest=not (isinstance(value, Size) and name.startswith("kernel")))


@dataclass(slots=True)
class _Place:
    key: Key
    label: str
    values: list[object]
    here: list[object]
    """The channels of the current value there, for each instance."""
    is_count: bool = False


def fit(
    graph: Graph, shape: Group, members: list[Group], bindings: list[Binding], calls: Mapping[int, Called]
) -> Fit | None:
    """The parameters with which ``shape`` is each of ``members``; ``None`` where it would take too many.

    ``calls`` are the groups below, by identity, that are calls of blocks.
    """
    fitter = _Fitter(graph, shape, members, bindings, calls)
    fitter.walk(shape.body, [True] * len(members))
    for place in fitter.places:
        fitter.express(place)
    for place in fitter.late:
        fitter.decide(place)
    if len(fitter.parameters) > MOST_PARAMETERS:
        return None
    return fitter.result()


class _Fitter:
    def __init__(
        self,
        graph: Graph,
        shape: Group,
        members: list[Group],
        bindings: list[Binding],
        calls: Mapping[int, Called],
    ) -> None:
        self.graph = graph
        self.members = members
        self.bindings = bindings
        self.calls = calls
        self.prefix = f"{shape.path}."
        # A parameter of this name would hide the operator.
        self.called = {getattr(node.operator, "join", "") or node.operator.name for node in nodes_of(shape)}
        self.incoming = [self._channels(member.body.start) for member in members]
        self.places: list[_Place] = []
        self.late: list[_Place] = []
        self.residuals: dict[int, Residual] = {}
        self.items: dict[int, Item] = {}
        self.parameters: dict[str, tuple[str, bool, list[object]]] = {}
        self.texts: dict[Key, str] = {}

    # --- collecting the places -----------------------------------------------------------------------------------

    def walk(self, sequence: Sequence, within: list[bool]) -> None:
        """Collect the places of a sequence that the instances ``within`` have."""
        before = within
        for item in sequence.items:
            found = [binding.items.get(id(item)) for binding in self.bindings]
            present = [one is not None for one in found]
            if isinstance(item, Residual):
                self._residual(item, found, within)
                continue
            if present not in (within, before):
                self.items[id(item)] = item
                self.late.append(_Place((id(item), "present"), self._label(item), list(present), self._here(found)))
            before = present
            if isinstance(item, Op):
                self._operator(item, found)
            elif isinstance(item, Join):
                for branch in item.branches:
                    self.walk(branch, present)
            elif id(item) in self.calls:
                self._call(item, found)
            else:
                self.walk(item.body, present)

    def _operator(self, item: Op, found: list[Item | None]) -> None:
        here = self._here(found)
        for one in dataclasses.fields(item.node.operator):
            values = [None if not isinstance(op, Op) else getattr(op.node.operator, one.name) for op in found]
            if one.name == "pad" and _HALF in values and _SAME in values:
                # Of a step of 1, `half` is the same numbers.
                values = self._same_pads(found, values)
            if one.name == "pad" and len({type(value) for value in values if value is not None}) > 1:
                values = [self._sides(op) if isinstance(op, Op) else None for op in found]
            self.places.append(_Place((id(item), one.name), self._label(item), values, here, one.name in COUNTS))

    def _same_pads(self, found: list[Item | None], values: list[object]) -> list[object]:
        """``same`` for every instance, as TensorFlow has it, where that is what they have; else the values."""
        for op, value in zip(found, values, strict=True):
            if isinstance(op, Op) and value == _HALF:
                operator, x = op.node.operator, self.graph.nodes[op.node.inputs[0]].type
                same = dataclasses.replace(operator, pad=_SAME)  # type: ignore[call-arg]
                if same.canonical(x) != operator.canonical(x):
                    return values
        return [_SAME if value == _HALF else value for value in values]

    def _sides(self, op: Op) -> Sides:
        operator, x = op.node.operator, self.graph.nodes[op.node.inputs[0]].type
        dilation = getattr(operator, "dilation", Size(1, 1))
        return sides(operator.pad, x, operator.kernel, operator.stride, dilation)  # type: ignore[attr-defined]

    def _call(self, item: Group, found: list[Item | None]) -> None:
        here = self._here(found)
        called = self.calls[id(item)]
        for parameter in called.parameters:
            values = [None if one is None else self.calls[id(one)].values[parameter.name] for one in found]
            is_count = all(_is_integer(value) for value in values if value is not None) and parameter.kind == ""
            self.places.append(
                _Place((id(item), f"argument:{parameter.name}"), self._label(item), values, here, is_count)
            )

    def _residual(self, item: Residual, found: list[Item | None], within: list[bool]) -> None:
        self.walk(item.main, within)
        if item.scale is not None:
            factors = [one.factor if isinstance(one, Residual) else None for one in found]
            self.places.append(_Place((id(item), "scale"), "scale", list(factors), self._here(found)))
        projecting = [
            isinstance(one, Residual) and bool(one.shortcut.items or one.shortcut.source is not None) for one in found
        ]
        if not item.zeros:
            self.walk(item.shortcut, projecting)
        self.residuals[id(item)] = item
        kinds = [self._kind(item, one, binding) for one, binding in zip(found, self.bindings, strict=True)]
        self.late.append(_Place((id(item), "shortcut"), "skip", list(kinds), self._here(found)))

    def _kind(self, item: Residual, one: Item | None, binding: Binding) -> Word | None:
        if id(item) in binding.plain:
            return Word("none")
        if not isinstance(one, Residual):
            return None
        if item.zeros:
            # Of equal shapes it is the identity.
            return Word(str(ShortcutKind("pad", item.zeros)))
        if not one.shortcut.items and one.shortcut.source is None:
            return Word("identity")
        start, end = self.graph.nodes[one.main.start].type, self.graph.nodes[one.node.index].type
        return Word("projection_always" if start == end else "projection")

    def _here(self, found: list[Item | None]) -> list[object]:
        starts: list[object] = []
        for one in found:
            if isinstance(one, Op):
                starts.append(self._channels(one.node.inputs[0]) if one.node.inputs else None)
            elif isinstance(one, Group):
                starts.append(self._channels(one.body.start))
            elif isinstance(one, Residual):
                starts.append(self._channels(one.main.start))
            else:
                starts.append(None)
        return starts

    def _channels(self, node: int) -> object:
        shape = self.graph.nodes[node].type.shape
        return shape[1] if len(shape) > 1 else None

    def _label(self, item: Item) -> str:
        """What a parameter for a place of this item can be called."""
        if isinstance(item, Op) and not item.label:
            return item.node.operator.name
        if isinstance(item, Op | Group):
            path = item.path.removeprefix(self.prefix)
            # `0.se`: the number of a module in a list says nothing.
            return re.sub(r"\W", "_", re.sub(r"^(\d+\.)+(?=\D)", "", path))
        return "part"

    # --- expressions ---------------------------------------------------------------------------------------------

    def express(self, place: _Place) -> None:
        present = [value for value in place.values if value is not None]
        if not present:
            return
        if all(_equal(value, present[0]) for value in present):
            partly = len(present) < len(place.values)
            known = next((name for name, (_, _, values) in self.parameters.items() if _same(place.values, values)), "")
            if partly and known and place.key[1] in ("stride", *COUNTS):
                # Where only some instances have the place, it follows what they were given.
                self.texts[place.key] = known
                return
            self.texts[place.key] = value_text(place.key[1].removeprefix("argument:"), present[0])
            return
        self.texts[place.key] = self._known(place) or self._new(place)

    def _known(self, place: _Place) -> str:
        name = place.key[1]
        if name == "groups" and _same(place.values, place.here):
            return "channels"
        for known, (_, _, values) in self.parameters.items():
            if _same(place.values, values):
                return known
        if not place.is_count:
            return ""
        counted = [(known, values) for known, (_, is_count, values) in self.parameters.items() if is_count]
        for known, values in [*counted, ("channels_in", self.incoming), ("channels", place.here)]:
            text = _multiple(place.values, values, known)
            if text:
                return text
        return ""

    def _expansion(self, place: _Place) -> str:
        """A multiple of the channels that flow in, where the factor is one of few: ``expand * channels_in``."""
        pairs = [(a, b) for a, b in zip(place.values, self.incoming, strict=True) if a is not None]
        if not place.is_count or not all(_is_integer(a) and _is_integer(b) and b > 0 for a, b in pairs):  # type: ignore[operator]
            return ""
        factors = [None if a is None else a / b for a, b in zip(place.values, self.incoming, strict=True)]  # type: ignore[operator]
        starts = [b for a, b in zip(place.values, self.incoming, strict=True) if a is not None]
        if 1 not in factors and [one for one in place.here if one is not None] == starts:
            # An instance that does not widen its input at all has the factor 1.
            factors = [1 if one is None else one for one in factors]
        counts = Counter(one for one in factors if one is not None)
        ((usual, _),) = counts.most_common(1)
        few = 1 < len(counts) <= min(MOST_FACTORS, len({a for a, _ in pairs}))
        if not few or usual < LEAST_EXPANSION or any(one != int(one) for one in counts):
            return ""
        values: list[object] = [None if one is None else int(one) for one in factors]
        known = (name for name, (_, _, own) in self.parameters.items() if _same(values, own))
        name = next(known, "") or unused("expand", {*self.parameters, *self.called})
        self.parameters.setdefault(name, ("", False, values))
        for other in self.places:
            # What only the instances with this factor have.
            if other.is_count and self.texts.get(other.key) == f"{int(usual)} * channels_in" and other is not place:
                there = [None if a is None else b for a, b in zip(other.values, values, strict=True)]
                if all(one in (None, int(usual)) for one in there):
                    self.texts[other.key] = f"{name} * channels_in"
        return f"{name} * channels_in"

    def _new(self, place: _Place) -> str:
        if expansion := self._expansion(place):
            return expansion
        name = self._name(place)
        self.parameters[name] = (self._annotation(place), place.is_count, list(place.values))
        return name

    def _annotation(self, place: _Place) -> str:
        given = [value for value in place.values if value is not None]
        if place.key[1] == "shortcut":
            return "shortcut"
        if any(isinstance(value, Word) for value in given):
            return f"{{{', '.join(sorted({str(value) for value in given}))}}}"
        if any(isinstance(value, Size) and value.height != value.width for value in given):
            return "size"
        own = place.key[1].removeprefix("argument:")
        return "size" if own.startswith("kernel") and any(isinstance(value, Size) for value in given) else ""

    def _name(self, place: _Place) -> str:
        own = place.key[1]
        base = {"channels": "width", "features": "width", "shortcut": "skip"}.get(own, own)
        if own.startswith("argument:"):
            base = own.removeprefix("argument:")
        elif own == "present":
            base = self._presence(place)
        if base in self.parameters and place.label and not place.label.isdigit() and own != "present":
            base = place.label if place.is_count else f"{place.label}_{base}"
        base = re.sub(r"\W", "_", base)
        if base.isdigit():
            base = "width"
        if base in self.called:
            base = f"{base}_width" if place.is_count else f"{base}_argument"
        if not base.isidentifier() or base in reserved():
            base = f"p{base}"
        return unused(base, self.parameters)

    def _presence(self, place: _Place) -> str:
        """What a parameter is called with which an instance has an item or lacks it."""
        item = self.items[place.key[0]]
        first = next(iter(nodes_of(item)), None)
        if first is not None and isinstance(first.operator, Conv):
            here = self._channels(first.inputs[0])
            if _is_integer(here) and first.operator.channels > here:  # type: ignore[operator]
                return "expand"
        last = place.label.rpartition("_")[2]
        word = first.operator.name if last.isdigit() and first is not None else place.label
        return f"with_{word}"

    # --- conditions ----------------------------------------------------------------------------------------------

    def decide(self, place: _Place) -> None:
        """What an instance has or lacks: by a condition that holds for all instances, or a parameter of its own."""
        if place.key[1] == "present":
            self.texts[place.key] = self._condition([bool(value) for value in place.values]) or self._new(place)
            return
        kinds = {str(value) for value in place.values if value is not None}
        if len(kinds) == 1:
            self.texts[place.key] = kinds.pop()
        elif kinds == {"identity", "projection"} and self._decided_by_shape(place):
            self.texts[place.key] = "projection"
        elif kinds == {"identity", "none"}:
            condition = self._condition([value == "identity" for value in place.values], place)
            self.texts[place.key] = f"(identity if {condition} else none)" if condition else self._new(place)
        else:
            if "none" in kinds and self._decided_by_shape(place):
                # `projection` is the identity where that fits.
                place.values = [Word("projection") if one == "identity" else one for one in place.values]
            self.texts[place.key] = self._new(place)

    def _decided_by_shape(self, place: _Place) -> bool:
        """Whether the instances with the identity are those whose main path keeps the shape, as far as they add."""
        item = self.residuals[place.key[0]]
        for binding, kind in zip(self.bindings, place.values, strict=True):
            one = binding.items.get(id(item))
            if isinstance(one, Residual) and kind != "none":
                same = self.graph.nodes[one.main.start].type == self.graph.nodes[one.main.end].type
                if same != (kind == "identity"):
                    return False
        return True

    def _condition(self, wanted: list[bool], place: _Place | None = None) -> str:
        tests: list[tuple[str, list[bool]]] = []
        outgoing = [self._channels(member.body.end) for member in self.members]
        for name, (kind, is_count, values) in self.parameters.items():
            if any(value is None for value in values):
                continue
            if is_count and values == outgoing:
                channels = "channels" if place is not None else "channels_in"
                same = [_equal(a, b) for a, b in zip(values, self.incoming, strict=True)]
                tests.append((f"{name} == {channels}", same))
                tests.append((f"{name} != {channels}", [not one for one in same]))
            unit = [value in (1, Size(1, 1)) and not isinstance(value, bool) for value in values]
            if any(unit) and not all(unit):
                # A square size is passed on as a number, except to a parameter that is a size.
                one_ = "1x1" if kind == "size" or name.startswith("kernel") else "1"
                tests.append((f"{name} == {one_}", unit))
                tests.append((f"{name} != {one_}", [not one for one in unit]))
        for text, holds in tests:
            if holds == wanted:
                return text
        for text, holds in tests:
            for other, others in tests:
                both = [a and b for a, b in zip(holds, others, strict=True)]
                if both == wanted and "==" in text and "==" in other and text < other:
                    return f"{text} and {other}"
        return ""

    def _rename(self) -> None:
        """``width`` are the channels that come out, if a parameter is that; others are named by their layer."""
        outgoing = [self._channels(member.body.end) for member in self.members]
        named = next((name for name, (_, _, values) in self.parameters.items() if values == outgoing), None)
        if named in (None, "width"):
            return
        names = {named: "width"}
        if "width" in self.parameters:
            inner = [value for value in self.parameters["width"][2] if isinstance(value, int)]
            wide = sum(inner) > sum(one for one in outgoing if isinstance(one, int))
            names["width"] = "expanded" if wide else "inner"
        if any(new in self.parameters and new not in names for new in names.values()):
            return
        pattern = re.compile(r"\b(" + "|".join(names) + r")\b")
        self.texts = {key: pattern.sub(lambda found: names[found[1]], text) for key, text in self.texts.items()}
        self.parameters = {names.get(name, name): value for name, value in self.parameters.items()}

    # --- the result ----------------------------------------------------------------------------------------------

    def result(self) -> Fit:
        self._rename()
        parameters: list[Parameter] = []
        arguments: list[dict[str, object]] = [{} for _ in self.members]
        counts = [place for place, (_, is_count, _) in enumerate(self.parameters.values()) if is_count]
        first = counts[0] if counts else -1
        for place, (name, (kind, is_count, values)) in enumerate(self.parameters.items()):
            usual, count = Counter(repr(value) for value in values if value is not None).most_common(1)[0]
            default = next(value for value in values if repr(value) == usual)
            plain = next((value for value in values if value in (1, Size(1, 1))), None)
            if name.startswith(_PLAIN) and plain is not None:
                default = plain
            elif len([value for value in values if value is not None]) > 2 * count or (is_count and place == first):
                default = None
            parameters.append(Parameter(name, kind, default))
            for argument, value in zip(arguments, values, strict=True):
                # It does not matter for an instance that lacks the place.
                some = default if default is not None else next(one for one in values if one is not None)
                argument[name] = some if value is None else value
        parameters.sort(key=lambda one: (one.default is not None, one.name != "width"))
        return Fit(tuple(parameters), self.texts, arguments)


_PLAIN = ("stride", "dilation")
"""Parameters that are 1 unless a call says otherwise, however many do."""


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _equal(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _same(values: list[object], others: list[object]) -> bool:
    """Whether two places have the same value wherever the first one is."""
    return all(value is None or _equal(value, other) for value, other in zip(values, others, strict=True))


def _multiple(values: list[object], others: list[object], name: str) -> str:
    """``k * name``, ``name // k`` or ``name``, where that holds for every instance."""
    pairs = [(value, other) for value, other in zip(values, others, strict=True) if value is not None]
    if not pairs or not all(_is_integer(a) and _is_integer(b) and a > 0 and b > 0 for a, b in pairs):  # type: ignore[operator]
        return ""
    first, base = pairs[0]
    if all(a == b for a, b in pairs):
        return name
    if first % base == 0:  # type: ignore[operator]
        factor = first // base  # type: ignore[operator]
        if all(a == factor * b for a, b in pairs):
            return f"{factor} * {name}"
    divisor = max(1, round(base / first))  # type: ignore[operator]
    if all(a == b // divisor for a, b in pairs):
        return f"{name} // {divisor}"
    return ""
