"""Blocks of the standard library in a network: groups that a library block builds, with the same names of tensors.

A block of the library is called with arguments that its text alone explains, so it is tried: built with values that
occur in the group, until the result is the group.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from resdsl.decompile.fit import Fit, Parameter
from resdsl.decompile.tree import Group, nodes_of
from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate.limits import Budget
from resdsl.elaborate.network import elaborate
from resdsl.elaborate.program import Program, load_program, standard_library
from resdsl.elaborate.values import SHORTCUT_KINDS
from resdsl.ir.graph import Graph, Node
from resdsl.ir.types import Word
from resdsl.ops.bn import BatchNorm
from resdsl.ops.conv import Conv
from resdsl.ops.join import Join
from resdsl.syntax import tree

_MARK = 64 * 7
_PRIMES = (101, 103, 107, 109, 113, 127, 131, 137)
"""Widths by which convolutions show which parameter they follow: divisible as real ones are, and far from each other's
multiples.
"""

MOST_TIMES = 16
"""The multiple of a width that a layer may have."""

MOST_TRIALS = 120
"""Sets of arguments that are tried for one group."""

_LABEL = re.compile(r"(\w[\w.]*):\s")


@dataclass(frozen=True, eq=False)
class LibraryBlock:
    """A block of the library, and the labels in its text."""

    file: str
    name: str
    labels: frozenset[str]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that are tried; lists, blocks and conditions keep their defaults."""
        return tuple(_parameter(one) for one in self._definition.parameters if _is_tried(one))

    @cached_property
    def words(self) -> Mapping[str, tuple[str, ...]]:
        """The words that a parameter can be, by its name."""
        return {one.name.name: words for one in self._definition.parameters if (words := _words(one))}

    @cached_property
    def _definition(self) -> tree.Definition:
        return _definitions(self.file)[self.name]

    @cached_property
    def program(self) -> Program:
        """A model that calls the block, with its parameters, the channels ``c`` and the ``eps`` of norms as its own."""
        declared = "".join(f", {one.name}{_annotation(one)} = {_example(one)}" for one in self.parameters)
        given = ", ".join(f"{one.name} = {one.name}" for one in self.parameters)
        model = (
            f'use "std/{self.file}" ({self.name})\n'
            f"model m(c = 8, eps = 1e-5{declared}) {{\n"
            f"  input x: f32[N, c, H, W]\n  default bn(eps = eps)\n  at: {self.name}({given})\n  output y\n}}\n"
        )
        return load_program(Source("<library>", model), Diagnostics())

    @cached_property
    def _marked(self) -> tuple[Mapping[str, int], Mapping[str, int], bool]:
        """The block with a number of its own for each width: these numbers, the channels of its convolutions by path,
        and whether it has norms.
        """
        widths = [one.name for one in self.parameters if one.default is None and not one.kind]
        marks = {name: _MARK * prime for name, prime in zip(widths, _PRIMES, strict=False)}
        graph = self.build({"c": 64, "eps": 1e-5, **marks})
        if graph is None:
            return marks, {}, False
        channels = {
            node.path.removeprefix("at."): node.operator.channels
            for node in graph.nodes
            if isinstance(node.operator, Conv)
        }
        return marks, channels, any(isinstance(node.operator, BatchNorm) for node in graph.nodes)

    @property
    def has_norms(self) -> bool:
        return self._marked[2]

    def widths_from(self, channels: Mapping[str, int]) -> dict[str, int] | None:
        """The widths that the block was called with, read off the channels of its convolutions by path.

        Parameters that no convolution shows are missing. ``None`` where two convolutions contradict each other.
        """
        marks, built, _ = self._marked
        found: dict[str, int] = {}
        for path, marked in built.items():
            for name, mark in marks.items():
                if path not in channels or not _is_multiple(marked, mark):
                    continue
                value, rest = divmod(channels[path] * mark, marked)
                if rest or found.setdefault(name, value) != value:
                    return None
        return found

    def build(self, arguments: Mapping[str, object]) -> Graph | None:
        """The block applied to a value, as the graph of a network; ``None`` where it does not take the arguments."""
        return _built(self, tuple(sorted(arguments.items())))


def _is_multiple(one: int, other: int) -> bool:
    """Whether one width is some times the other, or a part of it."""
    small, large = sorted((one, other))
    return large % small == 0 and large // small <= MOST_TIMES


@lru_cache(1_024)
def _built(block: LibraryBlock, arguments: tuple[tuple[str, object], ...]) -> Graph | None:
    diagnostics = Diagnostics()
    # Its warnings are not asked for.
    graph = elaborate(block.program, diagnostics, arguments=dict(arguments), budget=Budget(linted=True))
    return None if diagnostics.errors else graph


@dataclass(frozen=True, slots=True)
class Found:
    """A block of the library, and the arguments with which it is each of some groups."""

    block: LibraryBlock
    fit: Fit


