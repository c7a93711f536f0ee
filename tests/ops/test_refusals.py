"""What operators reject, and the message: the fact, the argument, the suggestion."""

from __future__ import annotations

import pytest

from resdsl.diagnostics import Code, catalogue
from resdsl.ir.dims import Dim, symbol
from resdsl.ir.initializers import ONES, ZEROS
from resdsl.ir.operator import Operator, Refusal
from resdsl.ir.types import DType, Sides, Size, TensorType, Word
from resdsl.ops.add import Add
from resdsl.ops.affine import Affine
from resdsl.ops.avgpool import AvgPool
from resdsl.ops.blurpool import BlurPool
from resdsl.ops.bn import BatchNorm
from resdsl.ops.branch_softmax import BranchSoftmax
from resdsl.ops.branch_sum import BranchSum
from resdsl.ops.channel_conv import ChannelConv
from resdsl.ops.channel_shuffle import ChannelShuffle
from resdsl.ops.concat import Concat
from resdsl.ops.conv import Conv
from resdsl.ops.conv_transpose import ConvTranspose
from resdsl.ops.dropout import Dropout
from resdsl.ops.flatten import Flatten
from resdsl.ops.group_norm import GroupNorm
from resdsl.ops.input import Input
from resdsl.ops.instance_norm import InstanceNorm
from resdsl.ops.interpolate import Interpolate
from resdsl.ops.layer_norm import LayerNorm
from resdsl.ops.linear import Linear
from resdsl.ops.lrn import LocalResponseNorm
from resdsl.ops.maxpool import MaxPool
from resdsl.ops.mean import Mean
from resdsl.ops.mul import Mul
from resdsl.ops.pad import Pad
from resdsl.ops.pixel_softmax import PixelSoftmax
from resdsl.ops.pixel_sum import PixelSum
from resdsl.ops.prelu import PRelu
from resdsl.ops.slice import Slice
from resdsl.ops.softmax import Softmax
from resdsl.ops.space_to_depth import SpaceToDepth
from resdsl.ops.trim import Trim
from resdsl.ops.upsample import Upsample

N, H, W = symbol("N"), symbol("H"), symbol("W")
THREE, TWO, GLOBAL = Size(3, 3), Size(2, 2), Word("global")


def typed(*shape: Dim) -> TensorType:
    return TensorType(DType.F32, shape)


def refusal(operator: Operator, *inputs: TensorType) -> Refusal:
    with pytest.raises(Refusal) as caught:
        operator.infer(*inputs)
    return caught.value


IMAGE = (1, 4, 8, 8)


