"""Int8 quantization: the output, the report, and what is rejected."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image
from skimage import data

import resdsl
from resdsl.compiler.models import Build
from resdsl.compiler.options import CompileOptions
from resdsl.diagnostics import CompileError, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.ir.types import DType
from resdsl.runtime.images import load_image
from resdsl.runtime.preprocess import prepare
from resdsl.tools.quantize.agreement import Distance
from resdsl.tools.quantize.calibration import spread
from resdsl.tools.quantize.quantize import Quantization, Quantized, quantize

TINY = """\
model tiny {
  input x: f32[N, 3, 32, 32]
  preprocess { resize(36);  crop(32);  normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25]) }
  conv1: conv(16, 3x3);  bn1: bn;  relu
  stage layer1 { unit: { residual { conv1: conv(16, 3x3);  bn1: bn;  relu;  conv2: conv(16, 3x3);  bn2: bn };  relu } }
  maxpool(2x2, stride = 2);  conv2: conv(24, 1x1);  relu
  avgpool(global);  flatten
  fc: linear(5)
  output logits
  softmax
  output probabilities
}
"""
PHOTOGRAPHS = ("chelsea", "astronaut", "coffee", "rocket", "colorwheel")


@pytest.fixture(scope="module", autouse=True)
def fast() -> Iterator[None]:
    """int8 is 1.5 times as fast: of networks of microseconds it would be another number in each run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resdsl.tools.quantize.quantize.gain", lambda *_: 1.5)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures: five photographs, whole and in part."""
    made = tmp_path_factory.mktemp("photographs")
    for name in PHOTOGRAPHS:
        image = Image.fromarray(getattr(data, name)())
        image.resize((80, 60)).save(made / f"{name}.png")
        image.crop((50, 50, 250, 200)).resize((60, 80)).save(made / f"{name}_part.png")
    return made


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spec") / "tiny.res"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def original(spec: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model in floating point, with folded batch norms."""
    path = tmp_path_factory.mktemp("original") / "float.onnx"
    resdsl.compile(resdsl.load(spec), path, optimize=1, seed=3)
    return path


