"""Networks as PyTorch's exporters and the zoo of ONNX have them are read with no operator left over, and equal."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import onnx
import pytest

from resdsl.importer.network import read_network
from resdsl.importer.tensors import OnnxFile

from .models import deviation, random, read_model

_EXPORTS = {path.name.removesuffix(".onnx.gz"): path for path in (Path(__file__).parent / "networks").glob("*.gz")}
"""Networks of torchvision, timm and Keras without the numbers of their weights, which are drawn here."""

_LIGHT = {
    path.stem.removeprefix("light_"): path
    for path in (Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx")
}
"""Networks of the ONNX model zoo, with weights that are one number everywhere; part of the onnx package."""

_SMALL = (
    "densenet121.dynamo",
    "efficientnet_b0.plain",
    "googlenet.legacy",
    "keras_mobilenet_v2.tf2onnx",
    "mobilenet_v2.dynamo",
    "resnet18.plain",
    "shufflenet_v2_x1_0.dynamo",
)
"""Those of less than 50 MB."""

_PARAMETERS = {
    # Without batch norms' statistics: He et al. 2015; torchvision's documentation, tables of pre-trained weights.
    "resnet18.plain": 11_689_512,
    "inception_v3.plain": 23_834_568,
    "efficientnet_b0.plain": 5_288_548,
}


def test_the_networks_are_there() -> None:
    assert len(_EXPORTS) == 14
    assert len(_LIGHT) == 9


@pytest.mark.parametrize("name", _EXPORTS)
def test_an_exported_network_is_read_whole(name: str, tmp_path: Path) -> None:
    network = read_model(onnx.load_model_from_string(gzip.decompress(_EXPORTS[name].read_bytes())), tmp_path)
    assert not network.opaque
    if name in _PARAMETERS:
        assert network.graph.parameter_count == _PARAMETERS[name]


@pytest.mark.parametrize("name", _SMALL)
def test_an_exported_network_computes_the_same(name: str, tmp_path: Path) -> None:
    model = onnx.load_model_from_string(gzip.decompress(_EXPORTS[name].read_bytes()))
    _draw_weights(model)
    network = read_model(model, tmp_path)
    batch, *shape = network.graph.nodes[0].type.shape
    x = random("x", [batch if isinstance(batch, int) else 1, *(size for size in shape if isinstance(size, int))])
    if network.channels_last_input:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    assert deviation(network, model.SerializeToString(), x, tmp_path) < 1e-4


@pytest.mark.parametrize("name", _LIGHT)
def test_a_network_of_the_zoo_is_read_whole(name: str) -> None:
    network = read_network(OnnxFile.open(_LIGHT[name]))
    assert not network.opaque
    assert network.graph.macs > 50_000_000


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "inception_v1", "densenet121"])
def test_a_network_of_the_zoo_computes_the_same(name: str, tmp_path: Path) -> None:
    network = read_network(OnnxFile.open(_LIGHT[name]))
    x = random("x", [1, 3, 224, 224])
    assert deviation(network, _LIGHT[name].read_bytes(), x, tmp_path) < 1e-4


def _draw_weights(model: onnx.ModelProto) -> None:
    """Numbers that keep the values of a deep network within bounds, by the names of the tensors."""
    positive = {
        node.input[place] for node in model.graph.node if node.op_type == "BatchNormalization" for place in (1, 4)
    }
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or tensor.raw_data or tensor.float_data:
            continue
        generator = np.random.default_rng(zlib.crc32(tensor.name.encode()))
        shape = tuple(tensor.dims)
        if tensor.name in positive:
            values = generator.uniform(0.5, 1.0, shape)
        else:
            spread = 0.1 if len(shape) < 2 else (2 / np.prod(shape[1:])) ** 0.5
            values = spread * generator.standard_normal(shape)
        tensor.raw_data = values.astype(np.float32).tobytes()
