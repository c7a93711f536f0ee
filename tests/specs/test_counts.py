"""Parameters and MACs of networks that no library has, summed here from the figures and tables of their papers."""

from __future__ import annotations

from dataclasses import dataclass

from .shipped import graph_of


@dataclass(frozen=True)
class Count:
    parameters: int = 0
    macs: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.parameters + other.parameters, self.macs + other.macs)

    def __rmul__(self, times: int) -> Count:
        return Count(times * self.parameters, times * self.macs)


def conv(into: int, out: int, kernel: int, side: int) -> Count:
    """A convolution without bias whose result is ``side x side``, and the two numbers a channel of its batch norm.

    ``kernel`` is the number of its weights for a pair of channels.
    """
    weights = into * out * kernel
    return Count(weights + 2 * out, weights * side * side)


def linear(into: int, out: int, places: int = 1) -> Count:
    """A fully connected layer, or a 1x1 convolution with bias at so many places."""
    return Count(into * out + out, into * out * places)


def chain(into: int, layers: list[tuple[int, int]], side: int) -> Count:
    """Convolutions one after another, as (channels, kernel), all on maps of one size."""
    total = Count()
    for out, kernel in layers:
        total, into = total + conv(into, out, kernel, side), out
    return total


def test_inception_resnet_v1_has_the_layers_of_its_figures() -> None:
    # Szegedy et al. 2016, arXiv:1602.07261. Figure 14, the stem; the sizes stand beside it.
    stem = conv(3, 32, 9, 149) + conv(32, 32, 9, 147) + conv(32, 64, 9, 147)
    stem += conv(64, 80, 1, 73) + conv(80, 192, 9, 71) + conv(192, 256, 9, 35)
    # Figure 10, five times.
    a = chain(256, [(32, 1)], 35) + chain(256, [(32, 1), (32, 9)], 35) + chain(256, [(32, 1), (32, 9), (32, 9)], 35)
    a += linear(3 * 32, 256, 35 * 35)
    # Figure 7 with k, l, m, n = 192, 192, 256, 384 (table 1). Its result is 17 x 17.
    reduction_a = conv(256, 384, 9, 17) + chain(256, [(192, 1), (192, 9)], 35) + conv(192, 256, 9, 17)
    joined_a = 256 + 384 + 256
    # Figure 11, ten times.
    b = chain(joined_a, [(128, 1)], 17) + chain(joined_a, [(128, 1), (128, 7), (128, 7)], 17)
    b += linear(2 * 128, joined_a, 17 * 17)
    # Figure 12. Its result is 8 x 8.
    reduction_b = 3 * conv(joined_a, 256, 1, 17) + conv(256, 256, 9, 17)
    reduction_b += conv(256, 384, 9, 8) + 2 * conv(256, 256, 9, 8)
    joined_b = joined_a + 384 + 256 + 256
    # Figure 13, five times.
    c = chain(joined_b, [(192, 1)], 8) + chain(joined_b, [(192, 1), (192, 3), (192, 3)], 8)
    c += linear(2 * 192, joined_b, 8 * 8)
    # Figure 15: average, dropout, softmax over 1000 classes.
    wanted = stem + 5 * a + reduction_a + 10 * b + reduction_b + 5 * c + linear(joined_b, 1000)

    graph = graph_of("inception_resnet_v1")
    assert (graph.parameter_count, graph.macs) == (wanted.parameters, wanted.macs)


def densenet(stem: int, growth: int, layers: list[int]) -> Count:
    """Huang et al. 2017, arXiv:1608.06993, table 1: norm, relu and convolution, in this order, for 224 x 224."""

    def norm(channels: int) -> Count:
        return Count(2 * channels)

    def bare(into: int, out: int, kernel: int, side: int) -> Count:
        return Count(into * out * kernel, into * out * kernel * side * side)

    total, channels, side = bare(3, stem, 49, 112) + norm(stem), stem, 56
    for number, count in enumerate(layers):
        for _ in range(count):
            total += norm(channels) + bare(channels, 4 * growth, 1, side)
            total += norm(4 * growth) + bare(4 * growth, growth, 9, side)
            channels += growth
        if number < len(layers) - 1:
            total += norm(channels) + bare(channels, channels // 2, 1, side)
            channels, side = channels // 2, side // 2
    return total + norm(channels) + linear(channels, 1000)


def test_densenet264_has_the_layers_of_its_table() -> None:
    wanted = densenet(64, 32, [6, 12, 64, 48])
    graph = graph_of("densenet264")
    assert (graph.parameter_count, graph.macs) == (wanted.parameters, wanted.macs)


def test_the_sum_for_densenets_is_right_where_torchvision_has_one() -> None:
    # torchvision 0.29.1: DenseNet121_Weights and DenseNet161_Weights. The sum above is no better than this.
    assert densenet(64, 32, [6, 12, 24, 16]).parameters == 7_978_856
    assert densenet(96, 48, [6, 12, 36, 24]).parameters == 28_681_000
    assert graph_of("densenet161").parameter_count == 28_681_000


def test_shortcuts_of_option_a_have_no_parameters() -> None:
    # He et al. 2015, arXiv:1512.03385, table 1, 34 layers: 3, 4, 6 and 3 blocks of two 3x3 convolutions.
    wanted = conv(3, 64, 49, 112) + linear(512, 1000)
    into = 64
    for width, blocks, side in ((64, 3, 56), (128, 4, 28), (256, 6, 14), (512, 3, 7)):
        wanted += conv(into, width, 9, side) + (2 * blocks - 1) * conv(width, width, 9, side)
        into = width
    graph = graph_of("resnet34", skip="pad")
    assert (graph.parameter_count, graph.macs) == (wanted.parameters, wanted.macs)
