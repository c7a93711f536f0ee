"""Training steps of whole networks against PyTorch: gradients, and the losses of ten steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import resdsl
from resdsl.runtime.stepper import Stepper
from resdsl.training import StepOptions, training_step

from ..torch.small import NET

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch

CIFAR = ["resnet_cifar", "resnetv2_cifar", "densenet_cifar"]
# By the smallest images that leave each some pixels at its end; the widest nets of a family compute what the others do.
PHOTOS = {
    "resnet18": 64,
    "plain18": 64,
    "resnet50": 64,
    "resnet50d": 64,
    "resnext50_32x4d": 64,
    "seresnet50": 64,
    "resnetv2_50": 64,
    "densenet121": 64,
    "mobilenet_v2": 128,
    "googlenet": 128,
    "inception_v3": 299,
    "inception_resnet_v1": 107,
    "vgg19": 32,
}
HEAVY = {
    "densenet161": 64,
    "densenet169": 64,
    "densenet201": 64,
    "densenet264": 64,
    "inception_resnet_v2": 139,
    "inception_v4": 139,
    "plain34": 64,
    "resnet34": 64,
    "resnet50_conv": 64,
    "resnet50_v1": 64,
    "resnet101": 64,
    "resnet101_v1": 64,
    "resnet152": 128,
    "resnet152_v1": 128,
    "resnetv2_101": 64,
    "resnetv2_152": 64,
    "resnetv2_200": 64,
    "resnext101_32x8d": 64,
    "resnext101_64x4d": 64,
    "wide_resnet50_2": 64,
    "wide_resnet101_2": 64,
    "wrn_16_8": 32,
    "wrn_28_10": 32,
}
"""The other built-in classifiers, which ``--parity`` adds."""


def _module(specification: resdsl.Specification) -> Any:
    import resdsl.torch

    module = resdsl.torch.module(specification, seed=0).train()
    for one in module.modules():
        # Masks of dropout are drawn by other generators.
        if isinstance(one, torch.nn.Dropout):
            one.p = 0.0
    return module


def _state(module: Any) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}


def _loss(module: Any, images: np.ndarray, classes: np.ndarray, function: Any, dtype: Any) -> Any:
    """The loss of the classifier, and 0.3 of each of the heads for training."""
    found = module(torch.from_numpy(images).to(dtype))
    logits = {"": found} if torch.is_tensor(found) else dict(found)
    targets = torch.from_numpy(classes)
    main = next(value for name, value in logits.items() if name in ("", "logits"))
    heads = [value for name, value in logits.items() if name not in ("", "logits", "probabilities")]
    return function(main.flatten(1), targets) + 0.3 * sum(function(head.flatten(1), targets) for head in heads)


def _without_dropout(specification: resdsl.Specification) -> Any:
    """The graph with all rates 0."""
    from dataclasses import replace

    from resdsl.ops.dropout import Dropout

    graph = specification.graph
    nodes = tuple(
        replace(node, operator=replace(node.operator, rate=0.0)) if isinstance(node.operator, Dropout) else node
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes)


def _batch(specification: resdsl.Specification, size: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    channels: Any = specification.graph.input.type.shape[1]
    return rng.standard_normal((count, channels, size, size)).astype(np.float32), rng.integers(0, 10, count)


@pytest.mark.parametrize(
    "name", [*CIFAR, *PHOTOS, *(pytest.param(name, marks=pytest.mark.parity(heavy=True)) for name in HEAVY)]
)
def test_gradients_of_a_network_are_those_of_autograd(name: str) -> None:
    """Against float64: rounding of float32 is all that may differ.

    Rounding that puts one pixel on the other side of a ReLU's corner is no small change, in PyTorch's float32 either.
    So one of three batches has to agree: a wrong gradient is wrong for all of them.
    """
    size = (PHOTOS | HEAVY).get(name, 32)
    specification = resdsl.load(name, set={"classes": 10}, input_shape=("N", 3, size, size))
    stepper = Stepper(training_step(_without_dropout(specification), StepOptions(momentum=0.0)), "cpu", 1)
    faults = []
    for seed in range(3):
        fault = _fault(specification, stepper, size, seed)
        if not fault:
            return
        faults.append(fault)
    raise AssertionError(faults)


def _fault(specification: resdsl.Specification, stepper: Stepper, size: int, seed: int) -> str:
    """How the gradients of a batch differ from those of autograd by more than rounding; empty if they do not."""
    module = _module(specification)
    values = _state(module)
    images, classes = _batch(specification, size, 4, seed)
    stepper.load(values)
    # Exact in float32: a power of two, so that the difference of weights is the gradient, and large, so that it counts.
    rate = 2.0**12
    result = stepper.run(images, classes, learning_rate=rate)
    expected, loss, exact = _gradients(module, values, images, classes, torch.float64)
    theirs, their_loss, their_statistics = _gradients(module, values, images, classes, torch.float32)
    # Deep networks whose last maps have a few pixels enlarge rounding, PyTorch's too.
    if abs(result.loss - loss) > max(1e-4 * loss, 5 * abs(their_loss - loss)):
        return f"seed {seed}: loss {result.loss}, of PyTorch {their_loss}, exactly {loss}"
    after = stepper.parameters()
    statistics = {key: after[key] for key in exact}
    if _error(statistics, exact) > max(1e-4, 5 * _error(their_statistics, exact)):
        return f"seed {seed}: error of running statistics {_error(statistics, exact)}"
    found = {key: (values[key].astype(np.float64) - after[key]) / rate for key in expected}
    # 1e-4, or what float32 costs PyTorch itself.
    ours, torchs = _error(found, expected), _error(theirs, expected)
    if ours > max(1e-4, 3 * torchs):
        return f"seed {seed}: error {ours}, of PyTorch {torchs}"
    # One pixel on the other side of a corner is an error of one channel, in all layers that read it; so the channel
    # with the largest error is left out.
    for key, gradient in expected.items():
        rows = np.abs(found[key] - gradient).reshape(len(gradient), -1).sum(1)
        one = {key: np.delete(gradient, rows.argmax(), 0)}
        ours, torchs = (_error({key: np.delete(each[key], rows.argmax(), 0)}, one) for each in (found, theirs))
        if ours > max(1e-2, 5 * torchs):
            return f"seed {seed}: error of {key} {ours}, of PyTorch {torchs}"
    return ""


def _gradients(
    module: Any, values: Mapping[str, np.ndarray], images: np.ndarray, classes: np.ndarray, dtype: Any
) -> tuple[dict[str, np.ndarray], float, dict[str, np.ndarray]]:
    """Gradients, loss and running statistics."""
    module.to(dtype)
    module.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()})
    module.zero_grad()
    loss = _loss(module, images, classes, torch.nn.CrossEntropyLoss(), dtype)
    loss.backward()
    gradients = {name: one.grad.numpy().copy() for name, one in module.named_parameters()}
    moved = {name: one.numpy().copy() for name, one in module.state_dict().items() if "running_" in name}
    return gradients, loss.item(), moved


def _error(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> float:
    """The norm of all differences, relative to that of all values."""
    squares = sum(float((value.astype(np.float64) ** 2).sum()) for value in expected.values())
    errors = sum(float(((found[name] - value) ** 2).sum()) for name, value in expected.items())
    return float((errors / max(squares, 1e-12)) ** 0.5)


Optimizer = Callable[[Any], Any]


@pytest.mark.parametrize(
    ("options", "optimizer", "rate"),
    [
        pytest.param(
            {"weight_decay": 1e-4},
            lambda params: torch.optim.SGD(params, 0.02, momentum=0.9, weight_decay=1e-4),
            0.02,
            id="SGD",
        ),
        pytest.param(
            {"weight_decay": 1e-4, "nesterov": True, "label_smoothing": 0.1},
            lambda params: torch.optim.SGD(params, 0.02, momentum=0.9, weight_decay=1e-4, nesterov=True),
            0.02,
            id="Nesterov and label smoothing",
        ),
        pytest.param(
            {"optimizer": "adamw", "weight_decay": 0.05},
            lambda params: torch.optim.AdamW(params, 1e-3, weight_decay=0.05),
            1e-3,
            id="AdamW",
        ),
        pytest.param(
            {"clip_norm": 0.5}, lambda params: torch.optim.SGD(params, 0.02, momentum=0.9), 0.02, id="clipped"
        ),
        pytest.param(
            {"accumulate": 2}, lambda params: torch.optim.SGD(params, 0.02, momentum=0.9), 0.02, id="accumulated"
        ),
        pytest.param(
            {"frozen": ("conv1.*", "bn1.*", "layer1.*")},
            lambda params: torch.optim.SGD(params, 0.02, momentum=0.9),
            0.02,
            id="frozen",
        ),
    ],
)
def test_losses_of_ten_steps_are_those_of_pytorch(
    options: Mapping[str, Any], optimizer: Optimizer, rate: float
) -> None:
    specification = resdsl.loads(NET, name="small.res")
    module = _module(specification)
    rule = StepOptions(**options)
    if rule.frozen:
        for name, one in module.named_modules():
            if name in ("conv1", "bn1") or name.startswith("layer1"):
                one.eval().requires_grad_(False)
    stepper = Stepper(training_step(_without_dropout(specification), rule), "cpu", 1)
    stepper.load(_state(module))
    updates = optimizer([one for one in module.parameters() if one.requires_grad])
    function = torch.nn.CrossEntropyLoss(label_smoothing=rule.label_smoothing)
    for step in range(10):
        images, classes = _batch(specification, 32, 16, seed=step % 3)
        found = stepper.run(images, classes, learning_rate=rate)
        loss = _loss(module, images, classes, function, torch.float32)
        (loss / rule.accumulate).backward()
        if (step + 1) % rule.accumulate == 0:
            if rule.clip_norm:
                torch.nn.utils.clip_grad_norm_(module.parameters(), rule.clip_norm)
            updates.step()
            updates.zero_grad()
        assert found.loss == pytest.approx(loss.item(), rel=1e-3), step
