"""``resdsl package``: what it writes is read by Triton's and KServe's own schemas, and says what the model says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from click.testing import CliRunner, Result
from google.protobuf import text_format  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from tritonclient.grpc import model_config_pb2  # type: ignore[import-untyped]

import resdsl
from resdsl.cli.app import app
from resdsl.diagnostics import RunError
from resdsl.tools.package.options import NAME, Serving
from resdsl.tools.package.render import service_name, triton_config
from resdsl.tools.package.schemas import check_manifest
from resdsl.tools.package.served import ServedModel, ServedPort

NETWORK = """\
model net(classes = 3) {
  input image: f32[N, 3, 16, 16]
  preprocess { resize(20); crop(16); normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25]) }
  labels ["cat", "small dog", "Ärmel"]
  conv1: conv(4, 3x3);  bn1: bn;  relu1: relu
  avgpool(global)
  flatten
  fc: linear(classes)
  output logits
}
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "net.res"
    path.write_text(NETWORK)
    return path


def config_of(folder: Path) -> Any:
    return text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def test_the_configuration_says_what_the_model_says(spec: Path, tmp_path: Path) -> None:
    done = run("package", spec, "--for", "triton", "-o", tmp_path / "models", "--check", "--max-batch", "8")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "models/net"
    graph = onnx.load(folder / "1/model.onnx").graph
    config = config_of(folder)
    assert config.name == "net" and config.backend == "onnxruntime" and config.max_batch_size == 8
    assert config.dynamic_batching.max_queue_delay_microseconds == 2000
    for ports, values in ((config.input, graph.input), (config.output, graph.output)):
        assert [port.name for port in ports] == [value.name for value in values]
        for port, value in zip(ports, values, strict=True):
            sizes = [one.dim_value for one in value.type.tensor_type.shape.dim]
            assert sizes[0] == 0 and list(port.dims) == sizes[1:]
            assert port.data_type == model_config_pb2.TYPE_FP32
    assert [port.label_filename for port in config.output] == ["labels.txt"] * len(config.output)
    assert (folder / "labels.txt").read_text() == "cat\nsmall dog\nÄrmel\n"
    assert "normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25])" in (folder / "config.pbtxt").read_text()
    assert [(one.batch_size, list(one.inputs["image"].dims)) for one in config.model_warmup] == [
        (1, [3, 16, 16]),
        (8, [3, 16, 16]),
    ]


def test_a_model_with_its_preprocessing_takes_bytes(spec: Path, tmp_path: Path) -> None:
    assert run("package", spec, "--for", "triton", "-o", tmp_path, "--embed-preprocess").exit_code == 0
    (port,) = config_of(tmp_path / "net").input
    assert port.data_type == model_config_pb2.TYPE_UINT8 and list(port.dims) == [-1, -1, 3]


def test_requests_of_a_model_with_a_fixed_batch_are_not_joined(spec: Path, tmp_path: Path) -> None:
    assert run("package", spec, "--for", "triton", "-o", tmp_path, "--input", "2,3,16,16").exit_code == 0
    config = config_of(tmp_path / "net")
    assert config.max_batch_size == 0 and not config.HasField("dynamic_batching")
    assert [list(port.dims) for port in (*config.input, *config.output)] == [[2, 3, 16, 16], [2, 3]]
    assert [one.batch_size for one in config.model_warmup] == [1]


@pytest.mark.parametrize(
    ("accelerator", "kind", "tensorrt"),
    [
        ("auto", "KIND_AUTO", False),
        ("cpu", "KIND_CPU", False),
        ("cuda", "KIND_GPU", False),
        ("tensorrt", "KIND_GPU", True),
    ],
)
def test_the_accelerator_is_that_of_the_instances(
    spec: Path, tmp_path: Path, accelerator: str, kind: str, tensorrt: bool
) -> None:
    options = ("--accelerator", accelerator, "--instances", "3", "--threads", "2")
    assert run("package", spec, "--for", "triton", "-o", tmp_path, *options).exit_code == 0
    config = config_of(tmp_path / "net")
    (group,) = config.instance_group
    assert group.kind == model_config_pb2.ModelInstanceGroup.Kind.Value(kind) and group.count == 3
    assert config.parameters["intra_op_thread_count"].string_value == "2"
    names = [one.name for one in config.optimization.execution_accelerators.gpu_execution_accelerator]
    assert names == (["tensorrt"] if tensorrt else [])


