"""The weights that tests/reference/README.md describes, and networks run with given weights."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnxruntime

from resdsl.ir.graph import Derived, Graph, Parameter
from resdsl.onnx import emit_to_stream

Weights = Callable[[str], np.ndarray]
"""From a tensor's name to its value."""


def generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def image_of(shape: Sequence[int]) -> np.ndarray:
    return generator("input").standard_normal(shape).astype(np.float32)


def reference_weights(shapes: Mapping[str, Sequence[int]], gamma: tuple[float, float] = (0.25, 0.5)) -> Weights:
    """The rule, for a network with tensors of these names and shapes."""

    def tensor(name: str) -> np.ndarray:
        shape = shapes[name]
        module, _, kind = name.rpartition(".")
        rng = generator(name)
        if kind == "running_var":
            value = rng.uniform(0.5, 1.5, shape)
        elif kind in ("running_mean", "bias"):
            value = 0.1 * rng.standard_normal(shape)
        elif f"{module}.running_mean" in shapes:
            value = rng.uniform(*gamma, shape)
        else:
            value = np.sqrt(2 / np.prod(shape[1:])) * rng.standard_normal(shape)
        return value.astype(np.float32)

    return tensor


def weights_for(graph: Graph) -> Weights:
    """The rule, for the tensors of a graph."""
    return reference_weights({name: parameter.shape for name, parameter in graph.parameters.items()})


def value_of(tensor: Parameter, weights: Weights) -> np.ndarray:
    """A tensor of a graph; one that folding made is computed from the tensors that it was made of."""
    if isinstance(tensor.source, Derived):
        return tensor.source.function(*(value_of(operand, weights) for operand in tensor.source.operands))
    return weights(tensor.name)


def run(graph: Graph, weights: Weights, image: np.ndarray) -> dict[str, np.ndarray]:
    """Every output of the emitted network, by name."""
    model = io.BytesIO()
    emit_to_stream(graph, model, ((tensor, value_of(tensor, weights)) for tensor in graph.parameters.values()))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.getvalue(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, map(np.asarray, session.run(names, {graph.input_name: image})), strict=True))