def find(graph: Graph, members: list[Group], weighted: frozenset[int]) -> Found | None:
    """The block of the library that each of these groups is, if there is one."""
    first = members[0]
    start = graph.nodes[first.body.start].type
    if start.rank != 4 or not isinstance(start.shape[1], int):
        return None
    heads = _heads(first, weighted)
    for block in library():
        if not heads <= block.labels:
            continue
        known: dict[Hashable, dict[str, object]] = {}
        arguments: list[dict[str, object]] = []
        for member in members:
            key = graph.nodes[member.body.start].type.shape[1:2], tuple(node.operator for node in nodes_of(member))
            if key not in known:
                found = _arguments(graph, member, block, weighted, list(known.values()))
                if found is None:
                    break
                known[key] = found
            arguments.append(known[key])
        else:
            arguments = _with_one_shortcut(graph, members, block, arguments, weighted)
            return Found(block, Fit(block.parameters, {}, arguments))
    return None


def _with_one_shortcut(
    graph: Graph,
    members: list[Group],
    block: LibraryBlock,
    arguments: list[dict[str, object]],
    weighted: frozenset[int],
) -> list[dict[str, object]]:
    """The arguments with the shortcut of the groups that change the shape for all of them, where that is the same.

    An identity is what most kinds are where the shape stays.
    """
    for parameter in block.parameters:
        if parameter.kind != "shortcut":
            continue
        kinds = {
            given[parameter.name]
            for member, given in zip(members, arguments, strict=True)
            if graph.nodes[member.body.start].type != graph.nodes[member.body.end].type
        }
        if len(kinds) == 1:
            (kind,) = kinds
            tried = [{**given, parameter.name: kind} for given in arguments]
            pairs = zip(members, tried, arguments, strict=True)
            if all(new == old or _Wanted(graph, one, weighted).is_built(block, new) for one, new, old in pairs):
                arguments = tried
    return arguments


@cache
def library() -> tuple[LibraryBlock, ...]:
    """Every block of the standard library, the larger ones first: they contain the smaller ones."""
    blocks: list[LibraryBlock] = []
    for path in sorted(standard_library().glob("*.res")):
        # Parsing them all takes longer than most networks; the labels tell which ones to parse.
        for part in _DEFINITION.split(path.read_text(encoding="utf-8"))[1:]:
            name = re.match(r"\w+", part)
            labels = _LABEL.findall(part)
            if name is not None:
                both = frozenset((*labels, *(label.partition(".")[0] for label in labels)))
                blocks.append(LibraryBlock(path.name, name[0], both))
    return tuple(sorted(blocks, key=lambda block: -len(block.labels)))


_DEFINITION = re.compile(r"^block\s+", re.MULTILINE)


@cache
def _definitions(file: str) -> Mapping[str, tree.Definition]:
    path = standard_library() / file
    program = load_program(Source(file, path.read_text(encoding="utf-8"), path), Diagnostics())
    return {name: defined.tree for name, defined in program.main.definitions.items()}


def _is_tried(parameter: tree.Parameter) -> bool:
    """Whether values for a parameter can be read off a group: numbers, sizes and words."""
    if _words(parameter):
        return True
    if isinstance(parameter.default, tree.Name | tree.ListLiteral | tree.Boolean):
        return False
    return parameter.annotation is None or _annotated(parameter) in ("size", "int", "float")


def _annotated(parameter: tree.Parameter) -> str:
    return parameter.annotation.name if parameter.annotation is not None else ""


def _words(parameter: tree.Parameter) -> tuple[str, ...]:
    if _annotated(parameter) == "shortcut":
        return SHORTCUT_KINDS
    return tuple(one.name for one in parameter.annotation.members) if parameter.annotation is not None else ()


def _parameter(parameter: tree.Parameter) -> Parameter:
    words = _words(parameter)
    if words:
        default: object = Word(parameter.default.name) if isinstance(parameter.default, tree.Name) else None
        kind = "shortcut" if words is SHORTCUT_KINDS else f"{{{', '.join(words)}}}"
        return Parameter(parameter.name.name, kind, default)
    return Parameter(parameter.name.name, _annotated(parameter), getattr(parameter.default, "value", None))


def _annotation(parameter: Parameter) -> str:
    return f": {parameter.kind}" if parameter.kind else ""


def _example(parameter: Parameter) -> str:
    if parameter.default is not None:
        return str(parameter.default)
    return "3x3" if parameter.kind == "size" else "8"


def _heads(group: Group, weighted: frozenset[int]) -> frozenset[str]:
    """The labels in the group's own body."""
    prefix = f"{group.path}."
    return frozenset(
        node.path.removeprefix(prefix).partition(".")[0] for node in nodes_of(group) if node.index in weighted
    )


