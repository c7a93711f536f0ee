"""Shape inference and inlining of the onnx library, as a process of its own: `python onnx_child.py infer|inline`.

A model comes in by standard input, and the result leaves by standard output. The library allocates what a file asks
for (a `Gather` of a value by itself doubles its rank, forty of them take a terabyte), and where it cannot, it ends the
process. So the process has little memory and time, and only it ends.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import FunctionProto, ModelProto, NodeProto

MOST_MEMORY = 1 << 30
"""Bytes of address space."""

MOST_SECONDS = 10
"""Seconds of CPU time."""

MOST_NODES = 200_000
"""Nodes of a model whose own operators are written out."""

_MOST_PROPAGATED = 5_000
"""Nodes of a model whose constants inference may compute with: it copies each as often as it is read."""


def main(task: str) -> int:
    """Read, work, write; the exit status is 1 where the library refuses the model."""
    _limit()
    result = result_of(task, sys.stdin.buffer.read())
    if result is None:
        return 1
    sys.stdout.buffer.write(result)
    return 0


def result_of(task: str, data: bytes) -> bytes | None:
    """The model with the types of its values, or with its own operators written out; ``None`` where it is refused."""
    import onnx
    import onnx.inliner
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model_from_string(data)
        if task == "infer":
            result = onnx.shape_inference.infer_shapes(model, data_prop=len(model.graph.node) <= _MOST_PROPAGATED)
        elif _expanded_count(model) > MOST_NODES:
            return None
        else:
            result = onnx.inliner.inline_local_functions(model)
        encoded: bytes = result.SerializeToString()
    except (
        *(ValueError, TypeError, RuntimeError, MemoryError, DecodeError),
        *(onnx.shape_inference.InferenceError, onnx.checker.ValidationError),
    ):
        return None
    return encoded


def _limit() -> None:
    """Bound the process, where the system can do that."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, most in (
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_CPU, MOST_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


def _expanded_count(model: ModelProto) -> int:
    """The nodes that are there when all operators of the model are written out, without doing it."""
    functions = {(one.domain, one.name): one for one in model.functions}
    counts: dict[tuple[str, str], int] = {}
    waiting: list[tuple[FunctionProto, bool]] = [(one, False) for one in model.functions]
    opened: set[tuple[str, str]] = set()
    while waiting:
        function, is_counted = waiting.pop()
        key = function.domain, function.name
        if is_counted:
            counts[key] = _count(function.node, counts)
        elif key not in opened:
            opened.add(key)
            waiting.append((function, True))
            calls = ((node.domain, node.op_type) for node in function.node)
            waiting += [(functions[call], False) for call in calls if call in functions and call not in counts]
    return _count(model.graph.node, counts)


def _count(nodes: Iterable[NodeProto], counts: Mapping[tuple[str, str], int]) -> int:
    return sum(counts.get((node.domain, node.op_type), 1) for node in nodes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
