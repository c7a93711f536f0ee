"""How a module of PyTorch differs from a specification: an error for each cause, at its line of the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from resdsl.diagnostics import Call, Diagnostic, Label, catalogue
from resdsl.ir.graph import Graph, Node, Scope, ScopeKind
from resdsl.untrusted import printable
from resdsl.weights.renaming import suggest_renamings

if TYPE_CHECKING:
    from resdsl.torch.agreement import Computation, Tensors

_MOST_NAMES = 5


def of_tensors(graph: Graph, tensors: Tensors, name: str, source: str) -> Iterator[Diagnostic]:
    """What differs in names and shapes. ``name`` is the module, ``source`` the text, both printable."""
    missing = dict.fromkeys(tensors.missing)
    unexpected = dict(tensors.unexpected)
    wanted = {one: graph.parameters[one].shape for one in missing}
    for renaming in suggest_renamings(unexpected, wanted):
        old, new = renaming.old, renaming.new
        for theirs, ours in renaming.pairs.items():
            del missing[ours], unexpected[theirs]
        first = next(iter(renaming.pairs.values()))
        words = f"`{printable(old)}` is `{printable(new)}` in the text" if old and new else "names have another prefix"
        pairs = [f"`{printable(ours)}` is `{printable(theirs)}`" for theirs, ours in renaming.pairs.items()]
        yield _at(
            graph,
            _owner(graph, first),
            f"`{name}` has other names for {_tensors(len(pairs))}: {words}",
            source,
            label=f"`{printable(new)}`" if new else "",
            notes=(f"in the module {cut(pairs)}",),
        )
    yield from _biases(graph, missing, unexpected, name, source)
    if tensors.reshaped:
        shapes = [f"`{printable(one)}` {list(b)} instead of {list(a)}" for one, (a, b) in tensors.reshaped.items()]
        first = min(tensors.reshaped, key=lambda one: graph.parameters[one].node)
        yield _at(graph, _owner(graph, first), f"`{name}` has other shapes: {cut(shapes)}", source, label="the first")
    if missing:
        yield _at(graph, _owner(graph, next(iter(missing))), f"`{name}` lacks {listed(missing)}", source)
    if unexpected:
        yield _at(graph, None, f"`{name}` has other tensors: {listed(unexpected)}", source)


def _biases(
    graph: Graph,
    missing: dict[str, None],
    unexpected: dict[str, tuple[int, ...]],
    name: str,
    source: str,
) -> Iterator[Diagnostic]:
    """Layers that both have, with a bias in one of the two; each is taken from ``missing`` or ``unexpected``."""
    for names, what in ((missing, "lacks the bias of"), (unexpected, "has a bias in")):
        layers = {
            bias: _owner(graph, weight)
            for bias in names
            if bias.endswith(".bias") and (weight := f"{bias.removesuffix('bias')}weight") in graph.parameters
            and weight not in missing
        }  # fmt: skip
        for bias in layers:
            del names[bias]
        if layers:
            paths = [f"`{printable(node.path)}`" for node in layers.values()]
            yield _at(graph, next(iter(layers.values())), f"`{name}` {what} {cut(paths)}", source)


def of_computation(graph: Graph, computed: Computation, name: str, source: str) -> Diagnostic:
    """Where the computation differs, although names and shapes are equal."""
    place = computed.place
    differs = f"`{printable(computed.first)}` {computed.found}"
    agree = f"{computed.values:,} values of layers before it agree"
    if place is None:
        message = f"`{name}` has the tensors of `{source}`, and computes something else: {differs}"
        return _at(graph, None, message, source, notes=(f"it is the first that differs; the {agree}",))
    within = f" in `{printable(place.within)}`" if place.within else ""
    if place.is_after:
        return _at(
            graph,
            place.node,
            f"`{name}` computes `{printable(place.instead, most=300)}`{within} after `{printable(place.node.path)}`",
            source,
            label="the last operator that both have",
            notes=(differs,),
        )
    instead = f"the module computes `{printable(place.instead, most=300)}`{within} there" if place.instead else ""
    return _at(
        graph,
        place.node,
        f"`{name}` has the tensors of `{source}`, and computes something else from `{printable(place.node.path)}` on",
        source,
        label="the first operator whose value the module does not have",
        notes=(*((instead,) if instead else ()), f"the first layer that differs: {differs}; {agree}"),
    )


def _at(
    graph: Graph,
    node: Node | None,
    message: str,
    source: str,
    *,
    label: str = "",
    notes: tuple[str, ...] = (),
) -> Diagnostic:
    helps = (f"change `{source}` and have it reviewed, or undo the change of the model",)
    primary = Label(node.span, label) if node is not None else None
    chain = _calls(graph, node) if node is not None else ()
    return Diagnostic(catalogue.NOT_THE_NETWORK, message, primary=primary, chain=chain, notes=notes, helps=helps)


def _owner(graph: Graph, tensor: str) -> Node:
    return graph.nodes[graph.parameters[tensor].node]


def _calls(graph: Graph, node: Node) -> tuple[Call, ...]:
    """The calls of blocks that made an operator, the innermost first."""
    found: list[Call] = []
    scope: Scope | None = graph.root
    while scope is not None:
        inner = (one for one in scope.children if isinstance(one, Scope) and node.index in one.nodes())
        scope = next(inner, None)
        if scope is not None and scope.kind is ScopeKind.BLOCK and scope.callee:
            arguments = ", ".join(f"{name} = {value}" for name, value in scope.arguments.items())
            found.append(Call(scope.path, f"{scope.callee}({arguments})" if arguments else scope.callee, scope.span))
    return tuple(reversed(found))


def _tensors(count: int) -> str:
    return "1 tensor" if count == 1 else f"{count:,} tensors"


def listed(names: Iterable[str]) -> str:
    """The first of these names, and how many more there are."""
    return cut([f"`{printable(name)}`" for name in names])


def cut(words: list[str]) -> str:
    """The first of these words, and how many more there are."""
    more = f" and {len(words) - _MOST_NAMES:,} more" if len(words) > _MOST_NAMES else ""
    return ", ".join(words[:_MOST_NAMES]) + more
