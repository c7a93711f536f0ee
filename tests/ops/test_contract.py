"""What every operator promises, tried on every example of every operator. New operators and examples are found."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import evaluate
from resdsl.ir.operator import NEWEST_OPSET, OPSET, Example
from resdsl.onnx import emit_to_stream
from resdsl.ops.signature import signature
from resdsl.weights.initial import Scheme
from resdsl.weights.values import value_of

from .harness import answers, every_operator, graph_of, name_of, pixels, read, run, to_onnx, weights_of
from .oracles import ORACLES, Array

EXAMPLES = [
    pytest.param(example, id=f"{example.text} on {'x'.join(map(str, example.shape))}")
    for operator in every_operator().values()
    for example in operator.examples
]


def _symbolic(shape: tuple[int, ...]) -> tuple[int | str, ...]:
    """The shape with all sizes but the channels unknown."""
    symbols = ("N", None, "H", "W")
    return tuple(symbols[axis] or size for axis, size in enumerate(shape))


# Padding that depends on the size is the one thing that cannot be done for every size.
SYMBOLIC_EXAMPLES = [
    parameters
    for parameters in EXAMPLES
    for example in parameters.values
    if not ("pad = same" in example.text and "stride" in example.text)
]


def assert_close(found: Array, expected: Array) -> None:
    """Equal but for the rounding of 32-bit sums, which goes with the size of what is summed."""
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6 * max(1.0, float(np.abs(expected).max())))


def test_every_operator_has_an_oracle_and_every_oracle_an_operator() -> None:
    assert set(ORACLES) == set(every_operator())


@pytest.mark.parametrize("name", every_operator())
def test_the_examples_of_an_operator_show_every_argument(name: str) -> None:
    operator = every_operator()[name]
    assert len(operator.examples) >= 2
    graphs = [graph_of(*example) for example in operator.examples]
    shown = [
        next(node.operator for node in reversed(graph.nodes) if name_of(node.operator) == name) for graph in graphs
    ]
    for argument in signature(operator).values():
        values = {getattr(applied, argument.name) for applied in shown}
        assert argument.required or values - {argument.default}, f"no example sets {argument.name}"
        assert set(argument.words) <= {argument.default, *values}, f"no example has each word of {argument.name}"


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_shape_is_what_onnx_infers(example: Example) -> None:
    graph = graph_of(*example)
    inferred = onnx.shape_inference.infer_shapes(
        to_onnx(graph, weights_of(graph)), check_type=True, strict_mode=True, data_prop=True
    )
    (output,) = inferred.graph.output
    assert tuple(dim.dim_value for dim in output.type.tensor_type.shape.dim) == graph.nodes[-1].type.shape


@pytest.mark.parametrize("opset", [OPSET, NEWEST_OPSET])
@pytest.mark.parametrize("optimized", [False, True], ids=["as lowered", "optimized"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_onnx_runtime_computes_what_the_definition_says(example: Example, optimized: bool, opset: int) -> None:
    graph = graph_of(*example)
    weights = weights_of(graph)
    x = pixels(example.shape)
    y = run(to_onnx(graph, weights, opset), x, optimized=optimized)
    expected = answers(graph, weights, x)[-1].value
    assert y.shape == graph.nodes[-1].type.shape
    assert_close(y, expected)


@pytest.mark.parametrize("example", EXAMPLES)
def test_macs_are_the_multiplications_that_the_definition_takes(example: Example) -> None:
    graph = graph_of(*example)
    found = answers(graph, weights_of(graph), pixels(example.shape))
    for node, answer in zip(graph.nodes, found, strict=True):
        assert node.operator.macs(graph.input_types(node), node.type) == answer.multiplications
        assert node.operator.counts_as_layer == (answer.multiplications > 0)


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("name", every_operator())
def test_compiling_without_a_checkpoint_initialises_every_parameter(name: str, scheme: Scheme) -> None:
    for example in every_operator()[name].examples:
        graph = graph_of(*example)
        stream = io.BytesIO()
        values = [(parameter, value_of(parameter, 0, scheme)) for parameter in graph.parameters.values()]
        emit_to_stream(graph, stream, values)
        stored = {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in onnx.load_from_string(stream.getvalue()).graph.initializer
        }
        for parameter in graph.parameters.values():
            assert stored[parameter.name].shape == parameter.shape
            assert np.isfinite(stored[parameter.name]).all()


@pytest.mark.parametrize("example", SYMBOLIC_EXAMPLES)
@settings(max_examples=25)
@given(sizes=st.fixed_dictionaries({"N": st.integers(1, 3), "H": st.integers(1, 24), "W": st.integers(1, 24)}))
def test_a_symbolic_shape_is_right_for_every_size(example: Example, sizes: dict[str, int]) -> None:
    symbolic = _symbolic(example.shape)
    (dims,) = {node.type.shape for node in graph_of(example.text, symbolic).nodes[-1:]}
    concrete, diagnostics = read(example.text, [sizes[dim] if isinstance(dim, str) else dim for dim in symbolic])
    found = [evaluate(dim, sizes) for dim in dims]
    if concrete is not None:
        assert tuple(found) == concrete.nodes[-1].type.shape
        return
    # Only a size too small for the window can be the matter, and the symbolic shape says so as well.
    (error,) = diagnostics.errors
    if error.code == catalogue.KERNEL_TOO_LARGE:
        assert min(found) < 1
    else:
        assert error.code == catalogue.PADDING_TOO_LARGE
        assert "dilation" in example.text


@pytest.mark.parametrize("example", SYMBOLIC_EXAMPLES)
def test_one_symbolic_model_runs_at_every_size(example: Example) -> None:
    graph = graph_of(example.text, _symbolic(example.shape))
    weights = weights_of(graph)
    model = to_onnx(graph, weights)
    batch, channels, *image = example.shape
    for shape in (example.shape, (batch + 1, channels, *(size + 3 for size in image))):
        x = pixels(shape)
        fixed = graph_of(example.text, shape)
        expected = answers(fixed, weights, x)[-1].value
        assert_close(run(model, x), expected)


@pytest.mark.parametrize("name", every_operator())
def test_operators_are_values(name: str) -> None:
    """Equal arguments make equal operators, and an operator can be a key."""
    for example in every_operator()[name].examples:
        operator = graph_of(*example).nodes[-1].operator
        copy = dataclasses.replace(operator)
        assert copy == operator
        assert len({operator, copy}) == 1


def test_same_padding_with_a_stride_needs_a_known_size() -> None:
    _, diagnostics = read("conv(4, 3x3, stride = 2, pad = same)", ("N", 3, "H", "W"))
    (error,) = diagnostics.errors
    assert error.code == catalogue.SYMBOLIC_SIZE
    assert "H is not known" in error.message