@pytest.fixture(scope="module")
def made(original: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Quantized:
    """The model quantized by default."""
    return quantize(original, folder, tmp_path_factory.mktemp("int8") / "q.onnx")


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def logits(model: Path, image: Path) -> np.ndarray:
    """What ONNX Runtime makes of the prepared image, without anything of ours but the preparing."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    preprocess = resdsl.loads(TINY).graph.preprocess
    assert preprocess is not None
    (value,) = session.run(["logits"], {"x": prepare(load_image(image), preprocess)[None]})
    return np.asarray(value[0])


def test_the_report_is_of_the_images_held_back(original: Path, made: Quantized, folder: Path) -> None:
    assert (made.calibrated, made.outputs[0].images) == (8, 2)
    assert not made.problems
    # A fifth is held back, spread over all in the order of their names.
    held_back = spread(sorted(folder.iterdir()), 2)
    both = [(logits(original, image), logits(made.path, image)) for image in held_back]
    cosines = [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in both]
    assert made.outputs[0].output == "logits"
    assert made.outputs[0].cosine == pytest.approx(min(cosines), abs=1e-5)
    assert made.outputs[0].mean_cosine == pytest.approx(np.mean(cosines), abs=1e-5)
    assert made.outputs[0].agree == sum(int(a.argmax() == b.argmax()) for a, b in both)
    assert min(cosines) > 0.99
    middle = np.mean([a for a, _ in both], axis=0)
    apart = [
        float((a - middle) @ (b - middle) / np.linalg.norm(a - middle) / np.linalg.norm(b - middle)) for a, b in both
    ]
    assert made.outputs[0].centred == pytest.approx(np.mean(apart), abs=1e-3)
    noise = sum(float(((a - b) ** 2).sum()) for a, b in both)
    signal = sum(float((a**2).sum()) for a, _ in both)
    assert made.outputs[0].decibels == pytest.approx(10 * np.log10(signal / noise), abs=0.01)


def test_all_layers_are_reported_the_worst_first(made: Quantized) -> None:
    names = {"conv1", "layer1.unit.conv1", "layer1.unit.conv2", "conv2", "fc"}
    assert {layer.name for layer in made.layers} == names
    assert [layer.decibels for layer in made.layers] == sorted(layer.decibels for layer in made.layers)
    assert all(20 < layer.decibels < 70 and layer.cosine > 0.99 for layer in made.layers)
    assert all(layer.added >= 0 and not layer.kept for layer in made.layers)


def test_weights_are_bytes_and_classes_are_not(made: Quantized) -> None:
    model = onnx.load(made.path)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for name in ("conv1", "layer1.unit.conv2", "fc"):
        assert weights[f"{name}.weight_quantized"].data_type == onnx.TensorProto.INT8
    # One scale for each channel of the result.
    assert list(weights["conv2.weight_scale"].dims) == [24]
    producers = {output: node.op_type for node in model.graph.node for output in node.output}
    assert (producers["logits"], producers["probabilities"]) == ("Gemm", "Softmax")
    assert made.bytes == made.path.stat().st_size
    assert "BatchNormalization" not in operators(made.path)


def test_the_best_method_writes_the_file_of_the_method_that_it_chooses(
    original: Path, made: Quantized, folder: Path, tmp_path: Path
) -> None:
    chosen = made.chosen.recipe
    how = Quantization(chosen.keep, method=chosen.method, ranges=chosen.ranges, operators=chosen.operators)
    quantize(original, folder, tmp_path / "q.onnx", how=how)
    assert (tmp_path / "q.onnx").read_bytes() == made.path.read_bytes()


def test_the_result_has_the_metadata_of_the_original(original: Path, folder: Path, tmp_path: Path) -> None:
    quantize(original, folder, tmp_path / "q.onnx", how=Quantization(keep=("fc",), method="nearest"))
    entries, before = metadata(tmp_path / "q.onnx"), metadata(original)
    assert before.items() <= entries.items()
    assert entries["resdsl.precision"] == "int8"
    quantized = json.loads(entries["resdsl.quantized"])
    how = {"method": "nearest", "ranges": "minmax", "operators": "all", "target": "any"}
    assert quantized == {**how, "images": 8, "keep": ["fc"]}
    assert all(key.startswith("resdsl.") for key in entries)
    (row,) = resdsl.predict(tmp_path / "q.onnx", [folder / "chelsea.png"])
    assert type(row).__name__ == "Prediction"


def test_layers_that_are_kept_stay_in_floating_point(spec: Path, folder: Path, tmp_path: Path) -> None:
    made = quantize(spec, folder, tmp_path / "q.onnx", how=Quantization(keep=("layer1.*", "fc"), method="nearest"))
    assert {layer.name for layer in made.layers if layer.kept} == {"layer1.unit.conv1", "layer1.unit.conv2", "fc"}
    weights = {tensor.name for tensor in onnx.load(tmp_path / "q.onnx").graph.initializer}
    assert {"layer1.unit.conv1.weight", "fc.weight", "conv1.weight_quantized"} <= weights


def test_the_runtime_computes_kept_layers_in_floating_point(folder: Path, tmp_path: Path) -> None:
    text = TINY.replace(
        "maxpool(2x2, stride = 2);  conv2: conv(24, 1x1)", "conv2: conv(24, 1x1);  conv3: conv(24, 1x1)"
    )
    resdsl.compile(resdsl.loads(text), tmp_path / "m.onnx", optimize=1)
    how = Quantization(keep=("conv2",), method="nearest")
    made = quantize(tmp_path / "m.onnx", folder, tmp_path / "q.onnx", how=how)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(made.path), options, providers=["CPUExecutionProvider"])
    # Without precautions, ONNX Runtime quantizes the weights of this layer when it loads the model.
    loaded = operators(tmp_path / "loaded.onnx")
    assert (loaded["Conv"] + loaded["FusedConv"], loaded["QLinearConv"]) == (1, 4)


def test_biases_of_kept_layers_are_corrected_for_the_error_of_their_inputs(
    original: Path, folder: Path, tmp_path: Path
) -> None:
    name = "layer1.unit.conv2"
    made = quantize(original, folder, tmp_path / "q.onnx", how=Quantization(keep=(name,), method="nearest"))
    biases = []
    for path in (original, made.path):
        graph = onnx.load(path).graph
        layer = next(node for node in graph.node if node.name == name)
        tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        biases.append(tensors[layer.input[2]])
    assert 0 < np.abs(biases[0] - biases[1]).max() < 0.05


def test_the_layers_that_add_most_noise_can_be_kept(spec: Path, folder: Path, tmp_path: Path) -> None:
    before = quantize(spec, folder, tmp_path / "q.onnx", how=Quantization(method="minmax"))
    worst = {layer.name for layer in sorted(before.layers, key=lambda layer: -layer.added)[:2]}
    after = quantize(spec, folder, tmp_path / "q.onnx", how=Quantization(method="minmax", keep_worst=2))
    assert {layer.name for layer in after.layers if layer.kept} == worst


def test_batch_norms_are_folded_first_and_reported(spec: Path, folder: Path, tmp_path: Path) -> None:
    resdsl.compile(resdsl.load(spec), tmp_path / "O0.onnx")
    resdsl.compile(resdsl.load(spec), tmp_path / "O1.onnx", optimize=1)
    how = Quantization(method="nearest")
    as_written = quantize(tmp_path / "O0.onnx", folder, tmp_path / "a.onnx", how=how)
    folded = quantize(tmp_path / "O1.onnx", folder, tmp_path / "b.onnx", how=how)
    assert (as_written.folded, folded.folded) == (True, False)
    assert operators(tmp_path / "a.onnx") == operators(tmp_path / "b.onnx")


def test_a_model_that_takes_raw_images_is_calibrated_with_them(spec: Path, folder: Path, tmp_path: Path) -> None:
    resdsl.compile(resdsl.load(spec), tmp_path / "raw.onnx", optimize=1, embed_preprocess=True)
    made = quantize(tmp_path / "raw.onnx", folder, tmp_path / "q.onnx", how=Quantization(method="nearest"))
    assert made.outputs[0].cosine > 0.99
    assert onnx.load(tmp_path / "q.onnx").graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert not {"resdsl.preprocess"} & metadata(tmp_path / "q.onnx").keys()


SATURATING = """\
model saturating {
  input x: f32[N, 3, 16, 16]
  preprocess { resize(16, fit = exact);  normalize(mean = [0, 0, 0], std = [0.25, 0.25, 0.25]) }
  conv1: conv(16, 3x3);  relu
  conv2: conv(16, 3x3);  relu
  avgpool(global);  flatten
  fc: linear(5)
  output logits
}
"""


@pytest.fixture(scope="module")
def saturating(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose weights have one sign, so that sums of products are as large as they can be."""
    path = tmp_path_factory.mktemp("saturating") / "m.onnx"
    resdsl.compile(resdsl.loads(SATURATING), path)
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if len(tensor.dims) == 4:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.abs(onnx.numpy_helper.to_array(tensor)), tensor.name))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("target", ["any", "vnni"])
def test_the_result_is_never_worse_than_the_default_of_onnx_runtime(
    target: str, saturating: Path, folder: Path, tmp_path: Path
) -> None:
    made = quantize(saturating, folder, tmp_path / "q.onnx", how=Quantization(target=target))
    plain = quantize(saturating, folder, tmp_path / "p.onnx", how=Quantization(method="minmax"))
    assert {"conv1", "conv2"} <= set(plain.saturating)
    default = next(one for one in made.candidates if one.method == "minmax")
    assert target == "any" or made.chosen.score >= default.score
    if target == "any":
        assert made.saturating == () or made.chosen.method == "minmax"
        assert all(layer.kernel_steps is None or layer.kernel_steps <= 1.01 for layer in made.layers)
    assert made.outputs[0].mean_cosine >= plain.outputs[0].mean_cosine - 1e-4


