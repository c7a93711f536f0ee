"""The bounds of values beyond which nothing that reads them changes."""

from __future__ import annotations

from math import inf

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from resdsl.onnx.flat_regions import informative_bounds

Node = tuple[str, list[str], str]
CONSTANTS = {"zero": 0.0, "three": 3.0, "six": 6.0, "-one": -1.0, "half": 0.5, "ramp": np.linspace(0.25, 2, 401)}


def model(nodes: list[Node], output: str) -> onnx.ModelProto:
    shape = [1, 401]
    graph = helper.make_graph(
        [helper.make_node(op, reads, [name]) for op, reads, name in nodes],
        "m",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in CONSTANTS.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


CLIPPED: list[Node] = [("Add", ["x", "three"], "a"), ("Clip", ["a", "zero", "six"], "c")]


@pytest.mark.parametrize(
    ("nodes", "bounds"),
    [
        ([("HardSwish", ["x"], "y")], (-3.0, inf)),
        ([("HardSigmoid", ["x"], "y")], (-2.5, 2.5)),
        ([*CLIPPED, ("Mul", ["x", "c"], "m"), ("Div", ["m", "six"], "y")], (-3.0, inf)),
        ([*CLIPPED, ("Div", ["c", "six"], "g"), ("Mul", ["g", "x"], "y")], (-3.0, inf)),
        ([("HardSigmoid", ["x"], "g"), ("Mul", ["x", "g"], "y")], (-2.5, inf)),
        ([*CLIPPED, ("Neg", ["c"], "y")], (-3.0, 3.0)),
        ([("Clip", ["x", "-one", "six"], "y")], (-1.0, 6.0)),
        ([("Clip", ["x", "", "six"], "y")], (-inf, 6.0)),
        ([("Mul", ["x", "half"], "h"), ("HardSwish", ["h"], "y")], (-6.0, inf)),
        ([("Mul", ["ramp", "x"], "r"), ("Clip", ["r", "-one", "three"], "y")], (-4.0, 12.0)),
        ([("HardSwish", ["x"], "h"), ("HardSigmoid", ["x"], "s"), ("Sub", ["h", "s"], "y")], (-3.0, inf)),
    ],
)
def test_nothing_changes_beyond_the_bounds(nodes: list[Node], bounds: tuple[float, float]) -> None:
    made = model(nodes, "y")
    assert informative_bounds(made)["x"] == pytest.approx(bounds)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.linspace(-20, 20, 401, dtype=np.float32)[None]
    whole, clipped = (session.run(["y"], {"x": one})[0] for one in (x, np.clip(x, *np.float32(bounds))))
    np.testing.assert_allclose(clipped, whole, atol=1e-5)
    # And the bounds are no wider than they must be: within them, results differ.
    for bound, inside in ((bounds[0], 0.5), (bounds[1], -0.5)):
        if np.isfinite(bound):
            ends = np.full_like(x, bound), np.full_like(x, bound + inside)
            at, beside = (session.run(["y"], {"x": one})[0] for one in ends)
            assert np.abs(at - beside).max() > 0.01


@pytest.mark.parametrize(
    ("nodes", "output"),
    [
        ([("Sigmoid", ["x"], "y")], "y"),
        ([("HardSwish", ["x"], "h"), ("Add", ["h", "x"], "y")], "y"),
        ([("Add", ["x", "three"], "h"), ("HardSwish", ["h"], "y")], "h"),
        ([("Add", ["x", "x"], "a"), ("Clip", ["a", "zero", "six"], "c"), ("Mul", ["x", "c"], "y")], "y"),
        ([*CLIPPED, ("Exp", ["x"], "e"), ("Mul", ["e", "c"], "y")], "y"),
        ([("Mul", ["x", "-one"], "m"), ("HardSwish", ["m"], "y")], "y"),
    ],
    ids=["smooth", "read as it is", "an output", "no shift", "another factor", "a negative factor"],
)
def test_values_that_matter_everywhere_have_no_bounds(nodes: list[Node], output: str) -> None:
    assert "x" not in informative_bounds(model(nodes, output))
