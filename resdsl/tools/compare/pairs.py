"""Which values of two models are compared: those of the same name or, where names differ, of the same structure."""

from __future__ import annotations

from collections.abc import Iterator

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