@pytest.mark.parametrize("method", ["nearest", "gptq"])
def test_fitted_weights_have_less_error_of_quantization(
    method: str, saturating: Path, folder: Path, tmp_path: Path
) -> None:
    made = quantize(saturating, folder, tmp_path / "q.onnx", how=Quantization(method=method))
    assert made.chosen.method == method
    assert made.as_written[0].decibels > 20
    assert made.as_written[0].output == "logits"


def test_ranges_without_the_outermost_values(original: Path, folder: Path, tmp_path: Path) -> None:
    how = Quantization(method="nearest", ranges="percentile")
    made = quantize(original, folder, tmp_path / "q.onnx", how=how)
    plain = quantize(original, folder, tmp_path / "p.onnx", how=Quantization(method="nearest"))
    scales = []
    for one in (made, plain):
        tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(one.path).graph.initializer}
        scales.append({name: array for name, array in tensors.items() if name.endswith("_scale") and array.size == 1})
    smaller = [name for name, scale in scales[0].items() if scale < scales[1][name]]
    assert scales[0].keys() == scales[1].keys()
    assert smaller
    assert all(scale <= 1.001 * scales[1][name] for name, scale in scales[0].items())
    # Biases are in steps of the new scales: the graph as written and the int8 kernels, which imply them, agree.
    assert made.as_written[0].cosine > 0.99
    assert made.outputs[0].cosine > 0.99
    assert all(layer.kernel_steps is None or layer.kernel_steps <= 1.01 for layer in made.layers)


