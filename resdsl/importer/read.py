"""Read an ONNX file as a draft: every node in order, by the idioms that know it, as opaque where none does."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence

from resdsl.diagnostics import CompileError, catalogue
from resdsl.importer.channels_last import in_channel_order
from resdsl.importer.concats import nest_concats
from resdsl.importer.constants import constant_of, folded
from resdsl.importer.draft import DTYPES, Constant, Draft, Item, Value, View
from resdsl.importer.flat_joins import flatten_joins
from resdsl.importer.fused import unfused
from resdsl.importer.idioms import idioms
from resdsl.importer.input_shape import with_given_shape
from resdsl.importer.opaque import input_value, materialized, opaque_values
from resdsl.importer.records import ModelRecord, NodeRecord
from resdsl.importer.source import NetworkSource
from resdsl.importer.step import Step
from resdsl.importer.tensors import OnnxFile
from resdsl.ir.operator import Refusal
from resdsl.untrusted import printable

MOST_FOLDED = 4_000_000
"""Numbers that nodes make when a file is read: sizes, and constants of one number each, which take no place in it."""

_OPSETS_SINCE = 3
"""The version of the format since which a file states its operator sets."""


def read_draft(file: NetworkSource) -> Draft:
    """Every value of the file. Raises ``CompileError`` for a cycle, or for a node that reads what nobody makes."""
    model = file.model
    if not model.opsets and model.ir_version >= _OPSETS_SINCE:
        raise _invalid(file, "it names no operator set; it may be truncated")
    version = model.opsets.get("", 1)
    if version < 1:
        raise _invalid(file, f"there is no operator set {version:,}")
    if model.functions and isinstance(file, OnnxFile):
        from resdsl.importer.inference import inlined_nodes  # needs the onnx library

        model.nodes = inlined_nodes(file)
    model.nodes = unfused(model.nodes)
    uses = Counter(name for node in model.nodes for name in node.inputs if name)
    uses.update(output.name for output in model.outputs)
    draft = Draft(file, uses, outputs={output.name: output for output in model.outputs})
    draft.types = frozenset(node.type for node in model.nodes)
    for node in model.nodes:
        for name in node.inputs:
            draft.readers.setdefault(name, []).append(node)
        for name in node.outputs:
            draft.makers.setdefault(name, node)
    for name, record in model.tensors.items():
        draft.items[name] = constant_of(draft, record, name)
    for given in model.inputs:
        if given.name not in draft.items:
            draft.items[given.name] = in_channel_order(draft, input_value(draft, with_given_shape(draft, given)))
    for node in _in_order(file, model, draft):
        _read(draft, node)
        lacking = next((name for name in node.outputs if draft.uses[name] and name not in draft.items), "")
        if lacking:
            raise _invalid(file, f"a node of type `{printable(node.type)}` has no output `{printable(lacking)}`")
    for output in model.outputs:
        if output.name not in draft.items:
            raise _invalid(file, f"nothing makes its output `{printable(output.name)}`")
        item = draft.items[output.name]
        draft.items[output.name] = materialized(draft, item, output.name) if isinstance(item, View) else item
    nest_concats(draft)
    flatten_joins(draft)
    return draft


def _read(draft: Draft, node: NodeRecord) -> None:
    if not any(node.outputs):
        return
    inputs = tuple(draft.items[name] if name else None for name in node.inputs)
    constants = folded(draft, node, inputs)
    if constants is not None:
        draft.items.update((name, one) for name, one in zip(node.outputs, constants, strict=False) if name)
        if node.type in ("Shape", "Size"):
            _forget_reader(draft, inputs[0], node.inputs[0])
        if node.type != "Constant":
            draft.folded += sum(len(one.items or ()) for one in constants if one not in inputs)
        if draft.folded > MOST_FOLDED:
            raise _invalid(draft.file, f"its nodes compute more than {MOST_FOLDED:,} numbers from constants")
        return
    if _is_copy(node, inputs) and inputs[0] is not None:
        # The reader of a copy reads the value itself.
        draft.items[node.outputs[0]] = inputs[0]
        draft.alias(node.outputs[0], node.inputs[0])
        return
    if not node.domain or node.domain == "com.microsoft":
        results = _recognized(draft, node, inputs)
        if results is not None:
            for name, one in zip(node.outputs, results, strict=False):
                draft.items[name] = one
                base = one.base if isinstance(one, View) else one
                if isinstance(base, Value) and base.name != name:
                    # The readers of a transposed or reshaped value read the value itself.
                    draft.uses[base.name] += draft.uses[name] - 1
            return
    settled = tuple(_settled(draft, item, name) for item, name in zip(inputs, node.inputs, strict=True))
    draft.items.update(opaque_values(draft, node, settled))


def _forget_reader(draft: Draft, item: Item | None, name: str) -> None:
    """Count a node that took the shape of a value as no reader: the shape is known, whatever becomes of the value."""
    draft.uses[draft.original(name)] -= 1
    base = item.base if isinstance(item, View) else item
    if isinstance(base, Value) and base.name != draft.original(name):
        draft.uses[base.name] -= 1


def _is_copy(node: NodeRecord, inputs: tuple[Item | None, ...]) -> bool:
    """Whether a node gives its first input as it is."""
    item = inputs[0] if inputs else None
    if node.domain or item is None:
        return False
    if node.type == "Cast":
        base = item.base if isinstance(item, View) else item
        return isinstance(base, Value) and DTYPES.get(node.integer("to")) is base.type.dtype
    neutral = _NEUTRAL.get(node.type)
    if neutral is not None:
        other = inputs[1] if len(inputs) == 2 else None
        return (
            isinstance(other, Constant)
            and other.items in ((neutral,), (float(neutral),))
            and (isinstance(item, Constant) or other.rank <= len(_shape(item)))
        )
    return node.type == "Identity"


_NEUTRAL = {"Mul": 1, "Div": 1, "Add": 0, "Sub": 0}


def _shape(item: Value | View) -> Sequence[object]:
    return item.shape if isinstance(item, View) else item.type.shape


def _recognized(draft: Draft, node: NodeRecord, inputs: tuple[Item | None, ...]) -> Sequence[Item] | None:
    if any(not _shape(item) for item in inputs if isinstance(item, Value | View)):
        return None  # no operator of the language takes a number, which has no axes
    views = [item for item in inputs if isinstance(item, View)]
    alike = len({(view.layout, view.base.type.shape) for view in views}) == 1 and not any(
        isinstance(item, Value) for item in inputs
    )
    for idiom in idioms().get(node.type, ()):
        try:
            if not views or getattr(idiom, "VIEWS", False):
                result = idiom.read(Step(draft, node, inputs))
                if result is not None:
                    return result if isinstance(result, list) else [result]
            if alike and getattr(idiom, "ANY_LAYOUT", False):
                plain = tuple(item.base if isinstance(item, View) else item for item in inputs)
                result = idiom.read(Step(draft, node, plain, views[0].perm))
                if result is not None:
                    return [views[0].of(result)]
        except Refusal:
            # An operator of the language does not take these inputs.
            continue
    return None


def _settled(draft: Draft, item: Item | None, name: str) -> Value | Constant | None:
    """A view as a value of its own: what reads it does not know its layout."""
    return materialized(draft, item, name) if isinstance(item, View) else item


def _in_order(file: NetworkSource, model: ModelRecord, draft: Draft) -> Iterator[NodeRecord]:
    """The nodes after those that make what they read. Files should be in this order, and not all are."""
    made = set(draft.items)
    outputs = [name for node in model.nodes for name in node.outputs if name]
    if len(set(outputs)) < len(outputs):
        raise _invalid(file, "two of its nodes make a value of the same name")
    waiting: dict[str, list[int]] = {}
    missing = [0] * len(model.nodes)
    for place, node in enumerate(model.nodes):
        unknown = {name for name in node.inputs if name and name not in made}
        missing[place] = len(unknown)
        for name in unknown:
            waiting.setdefault(name, []).append(place)
    # A sorted list is a heap.
    ready = [place for place, count in enumerate(missing) if not count]
    done = 0
    while ready:
        node = model.nodes[heapq.heappop(ready)]
        done += 1
        yield node
        for name in node.outputs:
            for place in waiting.pop(name, ()):
                missing[place] -= 1
                if not missing[place]:
                    heapq.heappush(ready, place)
    if done < len(model.nodes):
        unmade = sorted(waiting.keys() - set(outputs))
        reason = (
            f"nothing makes the value `{printable(unmade[0])}`, which a node reads"
            if unmade
            else "its nodes form a cycle"
        )
        raise _invalid(file, reason)


def _invalid(file: NetworkSource, reason: str) -> CompileError:
    return CompileError.of(catalogue.NOT_A_NETWORK, f"`{printable(file.name)}` is not a valid ONNX model: {reason}")
