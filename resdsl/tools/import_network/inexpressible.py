"""Why a network cannot be written in the language: everything that stands in the way, at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resdsl.diagnostics import CompileError, catalogue
from resdsl.importer.idioms import idioms
from resdsl.importer.records import REASON
from resdsl.ir.graph import Node
from resdsl.ir.types import DType
from resdsl.ops.opaque import Opaque
from resdsl.specification.model_file import ModelFile
from resdsl.untrusted import printable

_MOST_ERRORS = 10

_ROUNDING = frozenset(("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"))
_NORMS = ("BatchNormalization", "Dropout")
_IN_TRAINING = "it does what it does in training"


@dataclass(frozen=True, slots=True)
class Missing:
    """An operator that the language does not have: ``count`` nodes, the ``first`` of this name, and the reason."""

    operator: str
    count: int
    first: str
    reason: str


def missing_operators(network: ModelFile) -> tuple[Missing, ...]:
    """The operators of a file that the language does not have, the most frequent first."""
    groups: dict[tuple[str, str], list[int]] = {}
    seen: set[int] = set()
    for node in network.imported.opaque:
        operator = node.operator
        assert isinstance(operator, Opaque)
        # A node with several outputs is several values.
        records = {id(record) for record in network.imported.records[node.index]}
        if records and records <= seen:
            continue
        seen |= records
        groups.setdefault((operator.type.removeprefix("aten."), _reason(node, operator, network)), []).append(
            node.index
        )
    rows = [
        Missing(operator, len(nodes), _name(network, nodes[0]), reason) for (operator, reason), nodes in groups.items()
    ]
    return tuple(sorted(rows, key=lambda row: -row.count))


def require_operators(network: ModelFile) -> None:
    """Raise ``CompileError`` with everything that the language does not have."""
    missing = missing_operators(network)
    if missing:
        count = sum(row.count for row in missing)
        is_file = network.imported.file.noun == "file"
        what = "nodes" if is_file else "calls"
        nodes = f"1 of its {what} uses" if count == 1 else f"{count:,} of its {what} use"
        raise CompileError.of(
            catalogue.NOT_EXPRESSIBLE,
            f"`{network.source.name}` cannot be written in the language: {nodes} an operator that it does not have",
            notes=_table(missing, "first node" if is_file else "first in module"),
            helps=(*_readers(network), _advice(missing, is_file=is_file)),
        )


def _advice(missing: Sequence[Missing], *, is_file: bool) -> str:
    operators = {row.operator for row in missing}
    if operators <= _ROUNDING:
        return "the file is quantized: import the one in floating point that it was made from"
    if any(row.reason == _IN_TRAINING for row in missing):
        return "export the network for inference (`model.eval()`)"
    what, do = ("nodes", "export the network") if is_file else ("calls", "import the module")
    return f"if these {what} are its last ones, {do} without them"


def not_expressible(network: ModelFile, reasons: Sequence[str]) -> CompileError:
    """The error for a network that the language cannot express, although it has all operators."""
    more = (f"and {len(reasons) - _MOST_ERRORS:,} more",) if len(reasons) > _MOST_ERRORS else ()
    return CompileError.of(
        catalogue.NOT_EXPRESSIBLE,
        f"`{network.source.name}` cannot be written in the language",
        notes=(*reasons[:_MOST_ERRORS], *more),
        helps=_readers(network),
    )


def _readers(network: ModelFile) -> tuple[str, ...]:
    """What else can be done with a file."""
    if network.imported.file.noun != "file":
        return ()
    return (f"`resdsl summary {network.source.name}`, `view` and `diff` read the file as it is",)


def _table(rows: Sequence[Missing], place: str) -> tuple[str, ...]:
    """One line for each operator, in columns."""
    cells = [("operator", "count", place, "why")]
    cells += [(printable(row.operator), f"{row.count:,}", printable(row.first), row.reason) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    return tuple(
        f"{name:<{widths[0]}}  {count:>{widths[1]}}  {first:<{widths[2]}}  {reason}"
        for name, count, first, reason in cells
    )


def _name(network: ModelFile, node: int) -> str:
    """The name of a node in the file, or of the value that it makes."""
    records = network.imported.records[node]
    return next((record.name for record in records if record.name), "") or network.imported.values[node]


def _reason(node: Node, operator: Opaque, network: ModelFile) -> str:
    """Why a node is none of the language's operators."""
    if operator.type == "Input":
        return "a network has one input"
    for record in network.imported.records[node.index]:
        if REASON in record.metadata:
            return printable(record.metadata[REASON])
    if "." in operator.type:
        return f"the domain {printable(operator.type.rpartition('.')[0])} is not ONNX's own"
    if any(isinstance(value, str) and value.startswith("graph of ") for _, value in operator.arguments):
        return "it runs a graph inside the graph"
    types = [network.imported.graph.nodes[one].type for one in node.inputs] + [node.type]
    if any(one.dtype is not DType.F32 for one in types):
        other = next(one.dtype for one in types if one.dtype is not DType.F32)
        what = "another type" if other is DType.OTHER else other
        return f"it takes or gives {what}; the language computes in f32"
    if operator.type in _NORMS and dict(operator.arguments).get("training_mode"):
        return _IN_TRAINING
    if operator.type in idioms():
        return "the language has it in other forms"
    return "the language has no such operator"