def lowest_before_activations(path: Path) -> list[float]:
    """The lower ends of the ranges of what convolutions give."""
    graph = onnx.load(path).graph
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layers = {node.output[0] for node in graph.node if node.op_type == "Conv"}
    quantizing = [node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] in layers]
    return [-float(tensors[node.input[1]]) * int(tensors[node.input[2]]) for node in quantizing]


def test_ranges_end_where_a_hard_swish_is_zero(folder: Path, tmp_path: Path) -> None:
    text = TINY.replace("conv1: conv(16, 3x3);  bn1: bn;  relu\n", "conv1: conv(16, 3x3);  hard_swish\n", 1)
    text = text.replace("std = [0.25, 0.25, 0.25]", "std = [0.05, 0.05, 0.05]")
    assert "hard_swish" in text
    resdsl.compile(resdsl.loads(text), tmp_path / "m.onnx", optimize=1)
    plain = quantize(tmp_path / "m.onnx", folder, tmp_path / "p.onnx", how=Quantization(method="minmax"))
    made = quantize(tmp_path / "m.onnx", folder, tmp_path / "q.onnx", how=Quantization(method="nearest"))
    assert min(lowest_before_activations(plain.path)) < -6
    before, *others = sorted(lowest_before_activations(made.path), key=lambda low: abs(low + 3))
    assert before == pytest.approx(-3, abs=0.1)
    assert others
    # What hard-swish cannot tell apart is no error of the layer.
    assert min(layer.decibels for layer in made.layers) > 25


def test_only_layers_in_int8(original: Path, folder: Path, tmp_path: Path) -> None:
    made = quantize(original, folder, tmp_path / "q.onnx", how=Quantization(method="nearest", operators="layers"))
    graph = onnx.load(made.path).graph
    dequantized = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    readers = {node.op_type for node in graph.node if {*node.input} & dequantized}
    assert {"Conv", "Gemm"} <= readers
    quantizing = {node.input[0]: node for node in graph.node if node.op_type == "QuantizeLinear"}
    pools = [node for node in graph.node if node.op_type == "GlobalAveragePool"]
    assert [node.output[0] in quantizing for node in pools] == [False]
    assert made.outputs[0].cosine > 0.99


def test_float16_models_are_refused(spec: Path, folder: Path, tmp_path: Path) -> None:
    resdsl.compile(resdsl.load(spec), tmp_path / "half.onnx", optimize=1, precision=DType.F16)
    with pytest.raises(RunError) as caught:
        quantize(tmp_path / "half.onnx", folder, tmp_path / "q.onnx")
    assert caught.value.diagnostic.code == catalogue.CALIBRATION
    assert "--precision" in caught.value.diagnostic.helps[0]


@pytest.mark.parametrize(
    "body",
    [
        "deconv: conv_transpose(8, 2x2, stride = 2);  relu;  conv1: conv(8, 3x3);  avgpool(global);  flatten",
        "conv1: conv(9, 3x3);  relu;  conv2: conv(9, 3x3, groups = 3, bias = false);  avgpool(global);  flatten",
        "avgpool(global);  flatten",
    ],
    ids=["conv_transpose", "grouped", "without convolutions"],
)
def test_unusual_models(body: str, folder: Path, tmp_path: Path) -> None:
    text = (
        "model m {\n  input x: f32[N, 3, 16, 16]\n  preprocess { resize(16, fit = exact) }\n"
        f"  {body}\n  fc: linear(5, bias = false)\n  output logits\n}}\n"
    )
    resdsl.compile(resdsl.loads(text), tmp_path / "m.onnx", optimize=1)
    made = quantize(tmp_path / "m.onnx", folder, tmp_path / "q.onnx")
    assert made.outputs[0].cosine > 0.98
    assert not [one for one in made.candidates if one.problem]
    assert made.gain == 1.5
    assert made.saturating == ()