@pytest.mark.parametrize(
    ("operator", "shape", "code", "argument", "message"),
    [
        (Conv(8, THREE), (1, 4), catalogue.RANK, None, "a convolution works on images [N, C, H, W], and gets [1, 4]"),
        (Conv(8, THREE, groups=3), IMAGE, catalogue.GROUPS, "groups", "3 groups do not divide the input's 4 channels"),
        (Conv(6, THREE, groups=4), IMAGE, catalogue.GROUPS, "groups", "4 groups do not divide the result's 6 channels"),
        (
            Conv(8, Size(9, 1), pad=Word("valid")),
            IMAGE,
            catalogue.KERNEL_TOO_LARGE,
            "kernel",
            "the window covers 9 rows, and the input has 8",
        ),
        (
            Conv(8, THREE, pad=Sides(0, 1, 0, 1), dilation=Size(1, 5)),
            IMAGE,
            catalogue.KERNEL_TOO_LARGE,
            "kernel",
            "the window covers 11 columns, and the input has 8 and 2 of padding",
        ),
        (Conv(8, THREE), (1, W, 8, 8), catalogue.SYMBOLIC_SIZE, None, "the number of channels must be known, and is W"),
        (BatchNorm(), (1, H), catalogue.SYMBOLIC_SIZE, None, "the number of channels must be known, and is H"),
        (BatchNorm(), (1,), catalogue.RANK, None, "a batch norm works on [N, C] or [N, C, H, W], and gets [1]"),
        (Softmax(), (5,), catalogue.RANK, None, "softmax works on [N, C] or [N, C, H, W], and gets [5]"),
        (Flatten(), (5,), catalogue.RANK, None, "flatten works on [N, C] or [N, C, H, W], and gets [5]"),
        (Linear(10), IMAGE, catalogue.RANK, None, "a linear layer works on features [N, F], and gets [1, 4, 8, 8]"),
        (Linear(10), (N, 64 * H * W), catalogue.SYMBOLIC_SIZE, None, "number of features must be known, and is 64*H*W"),
        (MaxPool(THREE), (1, 4), catalogue.RANK, None, "a max pool works on images [N, C, H, W], and gets [1, 4]"),
        (AvgPool(GLOBAL), (1, 4), catalogue.RANK, None, "an average pool works on images [N, C, H, W]"),
        (
            MaxPool(GLOBAL, stride=TWO),
            IMAGE,
            catalogue.ARGUMENT_VALUE,
            "stride",
            "a global pool has one window, so `stride` has no effect",
        ),
        (
            AvgPool(GLOBAL, count_pad=False),
            IMAGE,
            catalogue.ARGUMENT_VALUE,
            "count_pad",
            "a global pool has one window, so `count_pad` has no effect",
        ),
        (
            MaxPool(THREE, pad=Sides(0, 3, 0, 0)),
            IMAGE,
            catalogue.PADDING_TOO_LARGE,
            "pad",
            "a window over 3 columns would lie wholly in 3 columns of padding",
        ),
        (
            AvgPool(TWO, pad=Sides(0, 0, 2, 0)),
            (N, 4, H, W),
            catalogue.PADDING_TOO_LARGE,
            "pad",
            "a window over 2 rows would lie wholly in 2 rows of padding",
        ),
        (
            MaxPool(TWO, pad=Sides(1, 1, 1, 1), dilation=TWO),
            (1, 4, 8, 1),
            catalogue.PADDING_TOO_LARGE,
            "pad",
            "a window of 2 points 2 apart steps over the input, which has 1 column",
        ),
        (MaxPool(THREE, pad=Word("valid")), (1, 4, 2, 8), catalogue.KERNEL_TOO_LARGE, "kernel", "covers 3 rows"),
        (LocalResponseNorm(4), IMAGE, catalogue.ARGUMENT_VALUE, "size", "4 channels have no middle one"),
        (Upsample(align_corners=True), IMAGE, catalogue.ARGUMENT_VALUE, "align_corners", "`mode = nearest`"),
        (Upsample(), (1, 4), catalogue.RANK, None, "upsampling works on images"),
        (Pad(), (1, 4), catalogue.RANK, None, "padding works on images"),
        (LocalResponseNorm(), (1, 4), catalogue.RANK, None, "a local response norm works on images"),
        (ChannelShuffle(3), IMAGE, catalogue.GROUPS, "groups", "3 groups do not divide 4 channels"),
        (Dropout(1.0), IMAGE, catalogue.ARGUMENT_VALUE, "rate", "a rate of 1 drops everything"),
        (GroupNorm(3), IMAGE, catalogue.GROUPS, "groups", "3 groups do not divide 4 channels"),
        (InstanceNorm(), (1, 4), catalogue.RANK, None, "an instance norm works on images"),
        (LayerNorm(), (1, H), catalogue.SYMBOLIC_SIZE, None, "the number of channels must be known, and is H"),
        (PRelu(per_channel=True), (5,), catalogue.RANK, None, "a prelu per channel works on [N, C]"),
        (SpaceToDepth(3), (1, 4, 9, 8), catalogue.ARGUMENT_VALUE, "block", "blocks of 3 do not divide a width of 8"),
        (SpaceToDepth(2), (N, 4, 2 * H, W), catalogue.SYMBOLIC_SIZE, "block", "the width must be a multiple of 2"),
        (Affine(), (5,), catalogue.RANK, None, "an affine per channel works on [N, C]"),
        (Affine(), (1, H), catalogue.SYMBOLIC_SIZE, None, "the number of channels must be known, and is H"),
        (Affine(weight=False, bias=False), IMAGE, catalogue.ARGUMENT_VALUE, "bias", "changes nothing"),
        (Affine(weight=False, init=0.1), IMAGE, catalogue.ARGUMENT_VALUE, "init", "no effect with `weight = false`"),
        (BlurPool(), (1, 4), catalogue.RANK, None, "a blur pool works on images [N, C, H, W]"),
        (BlurPool(8), IMAGE, catalogue.ARGUMENT_VALUE, "kernel", "a blur has at most 7 points, and this one has 8"),
        (BlurPool(5), (1, 4, 8, 2), catalogue.PADDING_TOO_LARGE, "pad", "2 columns of padding mirror as many"),
        (BlurPool(pad=Sides(0, 3, 0, 0)), (1, 4, H, W), catalogue.PADDING_TOO_LARGE, "pad", "wholly in 3 columns"),
        (BlurPool(4, pad=Word("valid")), (1, 4, 3, 8), catalogue.KERNEL_TOO_LARGE, "kernel", "covers 4 rows"),
        (BranchSum(3), IMAGE, catalogue.ARGUMENT_VALUE, "branches", "4 channels are not those of 3 equal branches"),
        (BranchSoftmax(8), IMAGE, catalogue.ARGUMENT_VALUE, "branches", "not those of 8 equal branches"),
        (BranchSoftmax(2), (5,), catalogue.RANK, None, "a softmax over branches works on [N, C] or [N, C, H, W]"),
        (BranchSum(2), (1, H), catalogue.SYMBOLIC_SIZE, None, "the number of channels must be known, and is H"),
        (ChannelConv(), IMAGE, catalogue.ARGUMENT_VALUE, None, "works on one pixel, and gets [1, 4, 8, 8]"),
        (ChannelConv(), (1, 4, H, 1), catalogue.SYMBOLIC_SIZE, None, "the size of the image must be known, and is H"),
        (ChannelConv(4), (1, 8), catalogue.ARGUMENT_VALUE, "kernel", "4 channels have no middle one"),
        (Trim(Sides(4, 0, 4, 0)), IMAGE, catalogue.ARGUMENT_VALUE, "sides", "the trim takes off 8 of 8 rows"),
        (Trim(Sides(0, 1, 0, 0)), (N, 4, H, 1), catalogue.ARGUMENT_VALUE, "sides", "takes off 1 of 1 column"),
        (Trim(Sides(0, 1, 0, 0)), (1, 4), catalogue.RANK, None, "a trim works on images"),
        (PixelSoftmax(), (1, 4), catalogue.RANK, None, "a softmax over pixels works on images"),
        (PixelSum(), (1, 4), catalogue.RANK, None, "a sum of pixels works on images"),
        (Interpolate(TWO), (1, 4), catalogue.RANK, None, "interpolation works on images"),
        (Interpolate(TWO, align_corners=True), IMAGE, catalogue.ARGUMENT_VALUE, "align_corners", "`mode = nearest`"),
        (Slice(2, 5), IMAGE, catalogue.ARGUMENT_VALUE, "stop", "the slice ends at channel 5, and the input has 4"),
        (Slice(2, 2), IMAGE, catalogue.ARGUMENT_VALUE, "start", "no channel is from 2 on and before 2"),
        (Slice(0, 2), (1, W, 8, 8), catalogue.SYMBOLIC_SIZE, None, "the number of channels must be known, and is W"),
        (ConvTranspose(8, THREE, groups=3), IMAGE, catalogue.GROUPS, "groups", "3 groups do not divide the input's 4"),
        (
            ConvTranspose(8, THREE, stride=TWO, output_pad=TWO),
            IMAGE,
            catalogue.ARGUMENT_VALUE,
            "output_pad",
            "an `output_pad` of 2 needs a larger stride or dilation",
        ),
        (
            ConvTranspose(8, THREE, pad=Sides(5, 0, 5, 0)),
            IMAGE,
            catalogue.PADDING_TOO_LARGE,
            "pad",
            "the padding takes off 10 of 10 rows",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(
    operator: Operator, shape: tuple[Dim, ...], code: Code, argument: str | None, message: str
) -> None:
    found = refusal(operator, typed(*shape))
    assert found.code == code
    assert found.argument == argument
    assert message in found.message


@pytest.mark.parametrize(
    ("operator", "shape", "suggestion"),
    [
        (Linear(10), IMAGE, "write `flatten` before it"),
        (Linear(10), (N, 64 * H * W), "write `avgpool(global)` before `flatten`"),
        (Conv(8, THREE), (1, 4), "put it before `flatten`"),
        (Conv(8, THREE, groups=3), IMAGE, "divisors of both 4 and 8: 1, 2, 4"),
        (Conv(8, Size(9, 9), pad=Word("valid")), IMAGE, "a smaller kernel"),
        (MaxPool(THREE, pad=Sides(3, 3, 3, 3)), IMAGE, "pad by at most 2"),
        (MaxPool(GLOBAL, ceil=True), IMAGE, "leave `ceil` out"),
        (LocalResponseNorm(4), IMAGE, "an odd number: 3 or 5"),
        (Upsample(align_corners=True), IMAGE, "write `mode = bilinear`"),
        (Slice(2, 5), IMAGE, "write `channels`"),
        (ChannelConv(), IMAGE, "write `avgpool(global)` before it"),
        (Slice(2, 1), IMAGE, "`slice(2, 3)` is one channel"),
    ],
)
def test_a_refusal_suggests_a_fix(operator: Operator, shape: tuple[Dim, ...], suggestion: str) -> None:
    assert any(suggestion in help_ for help_ in refusal(operator, typed(*shape)).helps)


@pytest.mark.parametrize(
    ("operator", "shapes", "branch", "message"),
    [
        (
            Add(),
            [(1, 4, 8, 8), (1, 6, 8, 8)],
            1,
            "the branches of this `add` do not fit: branch 2 has channels 6 and branch 1 has channels 4",
        ),
        # Where two agree the third is at fault, wherever it stands.
        (Add(), [(1, 6, 8, 8), (1, 4, 8, 8), (1, 4, 8, 8)], 0, "branch 1 has channels 6 and branch 2 has channels 4"),
        (Mean(), [(1, 4), (1, 4), (1, 5)], 2, "branch 3 has features 5 and branch 1 has features 4"),
        (Mean(), [(1, 4, 8, 8), (1, 4, 1, 1)], 1, "branch 2 has height 1 and branch 1 has height 8"),
        (Add(), [(1, 4, 8, 8), (1, 4)], 1, "branch 2 has 2 dimensions and branch 1 has 4"),
        (Concat(), [(1, 4, 8, 8), (1, 6, 8, 7)], 1, "branch 2 has width 7 and branch 1 has width 8"),
        (Concat(), [(1, 4, H, W), (1, 6, (H + 1) // 2, W)], 1, "branch 2 has height (H + 1)//2 and branch 1"),
        (Concat(), [(1, 4), (2, 4)], 1, "branch 2 has batch size 2 and branch 1 has batch size 1"),
        (Mul(), [(1, 4, 8, 8), (1, 3, 1, 1)], 1, "branch 2 has channels 3 and branch 1 has channels 4"),
        (Mul(), [(1, 1, 1, 1), (1, 4, 8, 8), (1, 4, 4, 8)], 2, "branch 3 has height 4 and branch 2 has height 8"),
        (Mul(), [(1, 4, 8, 8), (2, 4, 1, 1)], 1, "branch 2 has batch size 2 and branch 1 has batch size 1"),
    ],
)  # fmt: skip
def test_branches_that_do_not_fit_are_named(
    operator: Operator, shapes: list[tuple[Dim, ...]], branch: int, message: str
) -> None:
    found = refusal(operator, *(typed(*shape) for shape in shapes))
    assert found.code == catalogue.JOIN_SHAPES
    assert found.branch == branch
    assert message in found.message


def test_a_join_suggests_a_fix() -> None:
    assert refusal(Add(), typed(*IMAGE), typed(1, 6, 8, 8)).helps == (
        "end each branch with 4 channels: `conv(4, 1x1)` changes their number",
    )
    assert "strides" in refusal(Concat(), typed(*IMAGE), typed(1, 4, 4, 8)).helps[0]


def test_concat_needs_channels() -> None:
    assert refusal(Concat(), typed(4), typed(4)).code == catalogue.RANK


def test_sizes_stay_symbolic() -> None:
    x = typed(N, 3, H, W)
    assert AvgPool(GLOBAL).infer(x) == typed(N, 3, 1, 1)
    assert Flatten().infer(x) == typed(N, 3 * H * W)
    assert Upsample(Size(2, 3)).infer(x) == typed(N, 3, 2 * H, 3 * W)
    assert Pad(Sides(0, 1, 2, 3), after=5).infer(x) == typed(N, 8, H + 2, W + 4)
    assert Concat().infer(x, typed(N, 5, H, W)) == typed(N, 8, H, W)
    assert Mul().infer(typed(N, 3, 1, 1), x, typed(N, 1, H, W)) == x
    assert Conv(8, THREE).macs((x,), typed(N, 8, H, W)) == 8 * 3 * 9 * H * W


def test_batch_norm_owns_its_tensors_in_the_order_of_a_state_dict() -> None:
    specs = BatchNorm().parameters(typed(*IMAGE))
    assert [(spec.name, spec.shape, spec.initializer, spec.trainable) for spec in specs] == [
        ("weight", (4,), ONES, True),
        ("bias", (4,), ZEROS, True),
        ("running_mean", (4,), ZEROS, False),
        ("running_var", (4,), ONES, False),
    ]
    assert [spec.name for spec in BatchNorm(affine=False).parameters(typed(*IMAGE))] == ["running_mean", "running_var"]


def test_layers_own_their_weights_in_the_order_of_a_state_dict() -> None:
    assert [(s.name, s.shape) for s in Linear(10).parameters(typed(1, 7))] == [("weight", (10, 7)), ("bias", (10,))]
    assert [(s.name, s.shape) for s in Conv(6, Size(1, 3), groups=2, bias=True).parameters(typed(*IMAGE))] == [
        ("weight", (6, 2, 1, 3)),
        ("bias", (6,)),
    ]


def test_the_input_is_a_node_without_inputs() -> None:
    assert Input(typed(*IMAGE)).infer() == typed(*IMAGE)
    with pytest.raises(TypeError):
        Input(typed(*IMAGE)).infer(typed(*IMAGE))
