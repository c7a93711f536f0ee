"""Models that ONNX Runtime has optimised for this machine: same results, faster start, only here."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import resdsl
from resdsl.diagnostics import CompileError, catalogue
from resdsl.diagnostics.errors import UnavailableError
from resdsl.ir.metadata import RUNTIME
from resdsl.runtime import optimised
from resdsl.runtime.optimised import made_for, this_machine
from resdsl.runtime.session import open_session

TEXT = """\
model net {
  input x: f32[N, 3, 16, 16]
  preprocess { resize(16, fit = exact) }
  conv1: conv(32, 3x3);  bn1: bn;  relu
  conv2: conv(32, 3x3);  bn2: bn;  relu
  avgpool(global);  flatten;  fc: linear(3)
  output logits
}
"""


def test_it_computes_the_same_and_records_its_machine(tmp_path: Path) -> None:
    resdsl.compile(resdsl.loads(TEXT), tmp_path / "plain.onnx")
    made = resdsl.compile(resdsl.loads(TEXT), tmp_path / "fast.onnx", for_runtime=True)
    assert made.data_path is not None
    assert {file.name for file in tmp_path.iterdir()} == {"plain.onnx", "fast.onnx", made.data_path.name}
    assert made.bytes == (tmp_path / "fast.onnx").stat().st_size + made.data_path.stat().st_size
    plain = open_session(tmp_path / "plain.onnx", device="cpu")
    fast = open_session(tmp_path / "fast.onnx")
    assert (str(fast.device), fast.reason) == ("cpu", "the model was compiled for this machine's CPU")
    assert plain.metadata.items() <= fast.metadata.items()
    assert json.loads(fast.metadata[RUNTIME.key]) == this_machine()
    x = np.random.Generator(np.random.PCG64(1)).standard_normal((2, 3, 16, 16)).astype(np.float32)
    expected = plain.run({"x": x})["logits"]
    np.testing.assert_allclose(fast.run({"x": x})["logits"], expected, atol=1e-5 * np.abs(expected).max())


def test_nothing_is_left_to_optimise(tmp_path: Path) -> None:
    resdsl.compile(resdsl.loads(TEXT), tmp_path / "m.onnx", for_runtime=True)
    operators = [node.op_type for node in onnx.load(tmp_path / "m.onnx", load_external_data=False).graph.node]
    assert "BatchNormalization" not in operators
    assert "Relu" not in operators  # a part of the convolutions


def test_a_new_pair_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    first = resdsl.compile(resdsl.loads(TEXT), tmp_path / "m.onnx", for_runtime=True, seed=1)
    second = resdsl.compile(resdsl.loads(TEXT), tmp_path / "m.onnx", for_runtime=True, seed=2)
    assert first.data_path != second.data_path
    assert {file.name for file in tmp_path.iterdir()} == {"m.onnx", second.data_path.name if second.data_path else ""}
    again = resdsl.compile(resdsl.loads(TEXT), tmp_path / "m.onnx", for_runtime=True, seed=2)
    assert again.data_path == second.data_path


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resdsl.compile(resdsl.loads(TEXT), tmp_path / "m.onnx", for_runtime=True, seed=1)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("resdsl.compiler.for_runtime.write_optimised", fail)
    with pytest.raises(KeyboardInterrupt):
        resdsl.compile(resdsl.loads(TEXT), tmp_path / "m.onnx", for_runtime=True, seed=2)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("target", ["stream", "/dev/null", "-"])
def test_it_needs_a_file_to_lie_beside(target: str) -> None:
    with pytest.raises(CompileError) as caught:
        resdsl.compile(resdsl.loads(TEXT), io.BytesIO() if target == "stream" else target, for_runtime=True)
    assert [found.code for found in caught.value.diagnostics] == [catalogue.SIDE_FILE]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("onnxruntime", "it needs ONNX Runtime other; this machine has "),
        ("machine", "it needs the processor architecture other; this machine has "),
        ("units", "it needs the vector extensions other; this machine has "),
    ],
)
def test_on_another_machine_it_is_refused(
    entry: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {**this_machine(), entry: "other"}
    with monkeypatch.context() as there:
        there.setattr("resdsl.compiler.for_runtime.this_machine", lambda: other)
        resdsl.compile(resdsl.loads(TEXT), tmp_path / "m.onnx", for_runtime=True)
    with pytest.raises(UnavailableError) as caught:
        open_session(tmp_path / "m.onnx")
    assert caught.value.diagnostic.code == catalogue.OTHER_MACHINE
    (note,) = caught.value.diagnostic.notes
    assert note.startswith(expected)


@pytest.mark.parametrize("device", ["cuda", "tensorrt:1"])
def test_another_device_is_refused(device: str, tmp_path: Path) -> None:
    resdsl.compile(resdsl.loads(TEXT), tmp_path / "m.onnx", for_runtime=True)
    with pytest.raises(UnavailableError, match="was compiled for the CPU") as caught:
        open_session(tmp_path / "m.onnx", device=device)
    assert "`--device cpu` runs it" in caught.value.diagnostic.helps


def test_metadata_is_found_without_loading_and_other_files_have_none(tmp_path: Path) -> None:
    model = onnx.ModelProto(producer_name="x" * 200, ir_version=10)
    model.graph.initializer.add(name="w", raw_data=b"\x07" * 5000, data_type=onnx.TensorProto.UINT8, dims=[5000])
    model.metadata_props.add(key="other", value="{}")
    assert made_for(model.SerializeToString()) is None
    model.metadata_props.add(key=RUNTIME.key, value='{"onnxruntime": "1", "device": "cpu"}')
    assert made_for(model.SerializeToString()) == {"onnxruntime": "1", "device": "cpu"}
    path = tmp_path / "m.onnx"
    for content in (b"", b"no model", b"\xff" * 100, b"\x72\xff\xff\xff\xff\x7f", b"\x72\x04\x12\x02{}", b"\x3a\x80"):
        path.write_bytes(content)
        assert made_for(path) is None
    assert made_for(tmp_path / "absent") is None


@pytest.mark.parametrize("text", ["[]", "no json", "[" * 10_000, '"cpu"', ""])
def test_an_entry_of_another_form_is_none(text: str) -> None:
    model = onnx.ModelProto(ir_version=10)
    model.metadata_props.add(key=RUNTIME.key, value=text)
    assert optimised.made_for(model.SerializeToString()) is None
