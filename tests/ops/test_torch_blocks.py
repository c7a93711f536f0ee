"""Blocks of operators against modules of timm, with their tensor names. ``tests/with_torch.sh`` runs this."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import resdsl

from .harness import pixels, run, to_onnx, weights_of

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")
layers = pytest.importorskip("timm.layers", reason="timm is not installed")

pytestmark = pytest.mark.torch

Norm = torch.nn.BatchNorm2d
ATTENTION = 'use "std/attention.res" (efficient_channel_attention, global_context, selective_kernel, split_attention)\n'


@pytest.mark.parametrize(
    ("block", "shape", "make"),
    [
        ("efficient_channel_attention", (2, 8, 5, 4), lambda: layers.EcaModule(kernel_size=3)),
        ("efficient_channel_attention(5)", (2, 128, 3, 3), lambda: layers.EcaModule(128)),
        (
            "selective_kernel(24)",
            (2, 16, 9, 8),
            lambda: layers.SelectiveKernel(16, 24, rd_channels=32, split_input=False),
        ),
        (
            "selective_kernel(32, stride = 2, split_input = true, reduction = 8, least = 16)",
            (2, 16, 9, 8),
            lambda: layers.SelectiveKernel(16, 32, stride=2, rd_ratio=1 / 8, rd_divisor=16),
        ),
        (
            "selective_kernel(64, groups = 8)",
            (1, 32, 7, 8),
            lambda: layers.SelectiveKernel(32, 64, groups=8, rd_ratio=1 / 16, rd_divisor=32, split_input=False),
        ),
        ("split_attention(24)", (2, 16, 7, 8), lambda: layers.SplitAttn(16, 24, norm_layer=Norm)),
        ("split_attention(64, stride = 2)", (1, 96, 7, 8), lambda: layers.SplitAttn(96, 64, stride=2, norm_layer=Norm)),
        ("split_attention(24, radix = 4)", (1, 32, 5, 5), lambda: layers.SplitAttn(32, 24, radix=4, norm_layer=Norm)),
    ],
)
def test_a_block_of_the_library_is_timms_module(block: str, shape: tuple[int, ...], make: Callable[[], Any]) -> None:
    dims = ", ".join(map(str, shape))
    graph = resdsl.loads(f"{ATTENTION}model net() {{\n  input x: f32[{dims}]\n  it: {block}\n  output y\n}}\n").graph
    weights, x = weights_of(graph), pixels(shape)
    module = make().eval()
    own = {name.removeprefix("it."): torch.from_numpy(value) for name, value in weights.items()}
    missing, unexpected = module.load_state_dict(own, strict=False)
    assert unexpected == []
    assert [name for name in missing if not name.endswith("num_batches_tracked")] == []
    expected = module.double()(torch.from_numpy(x).double()).detach().numpy()
    np.testing.assert_allclose(run(to_onnx(graph, weights), x), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