def test_a_version_is_added_and_never_replaced(spec: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    assert run("package", spec, "--for", "triton", "-o", models).exit_code == 0
    config, first = models / "net/config.pbtxt", models / "net/1/model.onnx"
    config.write_text("# edited\n" + config.read_text())
    before = first.read_bytes()
    again = run("package", spec, "--for", "triton", "-o", models, "--seed", "1")
    assert again.exit_code == 2 and "E0871" in again.output and first.read_bytes() == before
    second = run("package", spec, "--for", "triton", "-o", models, "--seed", "1", "--model-version", "2")
    assert second.exit_code == 0 and "config.pbtxt is kept" in second.stderr
    assert config.read_text().startswith("# edited\n") and (models / "net/2/model.onnx").read_bytes() != before
    third = run("package", spec, "--for", "triton", "-o", models, "--model-version", "3", "--replace")
    assert third.exit_code == 0 and not config.read_text().startswith("# edited")
    assert sorted(path.name for path in (models / "net").iterdir()) == ["1", "2", "3", "config.pbtxt", "labels.txt"]


def test_a_refused_model_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"nothing like a model")
    assert run("package", broken, "--for", "triton", "-o", tmp_path / "models").exit_code == 1
    assert not (tmp_path / "models").exists()


def test_weights_in_other_files_are_copied(spec: Path, tmp_path: Path) -> None:
    resdsl.compile(spec, tmp_path / "net.onnx", external_data=True)
    assert run("package", tmp_path / "net.onnx", "--for", "triton", "-o", tmp_path / "models").exit_code == 0
    image = np.random.default_rng(0).standard_normal((1, 3, 16, 16), np.float32)
    results = [
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(["logits"], {"image": image})[0]
        for path in (tmp_path / "net.onnx", tmp_path / "models/net/1/model.onnx")
    ]
    np.testing.assert_array_equal(*results)


def test_the_manifest_is_one_of_kserve(spec: Path, tmp_path: Path) -> None:
    options = ("--storage", "s3://bucket/a path: #1", "--replicas", "0-7", "--accelerator", "cuda", "--check")
    done = run("package", spec, "--for", "kserve", "-o", tmp_path / "out", "--name", "Net_2.b", *options)
    assert done.exit_code == 0, done.output
    manifest = yaml.safe_load((tmp_path / "out/inferenceservice.yaml").read_text())
    predictor = manifest["spec"]["predictor"]
    assert manifest["metadata"]["name"] == "net-2-b"
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (0, 7)
    assert predictor["model"]["storageUri"] == "s3://bucket/a path: #1"
    assert predictor["model"]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert (tmp_path / "out/models/Net_2.b/1/model.onnx").exists()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("minReplicas", "minReplica"), "minReplica"),
        (("maxReplicas: 4", "maxReplicas: many"), "maxReplicas"),
        (("scaleMetric: concurrency", "scaleMetric: latency"), "scaleMetric"),
        (("kind: InferenceService", "kind: Service"), "kind"),
        (("name: triton", "names: triton"), "modelFormat"),
    ],
)
def test_a_manifest_that_kserve_would_refuse_is_refused(
    spec: Path, tmp_path: Path, change: tuple[str, str], problem: str
) -> None:
    assert run("package", spec, "--for", "kserve", "-o", tmp_path, "--storage", "pvc://a").exit_code == 0
    text = (tmp_path / "inferenceservice.yaml").read_text()
    assert change[0] in text
    with pytest.raises(RunError, match=problem):
        check_manifest(text.replace(*change), "inferenceservice.yaml")


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True), st.lists(st.text(), max_size=3))
def test_any_name_is_quoted(names: list[str], labels: list[str]) -> None:
    names = [name.encode("utf-8", "replace").decode() for name in names]
    ports = [ServedPort(name, "TYPE_FP32", (3,)) for name in names]
    model = ServedModel("net", Path("x"), (), (ports[0],), (ports[1],), True, tuple(labels))
    config = text_format.Parse(triton_config(model, "net", Serving()), model_config_pb2.ModelConfig())
    assert [config.input[0].name, config.output[0].name] == names
    assert [list(one.inputs) for one in config.model_warmup] == [[names[0]]] * 2