@pytest.mark.parametrize("method", ["entropy", "percentile"])
def test_other_ways_to_find_ranges(method: str, spec: Path, folder: Path, tmp_path: Path) -> None:
    made = quantize(spec, folder, tmp_path / "q.onnx", how=Quantization(method=method, reduce_range=True))
    assert made.outputs[0].cosine > 0.98
    weights = {tensor.name: tensor for tensor in onnx.load(tmp_path / "q.onnx").graph.initializer}
    assert np.abs(onnx.numpy_helper.to_array(weights["conv1.weight_quantized"]).astype(int)).max() <= 64


def test_the_result_is_one_for_bytes_as_for_a_specification(spec: Path, folder: Path, tmp_path: Path) -> None:
    how = Quantization(method="nearest")
    quantize(spec, folder, tmp_path / "a.onnx", how=how, build=Build(CompileOptions(optimize=2, seed=5)))
    resdsl.compile(resdsl.load(spec), tmp_path / "float.onnx", optimize=2, seed=5)
    quantize(tmp_path / "float.onnx", folder, tmp_path / "b.onnx", how=how)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


# --- what is refused -------------------------------------------------------------------------------------------------


def test_a_pattern_that_fits_no_layer(spec: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        quantize(spec, folder, tmp_path / "q.onnx", how=Quantization(keep=("layer1.unit.conv3",)))
    assert caught.value.diagnostic.code == catalogue.UNKNOWN_LAYER
    assert caught.value.diagnostic.helps[0].startswith("did you mean `layer1.unit.conv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["quantised", "for one machine", "without layers", "no model"])
def test_models_that_cannot_be(how: str, spec: Path, made: Quantized, folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    if how == "quantised":
        model = made.path
    elif how == "for one machine":
        resdsl.compile(resdsl.load(spec), model, for_runtime=True)
    elif how == "without layers":
        resdsl.compile(resdsl.loads("model m {\n  input x: f32[N, 3, 8, 8]\n  relu\n  output y\n}\n"), model)
    else:
        model.write_bytes(b"no model")
    with pytest.raises(RunError) as caught:
        quantize(model, folder, tmp_path / "q.onnx")
    assert caught.value.diagnostic.code == (catalogue.MODEL_UNREADABLE if how == "no model" else catalogue.CALIBRATION)
    assert caught.value.diagnostic.helps
    assert not (tmp_path / "q.onnx").exists()


def test_unreadable_images_are_skipped_and_reported(spec: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    how = Quantization(method="minmax")
    made = quantize(spec, [tmp_path / "bad.png", folder], tmp_path / "q.onnx", how=how)
    assert [found.code for found in made.problems] == [catalogue.IMAGE_UNREADABLE]
    assert made.calibrated + made.outputs[0].images == 10


def test_too_few_images(spec: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        quantize(spec, [folder / "chelsea.png"], tmp_path / "q.onnx")
    assert caught.value.diagnostic.message.startswith("calibration needs at least 2 images")
    (tmp_path / "a.png").write_bytes(b"no image")
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(CompileError) as error:
        quantize(spec, [tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "q.onnx")
    assert {found.code for found in error.value.diagnostics} == {catalogue.IMAGE_UNREADABLE}


def test_a_distance_is_that_of_the_formula() -> None:
    a, b = np.float32([3, 4]), np.float32([3, 3])
    distance = Distance()
    distance.add(a, b)
    # Signal 25, noise 1; the angle between (3, 4) and (3, 3).
    assert distance.decibels == pytest.approx(10 * np.log10(25))
    assert distance.noise_ratio == pytest.approx(1 / 25)
    assert distance.cosine == pytest.approx(21 / (5 * 18**0.5))


def test_norms_of_pre_activation_blocks_cannot_be_folded_and_are_not_reported(folder: Path, tmp_path: Path) -> None:
    text = TINY.replace("residual {", "residual { norm: bn;  relu;  ")
    resdsl.compile(resdsl.loads(text), tmp_path / "m.onnx", optimize=1)
    assert operators(tmp_path / "m.onnx")["BatchNormalization"] == 1
    made = quantize(tmp_path / "m.onnx", folder, tmp_path / "q.onnx", how=Quantization(method="nearest"))
    assert not made.folded
