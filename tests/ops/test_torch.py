"""Operators against PyTorch and timm, for every example. ``tests/with_torch.sh`` runs this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from resdsl.ir.operator import Operator
from resdsl.ops import joins

from .harness import answers, every_operator, graph_of, pixels, weights_of

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")
functional = torch.nn.functional

pytestmark = pytest.mark.torch

Tensor = Any
Twin = Callable[[Any, Tensor, Mapping[str, Tensor]], Tensor]


def _conv_transpose(op: Any, x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    pad = op.pad if not isinstance(op.pad, str) else None
    kernel, dilation = op.kernel, op.dilation
    half = tuple(d * (k - 1) // 2 if op.pad == "half" else 0 for d, k in zip(dilation, kernel, strict=True))
    if pad is not None:
        if (pad.top, pad.left) != (pad.bottom, pad.right):
            pytest.skip("PyTorch pads both sides alike")
        half = (pad.top, pad.left)
    return functional.conv_transpose2d(
        x, w["weight"], w.get("bias"), tuple(op.stride), half, tuple(op.output_pad), op.groups, tuple(dilation)
    )


def _layer_norm(op: Any, x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    last = x.movedim(1, -1)
    return functional.layer_norm(last, last.shape[-1:], w.get("weight"), w.get("bias"), op.eps).movedim(-1, 1)


def _response_norm(op: Any, x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    grn = pytest.importorskip("timm.layers.grn", reason="timm is not installed").GlobalResponseNorm
    norm = grn(x.shape[1], eps=op.eps, channels_last=False).double()
    norm.load_state_dict(dict(w))
    return norm(x).detach()


def _rms_norm(op: Any, x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    last = x.movedim(1, -1)
    return functional.rms_norm(last, last.shape[-1:], w.get("weight"), op.eps).movedim(-1, 1)


def _filter_response_norm(op: Any, x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    layers = pytest.importorskip("timm.layers", reason="timm is not installed")
    return _loaded(layers.FilterResponseNormTlu2d(x.shape[1], op.threshold, op.eps), w)(x)


def _evo_norm(op: Any, x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    layers = pytest.importorskip("timm.layers", reason="timm is not installed")
    kind = layers.EvoNorm2dS0 if op.gate else layers.EvoNorm2dS0a
    return _loaded(kind(x.shape[1], op.groups, apply_act=op.gate, eps=op.eps), w)(x)


def _loaded(norm: Any, w: Mapping[str, Tensor]) -> Any:
    """The norm with these tensors; without an affine of its own it starts with one that does nothing."""
    norm.double().load_state_dict(dict(w), strict="weight" in w)
    return norm.requires_grad_(False)


def _space_to_depth(op: Any, x: Tensor, _: Mapping[str, Tensor]) -> Tensor:
    if op.order == "channels":
        return functional.pixel_unshuffle(x, op.block)
    n, c, h, w = x.shape
    b = op.block
    # timm's SpaceToDepth (tresnet), for any block.
    return x.view(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4).reshape(n, c * b * b, h // b, w // b)


def _affine(_op: Any, x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    # timm's Affine (mlp_mixer), for channels that are not last.
    zero, one = x.new_zeros(1), x.new_ones(1)
    return torch.addcmul(w.get("bias", zero), w.get("weight", one), x.movedim(1, -1)).movedim(-1, 1)


def _blurpool(op: Any, x: Tensor, _: Mapping[str, Tensor]) -> Tensor:
    layers = pytest.importorskip("timm.layers", reason="timm is not installed")
    pool = layers.BlurPool2d(x.shape[1], op.kernel, pad_mode="reflect" if op.edge == "reflect" else "constant").double()
    if op.pad == "same":
        pytest.skip("PyTorch has no padding by the size")
    if op.pad == "valid":
        pool.padding = [0] * 4
    elif op.pad != "half":
        pool.padding = [op.pad.left, op.pad.right, op.pad.top, op.pad.bottom]
    elif op.kernel % 2 == 0:
        pool.padding = [(op.kernel - 1) // 2] * 4
    pool.stride = tuple(op.stride)
    return pool(x)


def _channel_conv(op: Any, x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    # As timm's EcaModule.
    return functional.conv1d(x.view(len(x), 1, -1), w["weight"], padding=(op.kernel - 1) // 2).view(x.shape)


TWINS: dict[str, Twin] = {
    "affine": _affine,
    "bn": lambda op, x, w: functional.batch_norm(
        x, w["running_mean"], w["running_var"], w.get("weight"), w.get("bias"), False, 0.0, op.eps
    ),
    "blurpool": _blurpool,
    "branch_softmax": lambda op, x, _: torch.softmax(x.unflatten(1, (op.branches, -1)), 1).flatten(1, 2),
    "branch_sum": lambda op, x, _: torch.sum(x.unflatten(1, (op.branches, -1)), 1),
    "channel_conv": _channel_conv,
    "channel_shuffle": lambda op, x, _: functional.channel_shuffle(x[..., None], op.groups).view(x.shape),
    "conv_transpose": _conv_transpose,
    # Padding by negative numbers, as in timm's NASNet.
    "trim": lambda op, x, _: functional.pad(x, [-op.sides[side] for side in (1, 3, 0, 2)]),
    "elu": lambda op, x, _: functional.elu(x, op.alpha),
    "evo_norm": _evo_norm,
    "filter_response_norm": _filter_response_norm,
    "flatten": lambda _op, x, _w: torch.flatten(x, 1),
    "gelu": lambda op, x, _: functional.gelu(x, approximate=str(op.approximate)),
    "global_response_norm": _response_norm,
    "group_norm": lambda op, x, w: functional.group_norm(x, op.groups, w.get("weight"), w.get("bias"), op.eps),
    "hard_sigmoid": lambda op, x, _: functional.hardsigmoid(x * 3 / op.bound),
    "hard_swish": lambda _op, x, _w: functional.hardswish(x),
    "instance_norm": lambda op, x, w: functional.instance_norm(
        x, weight=w.get("weight"), bias=w.get("bias"), eps=op.eps
    ),
    "interpolate": lambda op, x, _: functional.interpolate(
        x, tuple(op.size), mode=str(op.mode), align_corners=op.align_corners if op.mode == "bilinear" else None
    ),
    "l2_normalize": lambda op, x, _: functional.normalize(x, eps=op.eps),
    "layer_norm": _layer_norm,
    "leaky_relu": lambda op, x, _: functional.leaky_relu(x, op.slope),
    "linear": lambda _op, x, w: functional.linear(x, w["weight"], w.get("bias")),
    "lrn": lambda op, x, _: functional.local_response_norm(x, op.size, op.alpha, op.beta, op.k),
    "pixel_softmax": lambda _op, x, _w: torch.softmax(x.flatten(2), -1).view(x.shape),
    "pixel_sum": lambda _op, x, _w: torch.sum(x, (2, 3), keepdim=True),
    "prelu": lambda _op, x, w: functional.prelu(x, w["weight"]),
    "relu": lambda _op, x, _w: functional.relu(x),
    "relu6": lambda _op, x, _w: functional.relu6(x),
    "rms_norm": _rms_norm,
    "sigmoid": lambda _op, x, _w: torch.sigmoid(x),
    "silu": lambda _op, x, _w: functional.silu(x),
    "slice": lambda op, x, _: x.narrow(1, op.start, op.stop - op.start),
    "softmax": lambda _op, x, _w: functional.softmax(x, 1),
    "space_to_depth": _space_to_depth,
    "tanh": lambda _op, x, _w: torch.tanh(x),
    "upsample": lambda op, x, _: functional.interpolate(
        x,
        scale_factor=tuple(op.factor),
        mode=str(op.mode),
        align_corners=op.align_corners if op.mode == "bilinear" else None,
    ),
}

EXAMPLES = [
    pytest.param(operator, example, id=f"{name}-{number}")
    for name, operator in every_operator().items()
    if name in TWINS
    for number, example in enumerate(operator.examples)
]


@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
def test_an_example_computes_what_pytorch_computes(operator: type[Operator], example: Any) -> None:
    graph = graph_of(example.text, example.shape)
    if len(graph.nodes) != 2:
        pytest.skip("more than one operator")
    weights, x = weights_of(graph), pixels(example.shape)
    node = graph.nodes[1]
    own = {name.removeprefix(f"{node.path}."): torch.from_numpy(value).double() for name, value in weights.items()}
    expected = TWINS[operator.name](node.operator, torch.from_numpy(x).double(), own)
    np.testing.assert_allclose(answers(graph, weights, x)[-1].value, expected.numpy(), rtol=1e-6, atol=1e-6)


def test_every_operator_with_weights_but_conv_has_a_twin() -> None:
    owning = {name for name, operator in every_operator().items() if any(_owns(one) for one in operator.examples)}
    # The examples of joins have convolutions in their branches.
    owning -= joins().keys()
    assert owning <= TWINS.keys() | {"conv"}, "conv is compared with PyTorch by the logits of whole networks"


def _owns(example: Any) -> bool:
    return bool(graph_of(example.text, example.shape).parameters)