def _arguments(
    graph: Graph, member: Group, block: LibraryBlock, weighted: frozenset[int], known: list[dict[str, object]]
) -> dict[str, object] | None:
    """Arguments with which the block is this group."""
    wanted = _Wanted(graph, member, weighted)
    nodes, channels = wanted.nodes, wanted.channels
    if len(wanted.eps) > 1:
        return None
    out = graph.nodes[member.body.end].type.shape
    outgoing = out[1] if len(out) > 1 and isinstance(out[1], int) else 1
    widths = {
        node.path.removeprefix(f"{member.path}."): node.operator.channels
        for node in nodes
        if isinstance(node.operator, Conv)
    }
    read = block.widths_from(widths)
    if read is None or (block.has_norms and not wanted.eps):
        return None
    choices: list[list[object]] = [
        [read[parameter.name]] if parameter.name in read else _choices(block, parameter, nodes, channels, outgoing)
        for parameter in block.parameters
    ]
    names = [one.name for one in block.parameters]
    trials = itertools.chain(known, (dict(zip(names, some, strict=True)) for some in _products(choices)))
    for arguments in itertools.islice(trials, MOST_TRIALS):
        if wanted.is_built(block, arguments):
            return dict(arguments)
    return None


class _Wanted:
    """A group, to which what a block builds is compared. ``eps`` are those of its batch norms."""

    def __init__(self, graph: Graph, group: Group, weighted: frozenset[int]) -> None:
        body = group.body
        self.nodes = list(nodes_of(group))
        self.channels = graph.nodes[body.start].type.shape[1]
        self.eps = {node.operator.eps for node in self.nodes if isinstance(node.operator, BatchNorm)}
        self._numbers: dict[Hashable, int] = {}
        self._end = _number(graph, self.nodes, body.start, body.end, f"{group.path}.", weighted, self._numbers)

    def is_built(self, block: LibraryBlock, arguments: Mapping[str, object]) -> bool:
        """Whether the block with these arguments is the group."""
        built = block.build({"c": self.channels, "eps": min(self.eps, default=1e-5), **arguments})
        if built is None or len(built.nodes) != len(self.nodes) + 1:
            return False
        own = frozenset(parameter.node for parameter in built.parameters.values())
        end = built.outputs[0].node
        return _number(built, list(built.nodes[1:]), 0, end, "at.", own, dict(self._numbers)) == self._end


def _choices(
    block: LibraryBlock, parameter: Parameter, nodes: list[Node], channels: object, outgoing: int
) -> list[object]:
    """Values that a parameter may have here, the likely ones first."""
    convolutions = [node.operator for node in nodes if isinstance(node.operator, Conv)]
    first = [] if parameter.default is None else [parameter.default]
    name = parameter.name
    found: list[object]
    if name in block.words:
        words = block.words[name]
        return [*first, *(Word(word) for word in words if not first or word != first[0])]
    if name == "base_width":
        found = [128, 4, 8, 32]
    elif name == "stride":
        found = [max((one.stride.height for one in convolutions), default=1), 1]
    elif name == "groups":
        found = [one.groups for one in convolutions]
    elif parameter.kind == "size":
        found = [one.kernel for one in convolutions]
    elif name == "reduction" and isinstance(channels, int):
        found = [channels // one.channels for one in convolutions if one.channels]
    elif parameter.default is not None and name in ("factor", "kernel"):
        found = [2, 4, 5, 7]
    elif parameter.default is None:
        # What comes out of a block is its width, or four times that of a bottleneck.
        last = convolutions[-1].channels if convolutions else 1
        found = [outgoing, outgoing // 4, last, *(one.channels for one in convolutions)]
        found += [value // part for value in found for part in (4, 2) if isinstance(value, int) and value % part == 0]
    else:
        found = []
    values = [*found, *first] if name in ("stride", "groups", "reduction") else [*first, *found]
    usable = [value for value in values if value or value in first]
    return list(dict.fromkeys(usable)) or [1]


def _products(choices: list[list[object]]) -> Iterator[tuple[object, ...]]:
    """Combinations of choices, those of the first ones of each before others."""
    for distance in range(4):
        for places in _places([len(some) for some in choices], distance):
            yield tuple(some[place] for some, place in zip(choices, places, strict=True))


def _places(sizes: list[int], distance: int) -> Iterator[tuple[int, ...]]:
    """Places in lists of these sizes that add up to ``distance``."""
    if not sizes:
        if not distance:
            yield ()
        return
    for first in range(min(sizes[0] - 1, distance) + 1):
        for rest in _places(sizes[1:], distance - first):
            yield (first, *rest)


def _number(
    graph: Graph,
    nodes: list[Node],
    start: int,
    end: int,
    prefix: str,
    weighted: frozenset[int],
    numbers: dict[Hashable, int],
) -> int | None:
    """A number for the value of the node ``end``, equal for equal computations with the same tensors."""
    number_of = {start: -1}
    for node in sorted(nodes, key=lambda one: one.index):
        if any(index not in number_of for index in node.inputs):
            return None
        inputs = [number_of[index] for index in node.inputs]
        if isinstance(node.operator, Join) and node.operator.join != "concat":
            inputs.sort()
        path = node.path.removeprefix(prefix) if node.index in weighted else ""
        same = graph.applications[node.index].canonical
        number_of[node.index] = numbers.setdefault((same, *inputs, path), len(numbers))
    return number_of.get(end)
