"""v1 and v1.5: detected by the structure of a network and by a checkpoint; a difference is a warning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from resdsl.diagnostics import Diagnostics
from resdsl.weights.checkpoint import Checkpoint
from resdsl.weights.resnet_variant import Variant, check_variant, hint_of, variant_of

from ..building import shipped


class Named(Checkpoint):
    def __init__(self, name: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(Path(name))
        self.metadata = metadata or {}
        self.tensors = {}


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("resnet50", Variant.V1_5),
        ("resnet50_v1", Variant.V1),
        ("resnet152_v1", Variant.V1),
        ("resnext50_32x4d", Variant.V1_5),
        ("seresnet50", Variant.V1_5),
        ("resnet18", None),
        ("densenet121", None),
        ("inception_resnet_v2", None),
        ("plain34", None),
    ],
)
def test_the_variant_of_a_network_is_where_its_stride_is(name: str, variant: Variant | None) -> None:
    assert variant_of(shipped(name)) is variant


@pytest.mark.parametrize(
    "name",
    [
        *("resnet50_v1.pth", "resnet50-v1-7.onnx", "ResNet50_v1_best.pth", "resnet101-v1.safetensors"),
        *("resnet50_caffe.pth", "resnet50-caffe2-v1-9.onnx", "resnet50_msra-5891d200.pth"),
        *("resnet50_weights_tf_dim_ordering_keras.npz", "matterport-resnet101.npz"),
    ],
)
def test_names_of_v1(name: str) -> None:
    hint = hint_of(Named(name))
    assert hint is not None
    assert hint.variant is Variant.V1
    assert "in its name" in hint.because


@pytest.mark.parametrize(
    "name",
    [
        *("resnet50-0676ba61.pth", "resnet152-394f9c45.pth", "resnext50_32x4d-7cdf4587.pth"),
        *("wide_resnet50_2-95faca4d.pth", "resnet50_v1.5.pth", "resnet50-v1_5.onnx", "resnet50_v1b.params"),
        *("resnet50.a1_in1k.safetensors", "resnet101.tv_in1k.bin", "resnet50_torchvision.pth"),
        "ResNet50_Weights.IMAGENET1K_V1.pth",
    ],
)
def test_names_of_v1_5(name: str) -> None:
    hint = hint_of(Named(name))
    assert hint is not None
    assert hint.variant is Variant.V1_5


@pytest.mark.parametrize(
    "name",
    [
        *("model.pth", "resnet50.pth", "resnetv2_50.pth", "resnet50_v2.onnx", "resnet50-v2-7.onnx", "my_v1.pth"),
        *("inception_v1.pth", "checkpoint_v1.pth", "dev1.pth", "resnet50_v10.pth", "legacy_seresnet50-ce0d4300.pth"),
    ],
)
def test_names_without_a_variant(name: str) -> None:
    assert hint_of(Named(name)) is None


def test_metadata_takes_precedence_over_the_name() -> None:
    hint = hint_of(Named("resnet50_v1.pth", {"architecture": "resnet50.a1_in1k", "resdsl.source": "v1"}))
    assert hint is not None
    assert hint.variant is Variant.V1_5
    assert "metadata (`architecture`)" in hint.because


@pytest.mark.parametrize(
    ("network", "checkpoint", "suggestion"),
    [
        ("resnet50", "resnet50_v1.pth", "stride_in = conv1"),
        ("resnet50_v1", "resnet50-0676ba61.pth", "stride_in = conv2"),
    ],
)
def test_weights_of_the_other_variant_are_warned_of(network: str, checkpoint: str, suggestion: str) -> None:
    diagnostics = Diagnostics()
    check_variant(shipped(network), Named(checkpoint), diagnostics)
    (warning,) = diagnostics.warnings
    assert warning.code.id == "W0701"
    assert "the results will be wrong" in warning.message
    assert suggestion in warning.helps[0]


@pytest.mark.parametrize(
    ("network", "checkpoint"),
    [
        ("resnet50", "resnet50-0676ba61.pth"),
        ("resnet50_v1", "resnet50_v1.pth"),
        ("resnet50", "w.pth"),
        ("resnet18", "resnet18_v1.pth"),
    ],
)
def test_nothing_is_reported_if_nothing_differs_or_is_known(network: str, checkpoint: str) -> None:
    diagnostics = Diagnostics()
    check_variant(shipped(network), Named(checkpoint), diagnostics)
    assert not list(diagnostics)
