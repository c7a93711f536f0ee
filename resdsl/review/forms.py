"""One network in two forms: what exporters change without changing what is computed.

An exporter folds norms, leaves out dropout, auxiliary heads, preprocessing and sometimes a last softmax, names tensors,
inputs and outputs in its own way, and fixes sizes. ``in_one_form`` takes these differences out of two graphs, and says
which there were; what still differs then is a change of the network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace

from resdsl.analysis.same_network import commutes, same_network
from resdsl.diagnostics import CompileError
from resdsl.ir.dims import Dim, symbol
from resdsl.ir.graph import Graph, Node, Output, Parameter
from resdsl.ir.initializers import Initializer
from resdsl.ir.operator import Operator, Refusal
from resdsl.ir.print import describe
from resdsl.ir.types import DType, TensorType
from resdsl.ops.add import Add
from resdsl.ops.bn import BatchNorm
from resdsl.ops.concat import Concat
from resdsl.ops.conv import Conv
from resdsl.ops.input import Input
from resdsl.ops.join import Join
from resdsl.ops.linear import Linear
from resdsl.ops.opaque import Opaque
from resdsl.ops.pad import Pad
from resdsl.passes.drop_aux import drop_aux
from resdsl.passes.drop_identity import drop_identity
from resdsl.passes.drop_unused import drop_unused
from resdsl.passes.fold_batch_norm import fold_batch_norm
from resdsl.passes.merge_pads import merge_pads
from resdsl.passes.readers import Readers
from resdsl.passes.rewrite import Rewrite
from resdsl.review.figures import count
from resdsl.review.precision import in_float32, precisions
from resdsl.review.quantized import without_rounding
from resdsl.untrusted import printable
from resdsl.weights.values import value_of

Pair = tuple[Graph, Graph]


def in_one_form(old: Graph, new: Graph, *, is_foreign: bool) -> tuple[Graph, Graph, tuple[str, ...]]:
    """Both graphs without the differences of form, and a sentence for each kind of these.

    With ``is_foreign``, another tool wrote one of the two. Otherwise what resdsl compiles is compared: it has the names
    of its text, and its sizes, outputs and dropout where no option changed them, so that these are differences of form
    only if there are no others.
    """
    pair = _plain(old), _plain(new)
    before, after = (_aux, _input, _identities, _pads, _concats, _sums), (_outputs, _interface)
    if is_foreign:
        return _through((_rounding, _precision, *before, _exported_norms, _biases, *after, _names), pair)
    whole = _through((*before, _norms, *after), pair)
    if same_network(*whole[:2]):
        return whole
    written, folded = _through((_aux,), pair), _through((_aux, _norms), pair)
    # What folds norms drops dropout and merges padding.
    return written if written[2] == folded[2] else _through((_aux, _identities, _pads, _concats, _sums, _norms), pair)


Step = Callable[[Pair, list[str]], Pair]


def _through(steps: Iterable[Step], pair: Pair) -> tuple[Graph, Graph, tuple[str, ...]]:
    forms: list[str] = []
    for step in steps:
        pair = step(pair, forms)
    return *pair, tuple(forms)


def _plain(graph: Graph) -> Graph:
    """A network without what no file has, and with sizes that nobody knows without names: exporters name them."""
    # What an importer makes of a reshape that changes nothing is no difference to speak of.
    graph = drop_identity(drop_unused(graph), only=("identity",))
    known: dict[Operator, Operator] = {}
    nodes = []
    for node in graph.nodes:
        operator = node.operator
        if isinstance(operator, Opaque):
            operator = known.setdefault(operator, _without_symbols(operator))
        nodes.append(node if operator is node.operator else replace(node, operator=operator))
    return replace(graph, nodes=tuple(nodes))


def _without_symbols(operator: Opaque) -> Opaque:
    shape = tuple(size if isinstance(size, int) else symbol("unknown") for size in operator.result.shape)
    return replace(operator, result=TensorType(operator.result.dtype, shape))


def _rounding(pair: Pair, forms: list[str]) -> Pair:
    """Values that one network rounds to integers."""
    (old, before), (new, after) = without_rounding(pair[0]), without_rounding(pair[1])
    if bool(before) == bool(after):
        return pair
    forms.append(f"values rounded to integers: {_in_one([before, after])}")
    return old, new


def _precision(pair: Pair, forms: list[str]) -> Pair:
    """Half precision in one network alone."""
    kinds = [precisions(graph) for graph in pair]
    if kinds[0] == kinds[1]:
        return pair
    old, new = (" and ".join(sorted(some)) or DType.F32 for some in kinds)
    forms.append(f"numbers: {old} in the old network, {new} in the new one")
    return in_float32(pair[0]), in_float32(pair[1])


def _aux(pair: Pair, forms: list[str]) -> Pair:
    heads = [len(graph.aux_heads) for graph in pair]
    if bool(heads[0]) == bool(heads[1]):
        return pair
    forms.append(f"heads that only training needs: {_in_one(heads)}")
    return drop_aux(pair[0]), drop_aux(pair[1])


def _identities(pair: Pair, forms: list[str]) -> Pair:
    counts = [Counter(node.operator.name for node in graph.nodes if node.operator.is_identity) for graph in pair]
    # Where both have some, as versions of one network have dropout, the others are layers that were added.
    alone = sorted(counts[0].keys() ^ counts[1].keys())
    forms += [f"{name}: {_in_one([one[name] for one in counts])}" for name in alone]
    return drop_identity(pair[0], only=alone), drop_identity(pair[1], only=alone)


def _pads(pair: Pair, forms: list[str]) -> Pair:
    counts = [sum(isinstance(node.operator, Pad) for node in graph.nodes) for graph in pair]
    if counts[0] == counts[1]:
        return pair
    merged = merge_pads(pair[0]), merge_pads(pair[1])
    if merged[0] is pair[0] and merged[1] is pair[1]:
        return pair
    forms.append(f"padding as layers of its own: {_in_one(counts)}")
    return merged


def _concats(pair: Pair, forms: list[str]) -> Pair:
    """Concatenations of concatenations as one: which are written in which is not in the file."""
    return _without_nesting(pair, Concat, "concatenations", forms)


def _sums(pair: Pair, forms: list[str]) -> Pair:
    """Sums of sums, likewise: ONNX adds two values at a time."""
    return _without_nesting(pair, Add, "sums", forms)


def _without_nesting(pair: Pair, kind: type[Join], called: str, forms: list[str]) -> Pair:
    flat = _flat(pair[0], kind), _flat(pair[1], kind)
    removed = [len(before.nodes) - len(after.nodes) for before, after in zip(pair, flat, strict=True)]
    if removed[0] == removed[1]:
        return pair
    forms.append(f"{called} inside others: {_in_one(removed)}")
    return flat


def _flat(graph: Graph, kind: type[Join]) -> Graph:
    readers, rewrite = Readers(graph), Rewrite(graph)
    inner = {
        node.index
        for node in graph.nodes
        if isinstance(node.operator, kind)
        and (reader := readers.only(node)) is not None
        and isinstance(reader.operator, kind)
        and (kind is Concat or _adds_alike(graph, node, reader))
    }
    for node in graph.nodes:
        if not isinstance(node.operator, kind) or node.index in inner or inner.isdisjoint(node.inputs):
            continue
        parts: list[int] = []
        waiting = list(reversed(node.inputs))
        while waiting:
            index = waiting.pop()
            if index in inner:
                rewrite.remove(graph.nodes[index], None)
                waiting.extend(reversed(graph.nodes[index].inputs))
            else:
                parts.append(index)
        rewrite.retype(node, node.operator, parts)
    return rewrite.apply()


def _adds_alike(graph: Graph, node: Node, reader: Node) -> bool:
    """Whether two sums have branches of one shape: others are repeated, and where matters."""
    return all(graph.nodes[index].type == reader.type for one in (node, reader) for index in one.inputs)


def _in_one(counts: list[int]) -> str:
    """``3 in the old network, none in the new one``."""
    old, new = (f"{number:,}" if number else "none" for number in counts)
    return f"{old} in the old network, {new} in the new one"


# --- norms ---


def _exported_norms(pair: Pair, forms: list[str]) -> Pair:
    """Norms that are folded, also where the exporter has left out the bias, because it is zero."""
    return _norms(pair, forms, without_bias=True)


def _norms(pair: Pair, forms: list[str], *, without_bias: bool = False) -> Pair:
    norms = [{node.path for node in graph.nodes if isinstance(node.operator, BatchNorm)} for graph in pair]
    if norms[0] == norms[1]:
        return pair
    folded = [_foldable(graph) for graph in pair]
    layers = [_layers(graph) for graph in pair]
    related = len(layers[0].keys() & layers[1].keys()) * 2 >= min(map(len, layers))
    if not related and not _built_alike(*pair):
        return pair
    results = []
    for side, other, names in ((0, 1, ("old", "new")), (1, 0, ("new", "old"))):
        graph = pair[side]
        # A layer with a norm here, and with a bias and no norm there, has it folded there. Of a network that was not
        # trained, an exporter folds all norms and leaves out the biases, which are zeros.
        leaves_out = without_bias and not folded[other]
        chosen: set[str] = set()
        for layer, foldable in folded[side].items():
            has_bias = layers[other].get(layer)
            if not related:
                is_folded = not folded[other]
            else:
                is_folded = has_bias is True or (leaves_out and has_bias is False and _adds_nothing(graph, foldable))
            if is_folded and layer not in folded[other]:
                chosen.update(foldable)
        if chosen:
            forms.append(
                f"norms: {len(chosen):,} of the {names[0]} network are folded into layers of the {names[1]} one"
            )
            graph = fold_batch_norm(graph, only=frozenset(chosen))
        results.append(graph)
    return results[0], results[1]


def _layers(graph: Graph) -> Mapping[str, bool]:
    """Whether each convolution and linear layer has a bias, by path."""
    return {node.path: node.operator.bias for node in graph.nodes if isinstance(node.operator, Conv | Linear)}


def _adds_nothing(graph: Graph, norms: Iterable[str]) -> bool:
    """Whether a layer into which these norms are folded gets a bias of zeros."""
    names = [f"{norm}.{name}" for norm in norms for name in ("bias", "running_mean")]
    return all(name not in graph.parameters or _is_zero(graph.parameters[name]) for name in names)


def _is_zero(parameter: Parameter) -> bool:
    """Whether all numbers of a tensor are zeros that a file states: what a text starts from is trained."""
    try:
        return not isinstance(parameter.source, Initializer) and not value_of(parameter).any()
    except CompileError:  # it has no numbers, or no longer
        return False


def _biases(pair: Pair, forms: list[str]) -> Pair:
    """Biases of zeros that an exporter leaves out."""
    layers = [_layers(graph) for graph in pair]
    results = []
    for side, name, other in ((0, "old", "new"), (1, "new", "old")):
        graph, rewrite, dropped = pair[side], Rewrite(pair[side]), 0
        for node in graph.nodes:
            operator, bias = node.operator, graph.parameters.get(f"{node.path}.bias")
            if not isinstance(operator, Conv | Linear) or bias is None or layers[1 - side].get(node.path) is not False:
                continue
            if operator.bias and _is_zero(bias):
                weights = [one for one in graph.parameters_of(node) if one is not bias]
                rewrite.replace(node, replace(operator, bias=False), weights)
                dropped += 1
        if dropped:
            forms.append(f"biases: {dropped:,} of the {name} network are zeros and left out in the {other} one")
        results.append(rewrite.apply() if dropped else graph)
    return results[0], results[1]


def _built_alike(old: Graph, new: Graph) -> bool:
    """Whether most layers of one network are in the other, whatever they are called and whether they have biases."""
    ours, theirs = (
        Counter(
            (replace(applied.canonical, bias=False), applied.inputs, applied.result)
            for applied in graph.applications
            if isinstance(applied.canonical, Conv | Linear)
        )
        for graph in (old, new)
    )
    return 2 * (ours & theirs).total() >= max(ours.total(), theirs.total())


def _foldable(graph: Graph) -> dict[str, list[str]]:
    """The norms that can be folded into each layer, by paths."""
    done = fold_batch_norm(graph)
    kept = {node.path for node in done.nodes}
    users: dict[int, list[Node]] = {}
    for node in graph.nodes:
        for index in node.inputs:
            users.setdefault(index, []).append(node)
    found: dict[str, list[str]] = {}
    for node in graph.nodes:
        if isinstance(node.operator, BatchNorm) and node.path not in kept:
            before = graph.nodes[node.inputs[0]]
            layer = before if isinstance(before.operator, Conv | Linear) else users[node.index][0]
            found.setdefault(layer.path, []).append(node.path)
    return found


# --- the input and the outputs ---


def _input(pair: Pair, forms: list[str]) -> Pair:
    """Sizes that one network leaves open and the other fixes, and symbols of other names."""
    old, new = (graph.input.type for graph in pair)
    if old == new or old.dtype != new.dtype or old.rank != new.rank:
        return pair
    sizes = [_common(a, b) for a, b in zip(old.shape, new.shape, strict=True)]
    if any(size is None for size in sizes):
        return pair
    common = TensorType(old.dtype, tuple(size for size in sizes if size is not None))
    retyped = [graph if graph.input.type == common else _retyped(graph, common) for graph in pair]
    if retyped[0] is None or retyped[1] is None:
        return pair
    if any(isinstance(a, int) != isinstance(b, int) for a, b in zip(old.shape, new.shape, strict=True)):
        forms.append(f"sizes of the input: {old} in the old network, {new} in the new one")
    return retyped[0], retyped[1]


def _common(one: Dim, other: Dim) -> Dim | None:
    if isinstance(one, int) and isinstance(other, int):
        return one if one == other else None
    return one if isinstance(one, int) or not isinstance(other, int) else other


def _retyped(graph: Graph, type_: TensorType) -> Graph | None:
    """The graph for an input of another type; ``None`` where an operator does not take it."""
    nodes: list[Node] = []
    for node in graph.nodes:
        try:
            if node is graph.input:
                nodes.append(replace(node, operator=Input(type_), type=type_))
                continue
            result = node.operator.infer(*(nodes[index].type for index in node.inputs))
        except (Refusal, ValueError, ArithmeticError):
            return None
        nodes.append(node if result == node.type else replace(node, type=result))
    return replace(graph, nodes=tuple(nodes))


def _outputs(pair: Pair, forms: list[str]) -> Pair:
    """Outputs of other names, in order, and outputs that one network lacks and the other computes without weights."""
    old, new = pair
    if old.input_name != new.input_name and old.input_name not in {output.name for output in new.outputs}:
        forms.append(f"the input `{old.input_name}` is called `{new.input_name}`")
        new = replace(new, input_name=old.input_name)
    here, there = ([one for one in graph.outputs if not one.aux] for graph in (old, new))
    names = {one.name for one in here} & {one.name for one in there}
    left, right = ([one for one in some if one.name not in names] for some in (here, there))
    called = dict(_paired(old, new, left, right))
    taken = {one.name for one in new.outputs} - called.keys() | {new.input_name}
    called = {name: wanted for name, wanted in called.items() if wanted not in taken}
    forms += [f"the output `{wanted}` is called `{printable(name)}`" for name, wanted in called.items()]
    new = replace(new, outputs=tuple(replace(one, name=called.get(one.name, one.name)) for one in new.outputs))
    known = {one.name for one in old.outputs} & {one.name for one in new.outputs}
    old = _without(old, known, forms, "the old network")
    return old, _without(new, known, forms, "the new network")


def _paired(old: Graph, new: Graph, left: list[Output], right: list[Output]) -> Iterator[tuple[str, str]]:
    """New and old names of outputs that end in the same kind of operator, in order."""
    waiting = list(left)
    for output in right:
        for place, one in enumerate(waiting):
            ours, theirs = old.applications[one.node], new.applications[output.node]
            if ours.canonical == theirs.canonical and ours.result == theirs.result:
                yield output.name, one.name
                del waiting[: place + 1]
                break


def _without(graph: Graph, names: set[str], forms: list[str], where: str) -> Graph:
    kept = tuple(output for output in graph.outputs if output.name in names)
    if not kept or len(kept) == len(graph.outputs):
        return graph
    rest = drop_unused(replace(graph, outputs=kept))
    if len(rest.parameters) < len(graph.parameters):
        return graph
    for output in graph.outputs:
        if output.name not in names:
            last = describe(graph.nodes[output.node].operator)
            forms.append(f"the output `{output.name}` ({last}) is in {where} alone")
    return rest


def _interface(pair: Pair, forms: list[str]) -> Pair:
    """Preprocessing and labels that one of the two does not state."""
    old, new = pair
    stated = (old.preprocess is not None, new.preprocess is not None), (old.labels is not None, new.labels is not None)
    for what, (ours, theirs) in zip(("preprocess", "labels"), stated, strict=True):
        if ours != theirs:
            forms.append(f"{what}: stated in the {'old' if ours else 'new'} network alone")
    if stated[0][0] != stated[0][1]:
        old, new = replace(old, preprocess=None), replace(new, preprocess=None)
    if stated[1][0] != stated[1][1]:
        old, new = replace(old, labels=None), replace(new, labels=None)
    return old, new


# --- names of tensors ---


def _names(pair: Pair, forms: list[str]) -> Pair:
    """The new network with the old one's names of tensors, where the two are built alike but for these."""
    old, new = pair
    if same_network(old, new) or old.input.type != new.input.type or old.input_name != new.input_name:
        return pair
    numbers: dict[Hashable, int] = {}
    ours, theirs = _numbered(old, numbers), _numbered(new, numbers)
    ends = [
        {output.name: some[output.node] for output in graph.outputs}
        for graph, some in zip(pair, (ours, theirs), strict=True)
    ]
    if Counter(ours) != Counter(theirs) or ends[0] != ends[1]:
        return pair
    waiting: dict[int, list[int]] = {}
    for index in reversed(range(len(ours))):
        waiting.setdefault(ours[index], []).append(index)
    called = {index: old.nodes[waiting[number].pop()].path for index, number in enumerate(theirs)}
    weighted = [node for node in new.nodes if new.applications[node.index].parameters]
    others = [node for node in weighted if called[node.index] != node.path]
    renamed = _renamed(new, called)
    if not same_network(old, renamed):
        return pair
    first = f"`{called[others[0].index]}` is `{printable(others[0].path)}`"
    forms.append(f"names of tensors: {count(len(others), 'layer')} of {len(weighted):,} have others ({first})")
    return old, renamed


def _numbered(graph: Graph, numbers: dict[Hashable, int]) -> list[int]:
    """A number for each node: equal for what is computed alike, whatever tensors are called."""
    found: list[int] = []
    for node, applied in zip(graph.nodes, graph.applications, strict=True):
        inputs = [found[index] for index in node.inputs]
        if commutes(node):
            inputs.sort()
        key = (applied.canonical, *inputs, bool(applied.parameters))
        found.append(numbers.setdefault(key, len(numbers)))
    return found


def _renamed(graph: Graph, paths: Mapping[int, str]) -> Graph:
    nodes = tuple(
        node if paths[node.index] == node.path else replace(node, path=paths[node.index]) for node in graph.nodes
    )
    parameters: dict[str, Parameter] = {}
    for parameter in graph.parameters.values():
        path = graph.nodes[parameter.node].path
        name = paths[parameter.node] + parameter.name.removeprefix(path)
        parameters[name] = replace(parameter, name=name)
    return replace(graph, nodes=nodes, parameters=parameters)
