"""Two networks as instances of the same blocks: which calls differ can be said only where both are nested alike.

Each network alone is written with the blocks that make its own text short, and a change of a few layers makes it
another text. So both are one graph here, with a module for each, and the blocks are those of that graph.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping

from resdsl.decompile.attach import with_scopes
from resdsl.decompile.families import Family
from resdsl.decompile.nest import TooDeep, is_large
from resdsl.decompile.program import Program, decompile
from resdsl.decompile.tree import Group, all_sequences, nodes_of
from resdsl.decompile.words import unused
from resdsl.ir.application import Application, distinct
from resdsl.ir.graph import Graph, Node, Output, Parameter, Scope, ScopeKind
from resdsl.ir.operator import Operator

Names = Mapping[str, str]
"""Names of blocks, by the paths of their instances."""

_SIDES = "old", "new"


def nested_alike(networks: tuple[Graph, Graph], names: tuple[Names, Names]) -> tuple[Graph, Graph]:
    """Both graphs with scopes by the paths of their nodes, in which equal blocks have one name and the same parameters.

    ``names`` are the names that are known; blocks that have none get one. A graph that nests too deep keeps its
    scopes, and so does the other.
    """
    if any(graph.aux_heads or is_large(graph) for graph in networks):
        return networks
    both = _side_by_side(networks)
    if is_large(both):
        return networks
    known = {f"{side}.{path}": name for side, some in zip(_SIDES, names, strict=True) for path, name in some.items()}
    placed = {
        index for graph, first in zip(networks, _firsts(networks), strict=True) for index in _placed(graph, first)
    }
    try:
        program = decompile(both, placed=placed, classes=known, sides=True)
    except TooDeep:
        return networks
    called = _callees(program, known)
    scopes = with_scopes(program).root
    old, new = (
        dataclasses.replace(graph, root=_root(graph, scopes, side, first, called))
        for graph, side, first in zip(networks, _SIDES, _firsts(networks), strict=True)
    )
    return old, new


def _firsts(networks: tuple[Graph, Graph]) -> tuple[int, int]:
    """The place of each network's input in the graph of both."""
    return 1, 1 + len(networks[0].nodes)


def _side_by_side(networks: tuple[Graph, Graph]) -> Graph:
    """One graph with each network as a module of its own, behind an input that neither reads."""
    nodes: list[Node] = [dataclasses.replace(networks[0].input, path="input")]
    written: dict[Hashable, Operator] = {}
    outputs: list[Output] = []
    parameters: dict[str, Parameter] = {}
    for graph, side, first in zip(networks, _SIDES, _firsts(networks), strict=True):
        nodes += (
            dataclasses.replace(
                node,
                index=first + node.index,
                operator=_written_alike(written, applied),
                inputs=tuple([first + index for index in node.inputs]),
                path=f"{side}.{node.path}",
            )
            for node, applied in zip(graph.nodes, graph.applications, strict=True)
        )
        outputs += (dataclasses.replace(one, node=first + one.node) for one in graph.outputs)
        parameters |= {
            f"{side}.{name}": dataclasses.replace(one, name=f"{side}.{name}", node=first + one.node)
            for name, one in graph.parameters.items()
        }
    return dataclasses.replace(
        networks[0], nodes=tuple(nodes), outputs=tuple(outputs), parameters=parameters, argument_sources={}
    )


def _written_alike(written: dict[Hashable, Operator], applied: Application) -> Operator:
    """The operator, as one that is the same was written: `pad = 1` is `half`, if one of the networks calls it so."""
    same = applied.canonical
    operator = written.setdefault((type(applied.operator), distinct(same)), applied.operator)
    # `channel_shuffle(8)` does nothing to 8 channels alone.
    return operator if operator.canonical(*applied.inputs) == same else applied.operator


def _placed(graph: Graph, first: int) -> Iterator[int]:
    """The nodes whose path says where they stand: those named as a part of the scope that holds them."""
    yield first
    stack = [graph.root]
    while stack:
        scope = stack.pop()
        for child in scope.children:
            if isinstance(child, Scope):
                stack.append(child)
            elif graph.nodes[child].path.rpartition(".")[0] == scope.path:
                yield first + child


def _callees(program: Program, known: Names) -> dict[str, str]:
    """The name of the block that each group is a call of, by path.

    What stands once in each of the networks is no block of either; nor is a group without a name in a network that
    has names.
    """
    tops = (program.top, *program.nest.sides)
    items = [item for top in tops for sequence in all_sequences(top) for item in sequence.items]
    named = {path.partition(".")[0] for path in known}
    found: dict[str, str] = {}
    for family in dict.fromkeys(program.families.values()):
        paths = [one.path for one in family.members]
        if max(Counter(path.partition(".")[0] for path in paths).values()) < 2:
            continue
        common = Counter(known[path] for path in paths if path in known).most_common(1)
        usual = common[0][0] if common else family.name
        if _is_one_block(family):
            names = {path: known.get(_opposite(path), usual) for path in paths}
        else:
            other = unused(family.name, {usual, *known.values(), *found.values()})
            owner = next((path.partition(".")[0] for path in paths if path in known), _SIDES[0])
            names = {path: usual if path.startswith(f"{owner}.") else other for path in paths}
        for path in paths:
            if path in known or path.partition(".")[0] not in named:
                found[path] = known.get(path) or names[path]
    return found | {item.path: known[item.path] for item in items if isinstance(item, Group) and item.path in known}


def _is_one_block(family: Family) -> bool:
    """Whether the block has as many layers in both networks, where it has fewest: a bottleneck contains a basic block,
    and is another block if all of them are in one network.
    """
    fewest: dict[str, int] = {}
    for member in family.members:
        side = member.path.partition(".")[0]
        count = sum(node.operator.counts_as_layer for node in nodes_of(member))
        fewest[side] = min(count, fewest.get(side, count))
    return len(set(fewest.values())) == 1


def _opposite(path: str) -> str:
    """The same path in the other network."""
    side, _, rest = path.partition(".")
    return f"{_SIDES[1 - _SIDES.index(side)]}.{rest}"


# --- the scopes of each network ---------------------------------------------------------------------------------------


def _root(graph: Graph, both: Scope, side: str, first: int, called: Names) -> Scope:
    """The root scope of one network out of that of both."""
    children: list[Scope | int] = []
    waiting = list(reversed(both.children))
    own = range(first, first + len(graph.nodes))
    while waiting:
        child = waiting.pop()
        if isinstance(child, Scope) and child.path == side and child.label:
            waiting.extend(reversed(child.children))
        elif child in own if isinstance(child, int) else any(index in own for index in child.nodes()):
            children.append(child)
    root = dataclasses.replace(graph.root, children=children)
    for scope in root.leaves_first():
        scope.children = [child - first if isinstance(child, int) else child for child in scope.children]
        if scope is not root:
            _rename(scope, f"{side}.", called)
            scope.input, scope.output = max(scope.input - first, 0), scope.output - first
    return root


def _rename(scope: Scope, prefix: str, called: Names) -> None:
    if scope.label and scope.kind is not ScopeKind.JOIN:
        scope.callee = called.get(scope.path, "")
        scope.kind = ScopeKind.BLOCK if scope.callee else ScopeKind.GROUP
        if not scope.callee:
            scope.arguments, scope.given = {}, ()
    scope.path = f"{scope.path}.".removeprefix(prefix).removesuffix(".")
    scope.label = scope.label.removeprefix(prefix)
