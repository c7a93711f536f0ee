"""The contract of operators, checked on every example of every operator. New operators and examples are found."""

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
from resdsl.ir.initializers import ZEROS
from resdsl.ir.operator import NEWEST_OPSET, OPSET, Example, Lowering, Ref
from resdsl.onnx import emit_to_stream
from resdsl.ops import aliases, operators
from resdsl.ops.join import Join
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


SYMBOLIC_EXAMPLES = [parameters for parameters in EXAMPLES for example in parameters.values if example.any_size]
FIXED_EXAMPLES = [parameters for parameters in EXAMPLES for example in parameters.values if not example.any_size]


def assert_close(found: Array, expected: Array) -> None:
    """Equal but for the rounding of 32-bit sums, which goes with the size of what is summed."""
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6 * max(1.0, float(np.abs(expected).max())))


def test_every_operator_has_an_oracle_and_every_oracle_an_operator() -> None:
    assert set(ORACLES) == set(every_operator())


@pytest.mark.parametrize("name", every_operator())
def test_the_examples_of_an_operator_show_every_argument(name: str) -> None:
    operator = every_operator()[name]
    assert len(operator.examples) >= 2
    graphs = [graph_of(example.text, example.shape) for example in operator.examples]
    shown = [
        next(node.operator for node in reversed(graph.nodes) if name_of(node.operator) == name) for graph in graphs
    ]
    for argument in signature(operator).values():
        values = {getattr(applied, argument.name) for applied in shown}
        assert argument.required or values - {argument.default}, f"no example sets {argument.name}"
        assert set(argument.words) <= {argument.default, *values}, f"no example has each word of {argument.name}"


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_shape_is_what_onnx_infers(example: Example) -> None:
    graph = graph_of(example.text, example.shape)
    inferred = onnx.shape_inference.infer_shapes(
        to_onnx(graph, weights_of(graph)), check_type=True, strict_mode=True, data_prop=True
    )
    (output,) = inferred.graph.output
    assert tuple(dim.dim_value for dim in output.type.tensor_type.shape.dim) == graph.nodes[-1].type.shape