@given(st.from_regex(NAME, fullmatch=True))
def test_a_name_of_a_model_is_one_of_a_service(name: str) -> None:
    service = service_name(name)
    assert 1 <= len(service) <= 63 and service == service.lower() and service.strip("-") == service


def test_values_that_are_no_tensors_are_refused(tmp_path: Path) -> None:
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])]
    listed = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("SequenceConstruct", ["x", "x"], ["y"])], "g", values, [listed])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "m.onnx")
    done = run("package", tmp_path / "m.onnx", "--for", "triton", "-o", tmp_path / "models")
    assert done.exit_code == 1 and "E0870" in done.output and not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--for", "kserve"), "--storage"),
        (("--for", "triton", "--storage", "s3://a"), "--storage is for kserve"),
        (("--for", "triton", "--name", "../up"), "'../up'"),
        (("--for", "triton", "--name", "a/b"), "'a/b'"),
        (("--for", "triton", "--model-version", "0"), "--model-version"),
        (("--for", "triton", "--max-delay", "nan"), "--max-delay"),
        (("--for", "kserve", "--storage", "s3://a", "--replicas", "4-1"), "4-1"),
        (("--for", "kserve", "--storage", "s3://a", "--replicas", "9" * 5000), "--replicas"),
    ],
)
def test_what_makes_no_package_is_a_usage_error(
    spec: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run("package", spec, "-o", tmp_path / "models", *arguments)
    assert done.exit_code == 2 and message in done.output and not (tmp_path / "models").exists()


@pytest.mark.parametrize("option", [("--embed-preprocess",), ("--weights", "w.npz"), ("--set", "classes=2")])
def test_options_of_specifications_are_refused_for_models(spec: Path, tmp_path: Path, option: tuple[str, ...]) -> None:
    resdsl.compile(spec, tmp_path / "net.onnx")
    done = run("package", tmp_path / "net.onnx", "--for", "triton", "-o", tmp_path / "models", *option)
    assert done.exit_code == 2 and "compiled already" in done.output


def test_a_check_without_the_schemas_says_what_to_install(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tritonclient.grpc", None)
    done = run("package", spec, "--for", "triton", "-o", tmp_path / "models", "--check")
    assert done.exit_code == 3 and "resdsl[package]" in done.output and not (tmp_path / "models").exists()


def test_the_result_as_data(spec: Path, tmp_path: Path) -> None:
    data = json.loads(run("package", spec, "--for", "triton", "-o", tmp_path / "models", "--json").stdout)
    assert data["name"] == "net" and data["version"] == 1 and data["kept"] == [] and not data["checked"]
    assert all(Path(file).is_file() for file in data["files"])
    assert sum(Path(file).stat().st_size for file in data["files"]) == data["bytes"]


def test_python_takes_what_the_command_takes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="letters"):
        Serving(name="a b")
    with pytest.raises(ValueError, match="0 is not from 1"):
        Serving(version=0)
    with pytest.raises(ValueError, match="gpu"):
        Serving(accelerator="gpu")  # type: ignore[arg-type]
    done = resdsl.package("resnet18", "triton", tmp_path, serving=Serving(name="r18", version=7))
    assert (tmp_path / "r18/7/model.onnx").stat().st_size > 46_000_000 and done.version == 7
