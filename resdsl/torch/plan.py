"""From a Graph to modules: which submodules there are, and the source of their ``forward``. Needs no torch.

A scope that the text names is a module: its ``forward`` computes the nodes in it, from the values that it reads to the
values that others read. A scope without a name is part of the one around it. What a label adds beside scopes
(``inner_blocks.3.0``) are groups, which hold modules and compute nothing.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword

from resdsl.ir.graph import Graph, Node, Scope, ScopeKind
from resdsl.ir.operator import ParameterSpec
from resdsl.ir.torch_code import TorchCode, TorchModule
from resdsl.torch.in_place import overwriting


@dataclass(frozen=True, slots=True)
class Leaf:
    """The module of an operator: one of ``torch.nn``, or tensors and the ``forward`` that uses them."""

    made: TorchModule | None
    tensors: tuple[ParameterSpec, ...]
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Block:
    """A module with others in it. ``source`` is its ``forward``, empty for a group.

    ``is_sequence`` says that it applies its children ``0``, ``1``, .. one after the other.
    """

    name: str
    source: str
    is_sequence: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Every module by its path, parents first; the network itself is ``""``."""

    modules: Mapping[str, Leaf | Block]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What ``forward`` gives: nodes by name. Those of ``training`` are only given in training mode.

    With ``alone``, the one value is given itself and not in a dict.
    """

    nodes: Mapping[str, int]
    training: frozenset[str] = frozenset()
    alone: bool = False


def plan(graph: Graph, wanted: Wanted, reserved: Collection[str]) -> Plan:
    """The modules of a network. ``reserved`` are attributes that no child can be called by."""
    return _Planner(graph, wanted, reserved).plan()


@dataclass(slots=True)
class _Step:
    """A line of a ``forward``: the values that it reads and gives, by index, and the node or the module at ``path``."""

    reads: tuple[int, ...]
    gives: tuple[int, ...]
    node: Node | None = None
    path: str = ""
    only_training: bool = False


@dataclass(slots=True)
class _Body:
    """A scope that is a module, with those in it that are not."""

    path: str
    name: str
    is_aux: bool
    steps: list[Node | _Body] = field(default_factory=list)

    def nodes(self) -> Iterator[Node]:
        stack: list[Node | _Body] = [self]
        while stack:
            item = stack.pop()
            if isinstance(item, Node):
                yield item
            else:
                stack.extend(reversed(item.steps))


class _Planner:
    def __init__(self, graph: Graph, wanted: Wanted, reserved: Collection[str]) -> None:
        self.graph = graph
        self.wanted = wanted
        self.reserved = reserved
        self.readers: dict[int, list[int]] = defaultdict(list)
        for node in graph.nodes:
            for index in node.inputs:
                self.readers[index].append(node.index)
        self.needed = self._needed()
        self.overwriting = overwriting(graph, set(wanted.nodes.values()))
        self.paths: dict[str, None] = {"": None}
        self.children: dict[str, dict[str, None]] = defaultdict(dict)

    def plan(self) -> Plan:
        root = self._body(self.graph.root)
        leaves: dict[str, Leaf] = {}
        for node in self.graph.nodes[1:]:
            if (leaf := self._leaf(node)) is not None:
                leaves[node.path] = leaf
        bodies = {body.path: body for body in _bodies(root)}
        # In the order of their tensors, so that a state dict has that of the parameters.
        paths = self.paths
        for path in leaves:
            for parent in _parents(path):
                paths.setdefault(parent)
            paths.setdefault(path)
        for path in bodies:
            for parent in (*_parents(path), path):
                paths.setdefault(parent)
        for path in paths:
            if path:
                parent, _, name = path.rpartition(".")
                self.children[parent][name] = None
        modules: dict[str, Leaf | Block] = {}
        for path in paths:
            if path in leaves:
                modules[path] = leaves[path]
            elif path in bodies:
                modules[path] = self._block(bodies[path])
            else:
                modules[path] = Block("", "", False)
        return Plan(modules)

    def _needed(self) -> frozenset[int]:
        """The nodes that what is wanted is computed from."""
        found: set[int] = set()
        stack = list(self.wanted.nodes.values())
        while stack:
            index = stack.pop()
            if index not in found:
                found.add(index)
                stack.extend(self.graph.nodes[index].inputs)
        return frozenset(found)

    def _leaf(self, node: Node) -> Leaf | None:
        """The module of an operator, if it has one."""
        applied = self.graph.applications[node.index]
        code = TorchCode(
            applied.inputs, node.type, ("x",) * len(node.inputs), "self", may_overwrite=node.index in self.overwriting
        )
        source = node.operator.in_torch(code)
        if code.made is not None:
            return Leaf(code.made, applied.parameters, "", "")
        if code.owns_tensors:
            name = type(node.operator).__name__
            return Leaf(None, applied.parameters, name, f"def forward(self, x):\n    return {source}\n")
        return None

    def _body(self, root: Scope) -> _Body:
        """The scopes that are modules, as a tree."""
        scopes = [scope for scope in root.leaves_first() if scope is not root]
        times = Counter(scope.path for scope in scopes if scope.label)
        taken = {node.path for node in self.graph.nodes}
        modules = {
            id(scope)
            for scope in scopes
            # A module computes its scope alone, and has all that is in it below its own path.
            if scope.label and times[scope.path] == 1 and scope.path not in taken
            and all(self.graph.nodes[index].path.startswith(f"{scope.path}.") for index in scope.nodes())
        }  # fmt: skip
        whole = _Body("", root.callee or self.graph.name, False)
        stack: list[tuple[_Body, Iterator[Scope | int]]] = [(whole, iter(root.children))]
        while stack:
            body, rest = stack[-1]
            item = next(rest, None)
            if item is None:
                stack.pop()
            elif isinstance(item, int):
                if item:
                    body.steps.append(self.graph.nodes[item])
            elif id(item) in modules:
                inner = _Body(item.path, item.callee or _name_of(item.label), item.kind is ScopeKind.AUX)
                body.steps.append(inner)
                stack.append((inner, iter(item.children)))
            else:
                stack.append((body, iter(item.children)))
        return whole

    def _block(self, body: _Body) -> Block:
        inside = {node.index for node in body.nodes()}
        reads = self._read_by(inside) if body.path else (0,)
        gives = self._given_by(inside) if body.path else ()
        steps = [self._step(item) for item in body.steps]
        # What only other outputs need is not computed.
        steps = [step for step in steps if self.needed.intersection(step.gives)]
        if self._is_sequence(body, steps, reads, gives):
            return Block(body.name, "", True)
        return Block(body.name, _Writer(self, body, steps, reads, gives).source(), False)

    def _step(self, item: Node | _Body) -> _Step:
        if isinstance(item, Node):
            return _Step(item.inputs, (item.index,), item, item.path)
        inside = {node.index for node in item.nodes()}
        return _Step(self._read_by(inside), self._given_by(inside), None, item.path, item.is_aux)

    def _read_by(self, inside: Collection[int]) -> tuple[int, ...]:
        """The values from outside that needed nodes read, in order."""
        nodes = (self.graph.nodes[index] for index in sorted(inside) if index in self.needed)
        return tuple(dict.fromkeys(index for node in nodes for index in node.inputs if index not in inside))

    def _given_by(self, inside: Collection[int]) -> tuple[int, ...]:
        """The values that needed nodes outside read, or that are wanted, in order."""
        wanted = set(self.wanted.nodes.values())
        return tuple(
            index
            for index in sorted(inside)
            if index in wanted or any(one in self.needed and one not in inside for one in self.readers[index])
        )

    def _is_sequence(self, body: _Body, steps: Sequence[_Step], reads: tuple[int, ...], gives: tuple[int, ...]) -> bool:
        names = list(self.children[body.path])
        if not body.path or not steps or len(gives) != 1 or names != [str(number) for number in range(len(names))]:
            return False
        if [step.path for step in steps] != [f"{body.path}.{name}" for name in names]:
            return False
        value = reads
        for step in steps:
            plain = step.node is None or self.call(step.node, ("x",), "self") == "self(x)"
            if step.only_training or not plain or step.reads != value:
                return False
            value = step.gives
        return value == gives

    def call(self, node: Node, inputs: tuple[str, ...], own: str) -> str:
        """The expression for a node in the ``forward`` of the module that it is in."""
        applied = self.graph.applications[node.index]
        code = TorchCode(applied.inputs, node.type, inputs, own)
        expression = node.operator.in_torch(code)
        return f"{own}({', '.join(inputs)})" if code.owns_tensors else expression

    def access(self, path: str, within: str) -> str:
        """The expression for a module, in the ``forward`` of the one at ``within``."""
        found = "self"
        at = within
        for part in path[len(within) + 1 if within else 0 :].split("."):
            if part in self.reserved:
                found += f"._modules[{part!r}]"
            elif part.isidentifier() and part.isascii() and not iskeyword(part):
                found += f".{part}"
            elif all(name.isdigit() for name in self.children[at]):
                found += f"[{list(self.children[at]).index(part)}]"
            else:
                found = f"getattr({found}, {part!r})"
            at = f"{at}.{part}" if at else part
        return found


class _Writer:
    """Writes the ``forward`` of one module. A variable is used again when its value is not read any more."""

    def __init__(
        self, planner: _Planner, body: _Body, steps: Sequence[_Step], reads: tuple[int, ...], gives: tuple[int, ...]
    ) -> None:
        self.planner, self.body, self.steps, self.reads = planner, body, steps, reads
        self.gives = gives
        self.names: dict[int, str] = {}
        self.free: list[int] = []
        self.used = 0
        kept = gives if body.path else tuple(planner.wanted.nodes.values())
        self.last: dict[int, int] = {}
        for number, step in enumerate(steps):
            for index in (*step.reads, *step.gives):
                self.last[index] = number
        self.last |= dict.fromkeys(kept, len(steps))

    def source(self) -> str:
        parameters = [self._name(index) for index in self.reads]
        self._release(self.reads, -1)
        lines = [f"def forward({', '.join(['self', *parameters])}):"]
        for number, step in enumerate(self.steps):
            inputs = tuple(self.names[index] for index in step.reads)
            # What is read here for the last time leaves its variable to the result.
            self._release(dict.fromkeys(step.reads), number)
            # Many operators are an expression, without a module.
            own = self.planner.access(step.path, self.body.path) if step.path in self.planner.paths else ""
            if step.node is not None:
                value = self.planner.call(step.node, inputs, own)
            else:
                value = f"{own}({', '.join(inputs)})"
            targets = ", ".join(self._name(index) for index in step.gives)
            if step.only_training:
                nothing = ", ".join(["None"] * len(step.gives))
                value = f"{value} if self.training else {f'({nothing})' if len(step.gives) > 1 else nothing}"
            if targets != value:
                lines.append(f"    {targets} = {value}")
            self._release(step.gives, number)
        lines += self._result()
        return "\n".join(lines) + "\n"

    def _result(self) -> Iterable[str]:
        if self.body.path:
            yield f"    return {', '.join(self.names[index] for index in self.gives)}"
            return
        wanted = self.planner.wanted
        always = {name: self.names[node] for name, node in wanted.nodes.items() if name not in wanted.training}
        heads = {name: self.names[node] for name, node in wanted.nodes.items() if name in wanted.training}
        only = next(iter(always.values())) if wanted.alone and len(always) == 1 else None
        everything = ", ".join(f"{name!r}: {value}" for name, value in (always | heads).items())
        inference = only or "{" + ", ".join(f"{name!r}: {value}" for name, value in always.items()) + "}"
        if heads:
            yield "    if self.training:"
            yield f"        return {{{everything}}}"
        yield f"    return {inference}"

    def _name(self, index: int) -> str:
        """A variable for a value: the first free one."""
        if self.free:
            slot = heapq.heappop(self.free)
        else:
            slot, self.used = self.used, self.used + 1
        self.names[index] = f"x{slot}" if slot else "x"
        return self.names[index]

    def _release(self, values: Iterable[int], number: int) -> None:
        """Free the variables of values that no later step reads."""
        for index in values:
            if self.last.get(index, -1) <= number:
                name = self.names[index]
                heapq.heappush(self.free, int(name[1:] or 0))


def _bodies(root: _Body) -> Iterator[_Body]:
    stack = [root]
    while stack:
        body = stack.pop()
        yield body
        stack.extend(item for item in reversed(body.steps) if isinstance(item, _Body))


def _parents(path: str) -> Iterator[str]:
    """``a`` and ``a.b`` for ``a.b.c``."""
    parts = path.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))


def _name_of(label: str) -> str:
    """The name of the class of a block that has no name in the text: its label, without a number in it."""
    return label.rpartition(".")[2].rstrip("0123456789") or "block"
