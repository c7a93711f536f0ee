"""Which values of two models are compared: those of the same name or, where names differ, of the same structure.

Outputs that neither gives a partner are compared by their places, so that networks that differ are not taken for equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resdsl.analysis.correspondence import corresponding
from resdsl.diagnostics import CompileError
from resdsl.importer.network import Imported, read_network
from resdsl.importer.tensors import OnnxFile
from resdsl.onnx.outline import Outline, same_values
from resdsl.runtime.files import ModelFile
from resdsl.tools.compare.divergence import ValuePair


def value_pairs(a: ModelFile, b: ModelFile, ours: Outline, theirs: Outline) -> list[ValuePair]:
    """The values that two models have in common, in the order of the first model.

    Names decide if they give every output a partner, and half of the values. Otherwise both files are read as networks:
    the same operators on the same values, from the input on, compute the same value; and names decide for what is left.
    """
    by_name = [
        ValuePair(value.name, same.name, value.op, value.is_output)
        for value, same in dict.fromkeys(same_values(ours, theirs))
    ]
    outputs = {name for name, value in ours.values.items() if value.is_output}
    named = {pair.a for pair in by_name}
    if outputs <= named and 2 * len(named) >= min(len(ours.values), len(theirs.values)):
        return by_name
    pairs = list(_by_structure(a, b, ours, theirs))
    taken = {pair.a for pair in pairs}, {pair.b for pair in pairs}
    pairs += [pair for pair in by_name if pair.a not in taken[0] and pair.b not in taken[1]]
    order = {name: place for place, name in enumerate(ours.values)}
    return sorted(pairs, key=lambda pair: order[pair.a])


def outputs_by_place(ours: Outline, theirs: Outline, pairs: Sequence[ValuePair]) -> list[ValuePair]:
    """The outputs that are in no pair, each with the first one of the other model that can have its shape."""
    waiting = [name for name in theirs.outputs if name in theirs.values and name not in {pair.b for pair in pairs}]
    found: list[ValuePair] = []
    known = {pair.a for pair in pairs}
    for name, shape in ours.outputs.items():
        if name in known or name not in ours.values:
            continue
        partner = next((one for one in waiting if _can_be(shape, theirs.outputs[one])), None)
        if partner is not None:
            waiting.remove(partner)
            found.append(ValuePair(name, partner, ours.values[name].op, is_output=True))
    return found


def _can_be(one: tuple[int | None, ...] | None, other: tuple[int | None, ...] | None) -> bool:
    if one is None or other is None:
        return True
    return len(one) == len(other) and all(a == b or None in (a, b) for a, b in zip(one, other, strict=True))


def _by_structure(a: ModelFile, b: ModelFile, ours: Outline, theirs: Outline) -> Iterator[ValuePair]:
    try:
        networks = _network(a), _network(b)
    except CompileError:
        return
    same = dict(corresponding(networks[0].graph, networks[1].graph, named=False))
    outputs = [_outputs(network) for network in networks]
    for index, other in same.items():
        names = outputs[0].get(index, [networks[0].values[index]]), outputs[1].get(other, [networks[1].values[other]])
        is_output = index in outputs[0] and other in outputs[1]
        for name, partner in zip(*names, strict=False):
            if name in ours.values and partner in theirs.values:
                yield ValuePair(name, partner, ours.values[name].op, is_output)


def _network(model: ModelFile) -> Imported:
    return read_network(OnnxFile.open(model.file, model.name))


def _outputs(network: Imported) -> dict[int, list[str]]:
    """The names in the file of the outputs of each node that is one."""
    names: dict[int, list[str]] = {}
    for output, record in zip(network.graph.outputs, network.file.model.outputs, strict=True):
        names.setdefault(output.node, []).append(record.name)
    return names
