"""Layers with tensors, pools, padding and resizing."""

from __future__ import annotations

from collections.abc import Sequence

from resdsl.importer.records import AttributeValue, Element
from resdsl.torch.tracing.call import Call, Unwritable, is_whole, shape_of, writes


@writes("conv1d", "conv2d", "conv3d", "convolution", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _conv(call: Call) -> None:
    weight = shape_of(call.operand("weight"))
    axes = len(weight) - 2
    is_transposed = "output_padding" in call.arguments and call.arguments.get("transposed", True)
    strides, dilations = call.integers("stride", axes), call.integers("dilation", axes)
    kernel = tuple(size or 0 for size in weight[2:])
    attributes: dict[str, AttributeValue] = {
        "kernel_shape": kernel,
        "strides": strides,
        "pads": _pads(call, kernel, strides, dilations),
        "dilations": dilations,
        "group": call.integer("groups"),
    }
    if is_transposed:
        attributes["output_padding"] = call.integers("output_padding", axes)
    kind = "ConvTranspose" if is_transposed else "Conv"
    call.result(kind, call.input("input"), call.input("weight"), call.input("bias"), **attributes)


def _pads(call: Call, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> tuple[int, ...]:
    padding = call.arguments["padding"]
    if not isinstance(padding, str):
        return call.integers("padding", len(kernel)) * 2
    if padding == "valid":
        return (0,) * 2 * len(kernel)
    if set(strides) != {1}:
        raise Unwritable("`same` padding with a stride")
    totals = [dilation * (size - 1) for size, dilation in zip(kernel, dilations, strict=True)]
    # The odd pixel is behind.
    return (*(total // 2 for total in totals), *(total - total // 2 for total in totals))


@writes("linear")
def _linear(call: Call) -> None:
    x, weight, bias = (call.input(name) for name in ("input", "weight", "bias"))
    if len(call.shape) == 2:
        call.result("Gemm", x, weight, bias, transB=1)
        return
    product = call.emit("Transpose", weight, perm=(1, 0))
    if not bias:
        call.result("MatMul", x, product)
        return
    call.result("Add", call.emit("MatMul", x, product), bias)


@writes("addmm")
def _addmm(call: Call) -> None:
    alpha, beta = call.number("alpha", 1.0), call.number("beta", 1.0)
    call.result("Gemm", call.input("mat1"), call.input("mat2"), call.input("self"), alpha=alpha, beta=beta)


@writes("mm", "bmm", "matmul")
def _matmul(call: Call) -> None:
    call.result("MatMul", call.input(), call.input("mat2" if "mat2" in call.arguments else "other"))


@writes("batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit_no_training", "native_batch_norm")
def _batch_norm(call: Call) -> None:
    channels = call.shape[1] or 0
    trains = bool(call.arguments.get("training"))
    mean, variance = (call.input(name) for name in ("running_mean", "running_var"))
    if not trains and not mean:
        raise Unwritable("it has no statistics")
    inputs = (
        call.input("weight") or call.vector(*[1.0] * channels),
        call.input("bias") or call.vector(*[0.0] * channels),
        mean or call.vector(*[0.0] * channels),
        variance or call.vector(*[1.0] * channels),
    )
    eps = call.number("eps")
    if trains:
        # Of a value it is no norm of the language; of weights it standardises them.
        call.result("BatchNormalization", call.input(), *inputs, epsilon=eps, training_mode=1)
    else:
        call.result("BatchNormalization", call.input(), *inputs, epsilon=eps)


@writes("layer_norm")
def _layer_norm(call: Call) -> None:
    shape = call.integers("normalized_shape")
    weight = call.input("weight") or call.records.numbers([1.0] * _count(shape), shape, Element.FLOAT)
    call.result(
        "LayerNormalization",
        call.input(),
        weight,
        call.input("bias"),
        axis=-len(shape),
        epsilon=call.number("eps"),
    )


def _count(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    if count > 1 << 20:
        raise Unwritable("it is over too many numbers")
    return count


@writes("group_norm")
def _group_norm(call: Call) -> None:
    weight, bias = _affine(call)
    call.result(
        "GroupNormalization",
        call.input(),
        weight,
        bias,
        num_groups=call.integer("num_groups"),
        epsilon=call.number("eps"),
    )


@writes("instance_norm")
def _instance_norm(call: Call) -> None:
    if not call.flag("use_input_stats"):
        _batch_norm(call)
        return
    weight, bias = _affine(call)
    call.result("InstanceNormalization", call.input(), weight, bias, epsilon=call.number("eps"))


def _affine(call: Call) -> tuple[str, str]:
    """The weight and the bias of a norm, ones and zeros where it has none."""
    channels = call.shape[1] or 0
    weight = call.input("weight") or call.vector(*[1.0] * channels)
    return weight, call.input("bias") or call.vector(*[0.0] * channels)


@writes("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices")
def _max_pool(call: Call) -> None:
    axes = len(call.shape) - 2
    kernel = call.integers("kernel_size", axes)
    attributes: dict[str, AttributeValue] = {
        "kernel_shape": kernel,
        "strides": call.integers("stride", axes) or kernel,
        "pads": call.integers("padding", axes) * 2,
        "dilations": call.integers("dilation", axes),
        "ceil_mode": int(call.flag("ceil_mode")),
    }
    if str(call.node.target).endswith("indices.default"):
        call.results("MaxPool", 1, call.input(), **attributes)
    else:
        call.result("MaxPool", call.input(), **attributes)


@writes("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _average_pool(call: Call) -> None:
    axes = len(call.shape) - 2
    kernel = call.integers("kernel_size", axes)
    if call.arguments.get("divisor_override") is not None:
        raise Unwritable("it has a divisor of its own")
    call.result(
        "AveragePool",
        call.input(),
        kernel_shape=kernel,
        strides=call.integers("stride", axes) or kernel,
        pads=call.integers("padding", axes) * 2,
        ceil_mode=int(call.flag("ceil_mode")),
        count_include_pad=int(call.flag("count_include_pad")),
    )


@writes("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool2d")
def _adaptive_pool(call: Call) -> None:
    name = str(call.node.target)
    axes = len(call.shape) - 2
    sizes, wanted = call.shape[2:], call.integers("output_size", axes)
    kind = "Max" if "max" in name else "Average"
    if set(wanted) == {1}:
        kernel: tuple[int, ...] = ()
        node = f"Global{kind}Pool"
    elif wanted == sizes:
        call.same(call.input())
        return
    elif all(size is not None and size % count == 0 for size, count in zip(sizes, wanted, strict=True)):
        kernel = tuple((size or 0) // count for size, count in zip(sizes, wanted, strict=True))
        node = f"{kind}Pool"
    else:
        raise Unwritable(f"windows of different sizes: {_by(sizes)} pixels to {_by(wanted)}")
    attributes: dict[str, AttributeValue] = {"kernel_shape": kernel, "strides": kernel} if kernel else {}
    if kind == "Max":
        call.results(node, 1, call.input(), **attributes)
    else:
        call.result(node, call.input(), **attributes)


def _by(sizes: Sequence[int | None]) -> str:
    return "x".join("?" if size is None else str(size) for size in sizes)


@writes("pad", "constant_pad_nd", "reflection_pad2d", "replication_pad2d")
def _pad(call: Call) -> None:
    name = str(call.node.target)
    pads = call.integers("pad" if "pad" in call.arguments else "padding")
    mode = str(call.arguments.get("mode") or "constant")
    mode = {"reflection_pad2d": "reflect", "replication_pad2d": "edge"}.get(name.split(".")[1], mode)
    rank = len(call.shape)
    # PyTorch pads in pairs, the last axis first.
    pairs = list(zip(pads[::2], pads[1::2], strict=True))[::-1]
    axes = range(rank - len(pairs), rank)
    number = call.number("value")
    call.result(
        "Pad",
        call.input(),
        call.whole(*(begin for begin, _ in pairs), *(end for _, end in pairs)),
        call.scalar(number) if number else "",
        call.whole(*axes),
        mode={"replicate": "edge"}.get(mode, mode),
    )


@writes("upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_nearest1d")
def _resize(call: Call) -> None:
    name = str(call.node.target)
    before, after = call.shape[2:], shape_of(call.node)[2:]
    factors = _factors(call)
    attributes: dict[str, AttributeValue]
    if "nearest" in name:
        attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        corners = call.flag("align_corners")
        attributes = {
            "mode": "cubic" if "cubic" in name else "linear",
            "coordinate_transformation_mode": "align_corners" if corners else "half_pixel",
        }
    if factors and all(map(is_whole, factors)):
        call.result("Resize", call.input(), "", call.vector(1.0, 1.0, *factors), **attributes)
        return
    if None in before or None in after:
        sizes = call.arguments.get("output_size")
        if factors or not isinstance(sizes, Sequence):
            raise Unwritable("it resizes an unknown size by a fraction")
        call.result("Resize", call.input(), "", "", call.sizes(sizes), axes=(2, 3), **attributes)
        return
    wanted = tuple(int(size or 0) for size in after)
    exact = [size * factor for size, factor in zip(before, factors, strict=False) if size is not None]
    if not call.flag("align_corners") and any(not is_whole(one) for one in exact):
        raise Unwritable("its factors do not give whole sizes")
    call.result(
        "Resize", call.input(), "", "", call.whole(*wanted), axes=tuple(range(2, 2 + len(wanted))), **attributes
    )


def _factors(call: Call) -> tuple[float, ...]:
    given = call.arguments.get("scale_factors")
    if isinstance(given, Sequence):
        return tuple(float(one) for one in given)
    by_axis = [call.arguments.get(name) for name in ("scales_h", "scales_w")]
    return () if None in by_axis else tuple(float(one) for one in by_axis)  # type: ignore[arg-type]
