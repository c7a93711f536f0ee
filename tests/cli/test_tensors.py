"""``resdsl tensors``: names, shapes and types of what a network, a model or a checkpoint holds."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import resdsl
from resdsl.cli.app import app

REFERENCE = Path(__file__).parents[1] / "reference" / "resnet18.json"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["tensors", *map(str, arguments)])


def test_a_networks_tensors_are_those_of_the_reference() -> None:
    expected: dict[str, list[int]] = json.loads(REFERENCE.read_text())["state_dict"]
    found = {tensor.name: list(tensor.shape) for tensor in resdsl.tensors("resnet18")}
    assert found == {name: shape for name, shape in expected.items() if not name.endswith("num_batches_tracked")}


def test_a_compiled_model_and_its_network_list_the_same_tensors(tmp_path: Path) -> None:
    resdsl.compile("resnet18", tmp_path / "m.onnx", init="zeros")
    network = {(tensor.name, tensor.shape, tensor.dtype) for tensor in resdsl.tensors("resnet18")}
    assert {(one.name, one.shape, one.dtype) for one in resdsl.tensors(str(tmp_path / "m.onnx"))} == network


def test_a_checkpoint_is_listed_in_its_own_types(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{"fc.weight": np.zeros((2, 3), np.float16), "fc.bias": np.zeros(2, np.int64)})
    result = run(tmp_path / "w.npz", "--json")
    assert {(one["name"], *one["shape"], one["dtype"]) for one in json.loads(result.stdout)} == {
        ("fc.weight", 2, 3, "float16"),
        ("fc.bias", 2, "int64"),
    }


def test_patterns_and_arguments_select() -> None:
    result = run("resnet18", "--match", "fc.*", "--set", "classes=7")
    assert result.exit_code == 0
    assert [line.split()[:3] for line in result.stdout.splitlines()[1:]] == [
        ["fc.weight", "[7,", "512]"],
        ["fc.bias", "[7]", "float32"],
    ]


@pytest.mark.parametrize("source", ["nosuch.pth", "nosuch.res", "hf:"])
def test_what_cannot_be_read_is_reported(source: str) -> None:
    result = run(source)
    assert result.exit_code in (1, 2)
    assert "error[E" in result.output
