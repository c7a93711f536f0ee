"""``resdsl export``, through the command line: where the code goes, ONNX files, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import onnx
import onnx.helper as make
import pytest
from click.testing import CliRunner, Result

import resdsl
from resdsl.cli.app import app

NETWORKS = Path(__file__).parents[1] / "importer" / "networks"

SMALL = """model small(classes = 4) {
  input x: f32[N, 3, 8, 8]
  conv: conv(8, 3x3);  bn: bn;  relu
  avgpool(global);  flatten
  fc: linear(classes)
  output y
}
"""


def run(*arguments: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.res"
    file.write_text(SMALL)
    return file


def test_the_code_is_printed_or_written(small: Path, tmp_path: Path) -> None:
    printed = run("export", small).stdout
    result = run("export", small, "-o", tmp_path / "net.py")
    assert (tmp_path / "net.py").read_text() == printed
    assert printed.startswith('"""Small, written by `resdsl export` from small.res."""\n')
    assert "lines, Small(classes=4)" in result.stderr
    assert not result.stdout


def test_options_of_other_commands_select_the_network(small: Path) -> None:
    small.write_text(f"{SMALL}\nmodel other() {{ input x: f32[N, 3, 8, 8]; c: conv(3, 3x3); output y }}\n")
    assert "class Other(nn.Module):" in run("export", small, "--model", "other").stdout
    assert "classes: int = 7" in run("export", small, "--model", "small", "--set", "classes=7").stdout
    assert "E0811" in run("export", small, status=1).output or "2 models" in run("export", small, status=1).output


def test_json_has_the_code_and_what_the_class_takes(small: Path) -> None:
    found = json.loads(run("export", small, "--json").stdout)
    assert found["model"] == "Small"
    assert found["arguments"] == {"classes": 4}
    assert "class Small(nn.Module):" in found["text"]


def test_the_output_is_a_file_of_python(small: Path, tmp_path: Path) -> None:
    assert ".py" in run("export", small, "-o", tmp_path / "net.onnx", status=2).stderr


def test_no_input_is_replaced(small: Path, tmp_path: Path) -> None:
    link = tmp_path / "net.py"
    link.hardlink_to(small)
    assert "E0817" in run("export", small, "-o", link, status=2).output
    assert small.read_text() == SMALL


def test_errors_of_the_text_are_reported_and_nothing_is_written(small: Path, tmp_path: Path) -> None:
    small.write_text(SMALL.replace("conv(8", "convv(8"))
    assert "E0202" in run("export", small, "-o", tmp_path / "net.py", status=1).output
    assert not (tmp_path / "net.py").exists()


@pytest.mark.parametrize("name", ["resnet18.plain", "shufflenet_v2_x1_0.dynamo"])
def test_an_onnx_file_is_exported_as_the_network_that_it_is(name: str, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(gzip.decompress((NETWORKS / f"{name}.onnx.gz").read_bytes()))
    # The code is proved against the graph of the file before it is given.
    text = resdsl.export(file).text
    assert "class " in text
    assert len(text.splitlines()) < 150


def test_operators_without_a_counterpart_are_listed(tmp_path: Path) -> None:
    nodes = [
        make.make_node("Sin", ["x"], ["a"]),
        make.make_node("Relu", ["a"], ["b"]),
        make.make_node("Cos", ["b"], ["y"]),
    ]
    values = [make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 8, 8]) for name in ("x", "y")]
    model = make.make_model(
        make.make_graph(nodes, "net", values[:1], values[1:]), opset_imports=[make.make_opsetid("", 18)]
    )
    file = tmp_path / "net.onnx"
    file.write_bytes(model.SerializeToString())
    output = run("export", file, status=1).output
    assert "E0852" in output
    assert "Sin" in output
    assert "Cos" in output
