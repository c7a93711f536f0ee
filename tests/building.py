"""Graphs from text, for tests of later stages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import elaborate, load_program
from resdsl.ir.graph import Derived, Graph, Parameter


def build(text: str, model: str | None = None) -> Graph:
    """The graph of a file without errors; ``model`` selects one of several."""
    diagnostics = Diagnostics()
    graph = elaborate(load_program(Source("test.res", text), diagnostics), diagnostics, model=model)
    assert graph is not None, [error.message for error in diagnostics.errors]
    return graph


def shipped(name: str) -> Graph:
    """A built-in network."""
    path = Path(__file__).parents[1] / "specs" / f"{name}.res"
    graph = elaborate(load_program(Source(path.name, path.read_text(), path), Diagnostics()), Diagnostics())
    assert graph is not None
    return graph


def network(body: str, shape: str = "N, 3, 8, 8") -> Graph:
    """The statements ``body`` as a model ``net`` with the input ``x``."""
    return build(f"model net() {{\n  input x: f32[{shape}]\n  {body}\n}}\n")


def tensor(parameter: Parameter) -> np.ndarray:
    """Values that depend on the name alone; positive, so that they can be variances, and none of them special."""
    if isinstance(parameter.source, Derived):
        return parameter.source.function(*map(tensor, parameter.source.operands))
    random = np.random.Generator(np.random.PCG64(crc32(parameter.name.encode())))
    return random.uniform(0.1, 1.0, parameter.shape).astype(np.float32)


def tensors(graph: Graph) -> Iterator[tuple[Parameter, np.ndarray]]:
    return ((parameter, tensor(parameter)) for parameter in graph.parameters.values())
