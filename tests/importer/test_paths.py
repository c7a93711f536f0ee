"""Where operators stand, by what exporters leave in a file."""

from __future__ import annotations

import pytest

from resdsl.importer.draft import Tensor, Value
from resdsl.importer.paths import paths_of
from resdsl.importer.records import NodeRecord
from resdsl.ir.initializers import Constant
from resdsl.ir.operator import Operator
from resdsl.ir.types import DType, Size, TensorType
from resdsl.ops.conv import Conv
from resdsl.ops.linear import Linear
from resdsl.ops.relu import Relu


def value(operator: Operator, node: str, *tensors: str, output: str = "v") -> Value:
    owned = {name: Tensor(name, (1,), Constant(0.0)) for name in tensors}  # type: ignore[arg-type]
    return Value(
        "v", operator, (), TensorType(DType.F32, (1,)), owned, (NodeRecord("Op", name=node, outputs=[output]),)
    )


CONV = Conv(8, Size(3, 3))


@pytest.mark.parametrize(
    ("operator", "node", "tensors", "path"),
    [
        # PyTorch: tensors, or else nodes.
        (CONV, "/layer1/layer1.0/conv1/Conv", ("layer1.0.conv1.weight", "layer1.0.conv1.bias"), "layer1.0.conv1"),
        (CONV, "/layer1/layer1.0/conv1/Conv", ("onnx::Conv_497", "onnx::Conv_498"), "layer1.0.conv1"),
        (Linear(8), "/blocks/blocks.0/fc/MatMul", ("onnx::MatMul_9",), "blocks.0.fc"),
        # onnxslim calls tensors by nodes, and a folded norm by its own.
        (
            CONV,
            "/layer1/layer1.0/conv1/Conv_output_0",
            ("/layer1/layer1.0/bn1/BatchNormalization_output_0_weight",),
            "layer1.0.conv1",
        ),
        # TensorFlow: layers below a model, whose name may have dots.
        (
            CONV,
            "Conv__339",
            ("net_1.00_224/Conv1/convolution/merged_input:0", "net_1.00_224/bn_Conv1/batchnorm/sub:0"),
            "net_1_00_224.Conv1",
        ),
        (CONV, "net/block_1_depthwise/depthwise", ("const_fold_opt__613",), "net.block_1_depthwise"),
        (CONV, "Conv__3", ("ConstantFolding/net/norm/truediv_recip",), "net.norm"),
        # tf2onnx folds a norm: the layer has the name of its bias.
        (
            CONV,
            "net/expand/BiasAdd",
            ("net/expand/BiasAdd_weights_fused_bn", "net/expand/BiasAdd_bias_fused_bn"),
            "net.expand",
        ),
        # Paddle: the number of a copy, and constants.
        (CONV, "Conv.7", ("conv2d_0.w_0_deepcopy_5", "conv2d_0.b_0_deepcopy_6"), "conv2d_0"),
        (CONV, "p2o.Conv.7", ("p2o.helper.constant.7",), "conv"),
        # Names that tools make up say nothing.
        (CONV, "Conv_17", ("1025",), "conv"),
    ],
)
def test_a_layer_stands_where_its_names_say(operator: Operator, node: str, tensors: tuple[str, ...], path: str) -> None:
    assert paths_of([value(operator, node, *tensors)])[0] == [path]


def test_a_name_that_two_have_is_that_of_the_tensors() -> None:
    found, _ = paths_of([value(Relu(), "net/stem/mul"), value(CONV, "net/stem/Conv2D", "net/stem/Conv2D:0")])
    assert found == ["net.stem_2", "net.stem"]


def test_a_layer_whose_names_are_lost_stands_where_its_value_says() -> None:
    layer = value(CONV, "Conv__450", "Conv__450_weights_fused_bn", output="net/norm/FusedBatchNormV3:0")
    assert paths_of([layer])[0] == ["net.norm"]
