"""What a training step computes, without PyTorch: central differences of the loss, and updates written in NumPy."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest

from resdsl.diagnostics import CompileError
from resdsl.training import StepOptions, training_step
from resdsl.training.step import METADATA_KEY

from . import small


def _rows(classes: np.ndarray) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[classes]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients_are_the_central_differences_of_the_loss(smoothing: float) -> None:
    graph = small.graph()
    values = small.tensors(graph)
    images, classes = small.batch(graph, count=3)
    _, stepper = small.stepper(graph, values, momentum=0.0, label_smoothing=smoothing)
    result = stepper.run(images, classes, learning_rate=1.0)
    assert result.loss == pytest.approx(small.loss_of(graph, values, images, _rows(classes), smoothing), rel=1e-5)
    after = stepper.parameters()
    rng = np.random.default_rng(7)
    squares = 0.0
    for name, parameter in graph.parameters.items():
        if not parameter.trainable:
            continue
        gradient = values[name].astype(np.float64) - after[name]
        squares += float((gradient**2).sum())
        for direction in rng.standard_normal((3, *gradient.shape)):
            expected = small.slope_of(graph, values, name, direction, images, _rows(classes), smoothing)
            size = float(np.linalg.norm(gradient) * np.linalg.norm(direction))
            assert float((gradient * direction).sum()) == pytest.approx(expected, rel=1e-3, abs=1e-5 * size + 1e-7), (
                name
            )
    assert result.gradient_norm == pytest.approx(squares**0.5, rel=1e-4)


def test_running_statistics_move_by_a_tenth_with_the_unbiased_variance() -> None:
    graph = small.graph("model one { input x: f32[N, 2, 3, 3];  bn1: bn;  avgpool(global);  flatten;  output y }")
    values = small.tensors(graph)
    images, classes = small.batch(graph, classes=2, count=4)
    _, stepper = small.stepper(graph, values)
    stepper.run(images, classes, learning_rate=0.0)
    after = stepper.parameters()
    wide = images.astype(np.float64)
    np.testing.assert_allclose(after["bn1.running_mean"], 0.1 * wide.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(after["bn1.running_var"], 0.9 + 0.1 * wide.var((0, 2, 3), ddof=1), rtol=1e-5)


def _updates(options: dict[str, Any], runs: int = 4) -> tuple[list[dict[str, np.ndarray]], list[dict[str, np.ndarray]]]:
    """The weights after each run of a linear classifier, by the step and by NumPy in float64."""
    graph = small.graph("model one { input x: f32[N, 4];  fc: linear(3);  output logits }")
    values = small.tensors(graph)
    _, stepper = small.stepper(graph, values, **options)
    rule = StepOptions(**options)
    weights = {name: value.astype(np.float64) for name, value in values.items()}
    kept = {name: [np.zeros(value.shape) for _ in range(2)] for name, value in weights.items()}
    total = {name: np.zeros(value.shape) for name, value in weights.items()}
    found, expected = [], []
    updates = 0
    for run in range(runs):
        images, classes = small.batch(graph, seed=run)
        stepper.run(images, classes, learning_rate=0.3)
        found.append(stepper.parameters())
        logits = images @ weights["fc.weight"].T + weights["fc.bias"]
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        excess = (shares - _rows(classes)) / len(images)
        total["fc.weight"] += excess.T @ images / rule.accumulate
        total["fc.bias"] += excess.sum(0) / rule.accumulate
        if (run + 1) % rule.accumulate == 0:
            updates += 1
            norm = np.sqrt(sum((one**2).sum() for one in total.values()))
            clip = min(1.0, rule.clip_norm / (norm + 1e-6)) if rule.clip_norm else 1.0
            for name, value in weights.items():
                weight = value  # changed in place
                gradient = total[name] * clip
                decay = rule.weight_decay if rule.decay_norms_and_biases or weight.ndim > 1 else 0.0
                first, second = kept[name]
                if rule.optimizer == "sgd":
                    gradient = gradient + decay * weight
                    first[:] = rule.momentum * first + gradient
                    weight -= 0.3 * (gradient + rule.momentum * first if rule.nesterov else first)
                else:
                    weight *= 1 - 0.3 * decay
                    first[:] = rule.betas[0] * first + (1 - rule.betas[0]) * gradient
                    second[:] = rule.betas[1] * second + (1 - rule.betas[1]) * gradient**2
                    mean, square = (
                        one / (1 - beta**updates) for one, beta in zip((first, second), rule.betas, strict=True)
                    )
                    weight -= 0.3 * mean / (np.sqrt(square) + rule.eps)
            total = {name: np.zeros(value.shape) for name, value in weights.items()}
        expected.append({name: value.copy() for name, value in weights.items()})
    return found, expected


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.0},
        {"weight_decay": 0.1},
        {"nesterov": True, "weight_decay": 0.1, "decay_norms_and_biases": False},
        {"clip_norm": 0.1},
        {"clip_norm": 100.0},
        {"accumulate": 2},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "adamw", "betas": (0.5, 0.9), "accumulate": 2, "clip_norm": 0.2},
    ],
    ids=str,
)
def test_updates_are_those_of_the_rule(options: dict[str, Any]) -> None:
    found, expected = _updates(options)
    for run, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        for name, value in theirs.items():
            np.testing.assert_allclose(ours[name], value, rtol=2e-4, atol=2e-6, err_msg=f"{name} after run {run}")


def test_frozen_tensors_keep_their_values_and_cost_no_gradient() -> None:
    graph = small.graph()
    values = small.tensors(graph)
    images, classes = small.batch(graph)
    whole = training_step(graph)
    step, stepper = small.stepper(graph, values, frozen=("conv1.*", "bn1.*"))
    stepper.run(images, classes, learning_rate=0.5)
    after = stepper.parameters()
    frozen = {name for name in values if name.startswith(("conv1.", "bn1."))}
    assert {one.name for one in step.frozen} == frozen
    for name, value in values.items():
        assert np.array_equal(after[name], value) == (name in frozen), name
    # A frozen batch norm normalises by its running statistics, so the network before the block is that of inference.
    operators = [node.op_type for node in onnx.load_from_string(step.model_bytes()).graph.node]
    assert len(operators) < len(onnx.load_from_string(whole.model_bytes()).graph.node) - 20
    names = [node.name for node in onnx.load_from_string(step.model_bytes()).graph.node]
    assert not [name for name in names if name.startswith(("conv1:backward", "bn1:backward"))]


def test_a_frozen_norm_before_trained_layers_passes_the_gradient_on() -> None:
    text = "model one { input x: f32[N, 2];  a: linear(3);  n: bn;  fc: linear(3);  output logits }"
    graph = small.graph(text)
    values = small.tensors(graph)
    values["n.running_var"] = np.array([0.5, 2, 3], np.float32)
    values["n.running_mean"] = np.array([0.5, -2, 1], np.float32)
    images, classes = small.batch(graph)
    _, stepper = small.stepper(graph, values, frozen=("n.*",), momentum=0.0)
    stepper.run(images, classes, learning_rate=1.0)
    hidden = images @ values["a.weight"].T + values["a.bias"]
    slope = values["n.weight"] / np.sqrt(values["n.running_var"] + 1e-5)
    normal = (hidden - values["n.running_mean"]) * slope + values["n.bias"]
    logits = normal @ values["fc.weight"].T + values["fc.bias"]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    upward = (shares - _rows(classes)) / len(images) @ values["fc.weight"] * slope
    np.testing.assert_allclose(
        values["a.weight"] - stepper.parameters()["a.weight"], upward.T @ images, rtol=1e-4, atol=1e-6
    )


def test_binary_loss_and_its_gradient() -> None:
    graph = small.graph("model one { input x: f32[N, 4];  fc: linear(3);  output logits;  sigmoid;  output shares }")
    values = small.tensors(graph)
    images, _ = small.batch(graph)
    targets = np.random.default_rng(5).integers(0, 2, (len(images), 3)).astype(np.float32)
    _, stepper = small.stepper(graph, values, loss="binary", momentum=0.0)
    result = stepper.run(images, targets, learning_rate=1.0)
    logits = (images @ values["fc.weight"].T + values["fc.bias"]).astype(np.float64)
    shares = 1 / (1 + np.exp(-logits))
    loss = -(targets * np.log(shares) + (1 - targets) * np.log(1 - shares)).mean()
    assert result.loss == pytest.approx(loss, rel=1e-5)
    assert result.correct == int(((shares > 0.5) == (targets > 0.5)).sum())
    gradient = ((shares - targets) / targets.size).T @ images
    np.testing.assert_allclose(values["fc.weight"] - stepper.parameters()["fc.weight"], gradient, rtol=1e-4, atol=1e-6)


def test_heads_for_training_count_with_their_weight() -> None:
    text = (
        "model one { input x: f32[N, 4];  a: linear(5);  aux head { h: linear(3) }\n relu;  fc: linear(3);  output y }"
    )
    graph = small.graph(text)
    values = small.tensors(graph)
    images, classes = small.batch(graph)
    losses = {}
    for weight in (0.0, 0.5, 1.0):
        step, stepper = small.stepper(graph, values, aux_weight=weight)
        losses[weight] = stepper.run(images, classes, learning_rate=0.0).loss
        assert any(one.name == "head.h.weight" for one in step.state) == (weight > 0)
    assert losses[0.5] - losses[0.0] == pytest.approx((losses[1.0] - losses[0.0]) / 2, rel=1e-5)
    hidden = images @ values["a.weight"].T + values["a.bias"]
    logits = hidden @ values["head.h.weight"].T + values["head.h.bias"]
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    assert losses[1.0] - losses[0.0] == pytest.approx(-float(logs[np.arange(len(classes)), classes].mean()), rel=1e-4)


def test_mixed_precision_trains_as_float32_and_skips_steps_that_are_not_finite() -> None:
    graph = small.graph()
    values = small.tensors(graph)
    images, classes = small.batch(graph)
    _, exact = small.stepper(graph, values)
    _, mixed = small.stepper(graph, values, precision="mixed")
    for _ in range(5):
        expected = exact.run(images, classes, learning_rate=0.1)
        found = mixed.run(images, classes, learning_rate=0.1)
        assert found.finite
        assert found.loss == pytest.approx(expected.loss, rel=1e-2)
        assert found.gradient_norm == pytest.approx(expected.gradient_norm, rel=2e-2)
    before, scale = mixed.parameters(), mixed.optimizer_state()["step:loss_scale"]
    assert not mixed.run(images * 1e6, classes, learning_rate=0.1).finite
    assert mixed.optimizer_state()["step:loss_scale"] == scale / 2
    trained = {name for name, parameter in graph.parameters.items() if parameter.trainable}
    assert all(np.array_equal(before[name], value) for name, value in mixed.parameters().items() if name in trained)


def test_a_state_that_is_loaded_again_continues_with_the_same_bytes() -> None:
    graph = small.graph()
    images, classes = small.batch(graph)
    options: dict[str, Any] = {"optimizer": "adamw", "weight_decay": 0.01}
    step, first = small.stepper(graph, small.tensors(graph), **options)
    assert step.model_bytes() == training_step(small.graph(), StepOptions(**options)).model_bytes()
    for seed in range(3):
        first.run(images, classes, learning_rate=0.1, seed=seed)
    _, second = small.stepper(graph, small.tensors(graph), **options)
    second.load(first.parameters(), first.optimizer_state())
    results = [one.run(images, classes, learning_rate=0.1, seed=9) for one in (first, second)]
    assert results[0] == results[1]
    for kind in ("parameters", "optimizer_state"):
        ours, theirs = getattr(first, kind)(), getattr(second, kind)()
        assert all(ours[name].tobytes() == value.tobytes() for name, value in theirs.items())


def test_evaluation_is_the_network_at_inference() -> None:
    graph = small.graph()
    images, classes = small.batch(graph)
    _, stepper = small.stepper(graph, small.tensors(graph))
    for _ in range(3):
        stepper.run(images, classes, learning_rate=0.1)
    from ..ops.harness import answers

    node = next(output.node for output in graph.outputs if output.name == "logits")
    expected = answers(graph, stepper.parameters(), images)[node].value
    np.testing.assert_allclose(stepper.evaluate(images), expected, rtol=1e-4, atol=1e-5)


def test_the_model_is_valid_onnx_of_standard_operators_and_describes_its_state() -> None:
    step = training_step(small.graph(), StepOptions(optimizer="adamw", accumulate=2))
    model = onnx.load_from_string(step.model_bytes())
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}
    (described,) = [json.loads(one.value) for one in model.metadata_props if one.key == METADATA_KEY]
    outputs = {one.name for one in model.graph.output}
    inputs = {one.name for one in model.graph.input}
    assert {f"{name}:next" for name in described["state"]} < outputs
    assert {*described["state"], *described["frozen"]} < inputs
    assert {one.name for one in step.inputs} == inputs
    assert {one.name for one in step.outputs} == outputs


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("conv(3, 3x3)", {}, "gives"),
        ("avgpool(global);  flatten;  relu", {}, "nothing of `one` is trained"),
        ("avgpool(global);  flatten;  fc: linear(3)", {"frozen": ("*",)}, "nothing of `one` is trained"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_its_place(text: str, options: dict[str, Any], message: str) -> None:
    graph = small.graph(f"model one {{ input x: f32[N, 3, 8, 8];  {text};  output y }}")
    with pytest.raises(CompileError) as raised:
        training_step(graph, StepOptions(**options))
    assert raised.value.diagnostic.code.id == "E0857"
    assert message in raised.value.diagnostic.message


def test_images_of_an_unknown_size_are_refused_at_the_operator() -> None:
    graph = small.graph(
        "model one { input x: f32[N, 3, H, W];  c: conv(4, 3x3);  avgpool(global);  flatten;  output y }"
    )
    with pytest.raises(CompileError, match="must be known") as raised:
        training_step(graph)
    assert raised.value.diagnostic.primary is not None


def test_an_operator_without_a_gradient_is_refused_at_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    from resdsl.ir.operator import Operator
    from resdsl.ops.relu import Relu

    monkeypatch.setattr(Relu, "gradient", Operator.gradient)
    with pytest.raises(CompileError, match="`relu` has no gradient") as raised:
        training_step(small.graph())
    assert raised.value.diagnostic.code.id == "E0857"
    assert raised.value.diagnostic.primary is not None


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "mse"},
        {"optimizer": "adam"},
        {"precision": "half"},
        {"label_smoothing": 1.0},
        {"loss": "binary", "label_smoothing": 0.1},
        {"momentum": 1.0},
        {"momentum": 0.0, "nesterov": True},
        {"weight_decay": -1.0},
        {"clip_norm": 0.0},
        {"accumulate": 0},
        {"eps": 0.0},
        {"betas": (0.9, 1.0)},
        {"aux_weight": -1.0},
    ],
    ids=str,
)
def test_options_without_a_meaning_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|is not one of"):
        replace(StepOptions(), **change)