@pytest.mark.parametrize("opset", [OPSET, NEWEST_OPSET])
@pytest.mark.parametrize("optimized", [False, True], ids=["as lowered", "optimized"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_onnx_runtime_computes_the_definition(example: Example, optimized: bool, opset: int) -> None:
    graph = graph_of(example.text, example.shape)
    weights = weights_of(graph)
    x = pixels(example.shape)
    y = run(to_onnx(graph, weights, opset), x, optimized=optimized)
    expected = answers(graph, weights, x)[-1].value
    assert y.shape == graph.nodes[-1].type.shape
    assert_close(y, expected)


@pytest.mark.parametrize("pad", ["pad(1)", "pad([0, 0, 2, 1])"])
@pytest.mark.parametrize(
    "reader",
    [
        "maxpool(2x2, pad = valid)",
        "maxpool(3x3, stride = 2, pad = 1, ceil = true)",
        "avgpool(3x3, pad = valid)",
        "avgpool(3x3, pad = 1, count_pad = false)",
        "conv(2, 3x3)",
    ],
)
def test_zeros_around_values_below_zero_stay_values(reader: str, pad: str) -> None:
    """ONNX Runtime makes a ``Pad`` the padding of what reads it, also where that pads with something else."""
    graph = graph_of(f"{pad};  {reader}", (1, 2, 7, 6))
    weights = weights_of(graph)
    x = -np.abs(pixels((1, 2, 7, 6)))
    expected = answers(graph, weights, x)[-1].value
    assert_close(run(to_onnx(graph, weights), x, optimized=True), expected)


@pytest.mark.parametrize("example", EXAMPLES)
def test_macs_are_the_multiplications_that_the_definition_takes(example: Example) -> None:
    graph = graph_of(example.text, example.shape)
    found = answers(graph, weights_of(graph), pixels(example.shape))
    for node, answer in zip(graph.nodes, found, strict=True):
        assert node.operator.macs(graph.input_types(node), node.type) == answer.multiplications
        assert node.operator.counts_as_layer == (answer.multiplications > 0)


@pytest.mark.parametrize("name", every_operator())
def test_what_an_operator_states_about_its_result_holds_for_its_definition(name: str) -> None:
    operator = every_operator()[name]
    unchanged = []
    for example in operator.examples:
        graph = graph_of(example.text, example.shape)
        x = pixels(example.shape)
        y = answers(graph, weights_of(graph), x)[-1].value
        unchanged.append(y.shape == x.shape and bool((y == x).all()))
        if operator.never_negative:
            assert (y >= 0).all()
        if operator.enlarges:
            assert y.shape[2] >= x.shape[2]
            assert y.shape[3] >= x.shape[3]
    assert operator.is_identity == all(unchanged) or issubclass(operator, Join)


@pytest.mark.parametrize("example", [one for one in EXAMPLES for example in one.values if len(example.shape) == 4])
def test_the_window_holds_every_pixel_that_a_result_depends_on(example: Example) -> None:
    graph = graph_of(example.text, example.shape)
    if len(graph.nodes) != 2 or graph.nodes[1].type.rank != 4:
        return  # a join, or what leaves no pixels
    node = graph.nodes[1]
    window = node.operator.window(graph.input.type, node.type)
    if window is None:
        return
    rows, columns = example.shape[2:]
    # One image for each pixel that is changed, and one without a change.
    x = np.repeat(pixels(example.shape)[:1], rows * columns + 1, axis=0)
    changed = [(row, column) for row in range(rows) for column in range(columns)]
    for image, (row, column) in enumerate(changed):
        x[image, :, row, column] += 1
    y = answers(graph, weights_of(graph), x)[-1].value
    for image, i, j in np.argwhere((y[:-1] != y[-1]).any(axis=1)):
        for place, result, steps in zip(changed[image], (i, j), window, strict=True):
            first = result * steps.stride - steps.pad
            assert first <= place <= first + (steps.points - 1) * steps.dilation


@pytest.mark.parametrize("name", [name for name, operator in every_operator().items() if operator.cancels_bias])
def test_a_bias_that_an_operator_cancels_changes_nothing(name: str) -> None:
    for example in every_operator()[name].examples:
        graph = graph_of(example.text, example.shape)
        weights, x = weights_of(graph), pixels(example.shape)
        bias = np.arange(x.shape[1], dtype=np.float32).reshape(-1, *(1,) * (x.ndim - 2))
        # In training, the running mean follows the bias.
        trained = {key: one + bias.ravel() if key.endswith("running_mean") else one for key, one in weights.items()}
        expected = answers(graph, weights, x)[-1].value
        np.testing.assert_allclose(answers(graph, trained, x + bias)[-1].value, expected, atol=1e-4)


@pytest.mark.parametrize("name", [name for name, operator in every_operator().items() if operator.is_norm])
def test_a_norm_whose_weight_and_bias_are_zero_gives_zero(name: str) -> None:
    for example in every_operator()[name].examples:
        graph = graph_of(example.text, example.shape)
        weights = weights_of(graph)
        # As `zero_init_residual` starts it: what starts at 0 otherwise is 0 too.
        start = {key for key, one in graph.parameters.items() if one.source == ZEROS or key.endswith(".weight")}
        zeroed = {key: 0 * one if key in start else one for key, one in weights.items()}
        if weights.keys() & {f"{graph.nodes[-1].path}.weight"}:
            assert not answers(graph, zeroed, pixels(example.shape))[-1].value.any()


def test_aliases_are_names_that_the_language_does_not_have() -> None:
    every = [alias for operator in operators().values() for alias in operator.aliases]
    assert len(set(every)) == len(every)
    for alias, name in aliases().items():
        assert alias == alias.lower()
        assert alias not in operators()
        _, diagnostics = read(alias, (1, 3, 8, 8))
        assert diagnostics.errors[0].fix is not None
        assert diagnostics.errors[0].fix.edits[0].replacement == name


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("name", every_operator())
def test_compiling_without_a_checkpoint_initialises_every_parameter(name: str, scheme: Scheme) -> None:
    for example in every_operator()[name].examples:
        graph = graph_of(example.text, example.shape)
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
@settings(max_examples=25, deadline=None)
@given(sizes=st.fixed_dictionaries({"N": st.integers(1, 3), "H": st.integers(1, 24), "W": st.integers(1, 24)}))
def test_a_symbolic_shape_is_right_for_every_size(example: Example, sizes: dict[str, int]) -> None:
    symbolic = _symbolic(example.shape)
    (dims,) = {node.type.shape for node in graph_of(example.text, symbolic).nodes[-1:]}
    concrete, diagnostics = read(example.text, [sizes[dim] if isinstance(dim, str) else dim for dim in symbolic])
    found = [evaluate(dim, sizes) for dim in dims]
    if concrete is not None:
        assert tuple(found) == concrete.nodes[-1].type.shape
        return
    # Only a size too small for the window can be the matter, and the symbolic shape says so as well; or one that a
    # dilated window steps over, or with less pixels than a blur mirrors.
    (error,) = diagnostics.errors
    if min(found) < 1:
        assert error.code in (catalogue.KERNEL_TOO_LARGE, catalogue.PADDING_TOO_LARGE, catalogue.ARGUMENT_VALUE)
    else:
        assert error.code == catalogue.PADDING_TOO_LARGE
        assert "dilation" in example.text or "blurpool" in example.text


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_lowering_reads_all_that_it_makes(example: Example) -> None:
    for shape in [example.shape] + [_symbolic(example.shape)] * example.any_size:
        graph = graph_of(example.text, shape)
        for node in graph.nodes[1:]:
            lowering = Lowering(graph.input_types(node), node.type)
            node.operator.lower(lowering)
            read_by = {ref for prim in lowering.prims for ref in prim.inputs if ref is not None}
            made = {Ref("constant", index) for index in range(len(lowering.constants))}
            made |= {Ref("prim", index) for index in range(len(lowering.prims) - 1)}
            made |= {lowering.parameter(spec.name) for spec in node.operator.parameters(*graph.input_types(node))}
            assert made <= read_by


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
        operator = graph_of(example.text, example.shape).nodes[-1].operator
        copy = dataclasses.replace(operator)
        assert copy == operator
        assert len({operator, copy}) == 1


@pytest.mark.parametrize("example", FIXED_EXAMPLES)
def test_what_needs_known_sizes_is_refused_without_them(example: Example) -> None:
    _, diagnostics = read(example.text, _symbolic(example.shape))
    (error,) = diagnostics.errors
    assert error.code == catalogue.SYMBOLIC_SIZE


def test_same_padding_with_a_stride_needs_a_known_size() -> None:
    _, diagnostics = read("conv(4, 3x3, stride = 2, pad = same)", ("N", 3, "H", "W"))
    (error,) = diagnostics.errors
    assert error.code == catalogue.SYMBOLIC_SIZE
    assert "H is not known" in error.message
