"""The tables of the papers, at the precision at which they are printed."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from .shipped import graph_of

RESNET = "He et al. 2015, arXiv:1512.03385"
PREACTIVATION = "He et al. 2016, arXiv:1603.05027"
WIDE = "Zagoruyko & Komodakis 2016, arXiv:1605.07146"
RESNEXT = "Xie et al. 2016, arXiv:1611.05431"
TRICKS = "He et al. 2018, arXiv:1812.01187"
GOOGLENET = "Szegedy et al. 2014, arXiv:1409.4842"
MOBILENET_V2 = "Sandler et al. 2018, arXiv:1801.04381"
DENSENET = "Huang et al. 2017, arXiv:1608.06993"

PARAMETERS = [
    ("resnet_cifar", {"net": "resnet20"}, "0.27M", f"{RESNET}, table 6"),
    ("resnet_cifar", {"net": "resnet32"}, "0.46M", f"{RESNET}, table 6"),
    ("resnet_cifar", {"net": "resnet44"}, "0.66M", f"{RESNET}, table 6"),
    ("resnet_cifar", {"net": "resnet56"}, "0.85M", f"{RESNET}, table 6"),
    ("resnet_cifar", {"net": "resnet110"}, "1.7M", f"{RESNET}, table 6"),
    ("resnet_cifar", {"net": "resnet1202"}, "19.4M", f"{RESNET}, table 6"),
    # Table 4 has 10.2 M for ResNet-1001 too, which its layers do not make: they have 10.33 M.
    ("resnetv2_cifar", {"net": "resnet164"}, "1.7M", f"{PREACTIVATION}, table 4"),
    ("wrn_28_10", {}, "36.5M", f"{WIDE}, table 4"),
    ("wrn_16_8", {}, "11.0M", f"{WIDE}, table 4"),
    ("wide_resnet50_2", {}, "68.9M", f"{WIDE}, table 8"),
    ("resnext50_32x4d", {}, "25.0M", f"{RESNEXT}, table 1"),
    ("densenet_cifar", {"depth": 100, "growth": 12}, "0.8M", f"{DENSENET}, table 2"),
    ("densenet_cifar", {"depth": 250, "growth": 24}, "15.3M", f"{DENSENET}, table 2"),
    ("densenet_cifar", {"depth": 190, "growth": 40}, "25.6M", f"{DENSENET}, table 2"),
]

MACS = [
    ("plain18", {}, "1.8G", f"{RESNET}, table 1"),
    ("plain34", {}, "3.6G", f"{RESNET}, figure 3"),
    ("vgg19", {}, "19.6G", f"{RESNET}, figure 3"),
    ("resnet34", {"skip": "pad"}, "3.6G", f"{RESNET}, figure 3"),
    # Table 1 has 3.8 G for 50 layers, where rounding makes 3.9 of 3.858.
    ("resnet101_v1", {}, "7.6G", f"{RESNET}, table 1"),
    ("resnet152_v1", {}, "11.3G", f"{RESNET}, table 1"),
    ("resnext50_32x4d", {}, "4.2G", f"{RESNEXT}, table 1"),
    ("resnet50d", {}, "4.3G", f"{TRICKS}, table 5"),
    ("mobilenet_v2", {}, "0.3G", f"{MOBILENET_V2}, table 4"),
]

DEPTHS = [
    ("googlenet", {}, 22, f"{GOOGLENET}, section 5"),
    ("plain18", {}, 18, f"{RESNET}, table 2"),
    ("plain34", {}, 34, f"{RESNET}, table 2"),
    ("resnet_cifar", {"net": "resnet110"}, 110, f"{RESNET}, table 6"),
    ("resnet_cifar", {"net": "resnet1202"}, 1202, f"{RESNET}, table 6"),
    ("resnetv2_cifar", {"net": "resnet164"}, 164, f"{PREACTIVATION}, table 4"),
    ("resnetv2_cifar", {"net": "resnet1001"}, 1001, f"{PREACTIVATION}, table 4"),
    ("resnetv2_200", {}, 200, f"{PREACTIVATION}, table 5"),
    ("resnext101_64x4d", {}, 101, f"{RESNEXT}, table 4"),
]

SUFFIXES = {"M": 6, "G": 9}


def written_as(value: int, figure: str) -> str:
    """``value`` as ``figure`` writes it: 269,722 beside ``0.27M`` is ``0.27M``."""
    digits, suffix = Decimal(figure[:-1]), figure[-1]
    return f"{Decimal(value).scaleb(-SUFFIXES[suffix]).quantize(digits, ROUND_HALF_EVEN)}{suffix}"


@pytest.mark.parametrize(("name", "arguments", "figure", "source"), PARAMETERS)
def test_parameters_are_the_published_ones(name: str, arguments: dict[str, object], figure: str, source: str) -> None:
    assert written_as(graph_of(name, **arguments).parameter_count, figure) == figure, source


@pytest.mark.parametrize(("name", "arguments", "figure", "source"), MACS)
def test_macs_are_the_published_ones(name: str, arguments: dict[str, object], figure: str, source: str) -> None:
    macs = graph_of(name, **arguments).macs
    assert isinstance(macs, int)
    assert written_as(macs, figure) == figure, source


@pytest.mark.parametrize(("name", "arguments", "depth", "source"), DEPTHS)
def test_depth_is_the_published_one(name: str, arguments: dict[str, object], depth: int, source: str) -> None:
    assert graph_of(name, **arguments).depth == depth, source


def shapes(name: str, **arguments: object) -> dict[str, tuple[int, ...]]:
    return {key: parameter.shape for key, parameter in graph_of(name, **arguments).parameters.items()}


def test_one_parameter_makes_the_plain_net_of_resnet34() -> None:
    assert shapes("resnet34", skip="none") == shapes("plain34")


def test_option_a_has_no_weights() -> None:
    assert shapes("resnet34", skip="pad") == shapes("plain34")


def test_option_c_projects_where_option_b_does_not() -> None:
    # A projection of w channels is a 1x1 convolution and the weight and bias of a norm.
    blocks = {64: 3, 128: 3, 256: 5, 512: 2}
    more = sum(count * (width * width + 2 * width) for width, count in blocks.items())
    b, c = (graph_of("resnet34", skip=kind) for kind in ("projection", "projection_always"))
    assert c.parameter_count - b.parameter_count == more


def test_squeeze_and_excitation_adds_the_parameters_of_its_equation() -> None:
    # (2 / r) * sum_s N_s * C_s^2 (Hu et al. 2017, arXiv:1709.01507, eq. 5), and timm's biases.
    stages = [(3, 256), (4, 512), (6, 1024), (3, 2048)]
    weights = 2 * sum(count * width * width for count, width in stages) // 16
    biases = sum(count * (width + width // 16) for count, width in stages)
    more = graph_of("seresnet50").parameter_count - graph_of("resnet50").parameter_count
    assert more == weights + biases
