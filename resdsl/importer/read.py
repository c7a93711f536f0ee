"""Read an ONNX file as a draft: every node in order, by the idioms that know it, as opaque where none does."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence

from resdsl.diagnostics import CompileError, catalogue
from resdsl.importer.constants import constant_of, folded
from resdsl.importer.draft import Constant, Draft, Item, Value, View
from resdsl.importer.idioms import idioms
from resdsl.importer.opaque import input_value, materialized, opaque_values
from resdsl.importer.records import ModelRecord, NodeRecord
from resdsl.importer.step import Step
from resdsl.importer.tensors import OnnxFile
from resdsl.untrusted import printable


def read_draft(file: OnnxFile) -> Draft:
    """Every value of the file. Raises ``CompileError`` for a graph with a cycle, or one that reads what nobody makes."""
    model = file.model
    uses = Counter(name for node in model.nodes for name in node.inputs if name)
    uses.update(output.name for output in model.outputs)
    draft = Draft(file, uses)
    for node in model.nodes:
        for name in node.inputs:
            draft.readers.setdefault(name, []).append(node)
    for name, record in model.tensors.items():
        draft.items[name] = constant_of(draft, record, name)
    for given in model.inputs:
        if given.name not in draft.items:
            draft.items[given.name] = input_value(draft, given)
    for node in _in_order(file, model, draft):
        _read(draft, node)
    for output in model.outputs:
        if output.name not in draft.items:
            raise _invalid(file, f"nothing makes its output `{printable(output.name)}`")
        item = draft.items[output.name]
        draft.items[output.name] = materialized(draft, item, output.name) if isinstance(item, View) else item
    return draft


def _read(draft: Draft, node: NodeRecord) -> None:
    if not any(node.outputs):
        return
    inputs = tuple(draft.items[name] if name else None for name in node.inputs)
    constants = folded(draft, node, inputs)
    if constants is not None:
        draft.items.update((name, one) for name, one in zip(node.outputs, constants, strict=False) if name)
        return
    if node.type == "Identity" and not node.domain and len(inputs) == 1 and inputs[0] is not None:
        # The reader of a copy reads the value itself.
        draft.items[node.outputs[0]] = inputs[0]
        if isinstance(inputs[0], Value):
            draft.uses[inputs[0].name] += draft.uses[node.outputs[0]] - 1
        return
    if not node.domain or node.domain == "com.microsoft":
        results = _recognized(draft, node, inputs)
        if results is not None:
            draft.items.update((name, one) for name, one in zip(node.outputs, results, strict=False) if name)
            return
    settled = tuple(_settled(draft, item, name) for item, name in zip(inputs, node.inputs, strict=True))
    draft.items.update(opaque_values(draft, node, settled))


def _recognized(draft: Draft, node: NodeRecord, inputs: tuple[Item | None, ...]) -> Sequence[Item] | None:
    views = [item for item in inputs if isinstance(item, View)]
    perms = {view.perm for view in views}
    for idiom in idioms().get(node.type, ()):
        if not views or getattr(idiom, "VIEWS", False):
            result = idiom.read(Step(draft, node, inputs))
            if result is not None:
                return result if isinstance(result, list) else [result]
        if views and getattr(idiom, "ANY_LAYOUT", False) and len(perms) == 1:
            plain = tuple(item.base if isinstance(item, View) else item for item in inputs)
            if any(isinstance(item, Value) for item in inputs):
                continue
            perm = next(iter(perms))
            result = idiom.read(Step(draft, node, plain, perm))
            if result is not None:
                return [View(result, perm)] if isinstance(result, Value) else result
    return None


def _settled(draft: Draft, item: Item | None, name: str) -> Value | Constant | None:
    """A view as a value of its own: what reads it does not know its layout."""
    return materialized(draft, item, name) if isinstance(item, View) else item


def _in_order(file: OnnxFile, model: ModelRecord, draft: Draft) -> Iterator[NodeRecord]:
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


def _invalid(file: OnnxFile, reason: str) -> CompileError:
    return CompileError.of(catalogue.NOT_A_NETWORK, f"`{printable(file.name)}` is not a valid ONNX model: {reason}")
