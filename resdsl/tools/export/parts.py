"""Modules one after the other: ``nn.Sequential`` of modules, comprehensions, and what loops append."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from resdsl.tools.export import expressions as py
from resdsl.tools.export.classes import named
from resdsl.tools.export.expressions import Expression
from resdsl.tools.export.layout import Line


class NoChain(Exception):
    """The body is more than modules one after the other."""


@dataclass(frozen=True, slots=True)
class One:
    """A module. ``name`` is empty or a number where its position names it; ``key`` is a name with variables in it."""

    name: str
    text: str
    key: str = ""
    weighs: bool = True
    fallback: str = ""
    """The name of a module without tensors among named ones."""


@dataclass(frozen=True, slots=True)
class Many:
    """Modules from a comprehension: ``for _ in range(3)``."""

    one: One
    clause: str


@dataclass(frozen=True, slots=True)
class Nested:
    """Modules that statements append: the line that begins them, what is in it, and lines after all of that."""

    header: str
    parts: tuple[Part, ...]
    before: tuple[Line, ...] = ()
    after: tuple[Line, ...] = ()
    otherwise: tuple[Part, ...] = ()


Part = One | Many | Nested


@dataclass(slots=True)
class Chain:
    """The parts of a body, and the channels behind it."""

    parts: list[Part] = field(default_factory=list)
    channels: Expression | None = None


def modules(parts: Sequence[Part]) -> list[One]:
    """All modules that are named in the parts."""
    found: list[One] = []
    for part in parts:
        match part:
            case One():
                found.append(part)
            case Many(one):
                found.append(one)
            case Nested():
                found += [*modules(part.parts), *modules(part.otherwise)]
    return found


def with_names(parts: Sequence[Part]) -> tuple[list[Part], bool]:
    """The parts with the names that they are stored under, and whether these are names and not positions."""
    every = modules(parts)
    if all(one.name.isdigit() or (not one.name and not one.key) for one in every):
        places = [one.name in ("", str(place)) or not one.weighs for place, one in enumerate(every)]
        if all(places) or len(every) < len(parts) or not all(isinstance(part, One) for part in parts):
            return list(parts), False
        # Numbers with gaps, as where norms have been folded into convolutions.
        if len({one.name for one in every}) == len(every) and all(one.name for one in every):
            return list(parts), True
        raise NoChain
    if any(one.weighs and not (one.name or one.key) for one in every):
        raise NoChain
    taken = {one.name for one in every}
    return [_named(part, taken) for part in parts], True


def _named(part: Part, taken: set[str]) -> Part:
    match part:
        case One():
            if part.key or (part.name and (part.weighs or not part.name.isdigit())):
                return part
            # What has no tensors is called what it is.
            name, number = part.fallback, 1
            while name in taken:
                number += 1
                name = f"{part.fallback}{number}"
            taken.add(name)
            return replace(part, name=name)
        case Many(one, clause):
            made = _named(one, taken)
            assert isinstance(made, One)
            return Many(made, clause)
        case Nested():
            return replace(
                part,
                parts=tuple(_named(inner, taken) for inner in part.parts),
                otherwise=tuple(_named(inner, taken) for inner in part.otherwise),
            )


def sequential(parts: Sequence[Part], variable: str, lines: list[Line]) -> str:
    """The ``nn.Sequential`` of the parts; ``lines`` get what stands before it, which uses the variable."""
    parts, is_named = with_names(parts)
    if any(isinstance(part, Nested) for part in parts):
        _appended(parts, variable, lines, is_named)
        return f"nn.Sequential({variable})" if is_named else f"nn.Sequential(*{variable})"
    if not is_named:
        texts = [part.text if isinstance(part, One) else _unpacked(part) for part in parts]
        return f"nn.Sequential({', '.join(texts)})"
    if len(parts) == 1 and isinstance(parts[0], Many):
        one = parts[0].one
        return f"nn.Sequential(OrderedDict(({one.key}, {one.text}) {parts[0].clause}))"
    if any(isinstance(part, Many) for part in parts):
        _appended(parts, variable, lines, is_named)
        return f"nn.Sequential({variable})"
    pairs = [(part.name, part.text) for part in parts if isinstance(part, One)]
    if len({name for name, _ in pairs}) < len(pairs):
        raise NoChain
    return f"nn.Sequential(OrderedDict({named(pairs)}))"


def _unpacked(part: Part) -> str:
    assert isinstance(part, Many)
    return f"*[{part.one.text} {part.clause}]"


def _appended(parts: Sequence[Part], variable: str, lines: list[Line], is_named: bool) -> None:
    """The statements that fill a list or a dict with the modules."""
    if is_named:
        lines.append(Line(f"{variable}: OrderedDict[str, nn.Module] = OrderedDict()"))
        _fill(parts, variable, lines, is_named)
        return
    first: list[str] = []
    rest = list(parts)
    while rest and not isinstance(rest[0], Nested):
        part = rest.pop(0)
        first.append(part.text if isinstance(part, One) else _unpacked(part))
    lines.append(Line(f"{variable}: list[nn.Module] = [{', '.join(first)}]"))
    _fill(rest, variable, lines, is_named)


def _fill(parts: Sequence[Part], variable: str, lines: list[Line], is_named: bool) -> None:
    waiting: list[str] = []

    def flush() -> None:
        if len(waiting) == 1 and not waiting[0].startswith("*["):
            lines.append(Line(f"{variable}.append({waiting[0]})"))
        elif len(waiting) == 1:
            lines.append(Line(f"{variable} += {waiting[0][1:]}"))
        elif waiting:
            lines.append(Line(f"{variable} += [{', '.join(waiting)}]"))
        waiting.clear()

    for part in parts:
        match part:
            case One() if is_named:
                lines.append(Line(f"{variable}[{part.key or py.string_text(part.name)}] = {part.text}"))
            case Many(one, clause) if is_named:
                inner = Line(f"{variable}[{one.key}] = {one.text}")
                lines.append(Line(f"{clause}:", [inner]))
            case One():
                waiting.append(part.text)
            case Many():
                waiting.append(_unpacked(part))
            case Nested():
                flush()
                lines += part.before
                body: list[Line] = []
                _fill(part.parts, variable, body, is_named)
                lines.append(Line(part.header, [*body, *part.after]))
                if part.otherwise:
                    other: list[Line] = []
                    _fill(part.otherwise, variable, other, is_named)
                    lines.append(Line("else:", other))
    flush()
