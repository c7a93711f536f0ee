"""Sessions: the requested device or an error, and broken models of every kind."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import resdsl.runtime.providers as providers_module
import resdsl.runtime.session as session_module
from resdsl.diagnostics import Diagnostic
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.diagnostics.render import render
from resdsl.runtime.captured_output import captured_output, simplified
from resdsl.runtime.device import Driver, nvidia_driver, parse_device
from resdsl.runtime.session import Session, open_session

MakeModel = Callable[..., bytes]

without_gpu = pytest.mark.skipif(nvidia_driver().problem is None, reason="there is a GPU here")


def full_text(diagnostic: Diagnostic) -> str:
    return render([diagnostic])


def refusal(model: Path | bytes, device: str) -> UnavailableError:
    with pytest.raises(UnavailableError) as caught:
        open_session(model, device=device)
    return caught.value


@pytest.mark.parametrize(
    ("text", "device"),
    [("cpu", "cpu"), ("auto", "auto"), ("cuda", "cuda:0"), ("CUDA:1", "cuda:1"), ("tensorrt:2", "tensorrt:2")],
)
def test_devices_have_names(text: str, device: str) -> None:
    assert str(parse_device(text)) == device


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("gpu", "cuda"),
        ("cdua", "cuda"),
        ("cuda:x", "cuda"),
        ("cpu:0", "cpu"),
        ("trt", "tensorrt"),
        ("", None),
        ("tpu", "cpu"),
    ],
)
def test_an_unknown_name_is_reported_with_a_suggestion(text: str, near: str | None) -> None:
    with pytest.raises(RunError) as caught:
        parse_device(text)
    assert caught.value.diagnostic.code.id == "E0860"
    assert (f"did you mean `{near}`?" in caught.value.diagnostic.helps) == (near is not None)


def test_a_session_has_the_inputs_outputs_and_metadata_of_its_model(open_model: Callable[..., Session]) -> None:
    session = open_model(outputs=("logits", "probabilities"), metadata={"resdsl.name": "small"})
    (port,) = session.inputs
    assert (port.name, port.dtype, port.shape) == ("image", "tensor(float)", ("N", 3, "H", "W"))
    assert [port.name for port in session.outputs] == ["logits", "probabilities"]
    assert session.metadata == {"resdsl.name": "small"}
    assert session.providers == ("CPUExecutionProvider",)
    assert (str(session.device), session.reason) == ("cpu", "cpu was requested")


def test_a_path_may_be_a_string(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nosuch\.onnx"):
        open_session(str(tmp_path / "nosuch.onnx"))


def test_a_session_runs_by_names(open_model: Callable[..., Session]) -> None:
    session = open_model(outputs=("logits", "probabilities"))
    image = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)
    values = session.run({"image": image}, ["logits"])
    assert list(values) == ["logits"]
    np.testing.assert_allclose(values["logits"], image.mean(axis=(2, 3)))


@without_gpu
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "tensorrt"])
def test_a_device_that_cannot_be_used_is_refused_with_the_cause_and_the_fix(
    device: str, make_model: MakeModel, capfd: pytest.CaptureFixture[str]
) -> None:
    kind = device.split(":", maxsplit=1)[0]
    problem = refusal(make_model(), device)
    diagnostic = problem.diagnostic
    assert diagnostic.code.id == "E0861"
    assert diagnostic.message == f"the device `{parse_device(device)}` cannot be used"
    assert any(note.startswith("ONNX Runtime") for note in diagnostic.notes)
    assert any("NVIDIA driver" in note for note in diagnostic.notes)
    assert '`device="cpu"` runs it on the CPU' in diagnostic.helps
    if f"{kind}ExecutionProvider".lower() not in {name.lower() for name in onnxruntime.get_available_providers()}:
        assert any("pip install onnxruntime-gpu" in suggestion for suggestion in diagnostic.helps)
    # All that ONNX Runtime logs is in the diagnostic, and not on the terminal.
    assert capfd.readouterr() == ("", "")


@without_gpu
def test_auto_uses_the_processor_and_gives_the_reason(make_model: MakeModel, capfd: pytest.CaptureFixture[str]) -> None:
    session = open_session(make_model())
    assert str(session.device) == "cpu"
    assert session.providers == ("CPUExecutionProvider",)
    assert "NVIDIA driver" in session.reason or "without CUDA" in session.reason
    assert capfd.readouterr() == ("", "")


def fake_runtime(available: list[str], opened: list[str], error: str | None = None) -> SimpleNamespace:
    """ONNX Runtime on a machine of our choice: what its providers do when a GPU is asked for."""

    def open_native(
        model: bytes, options: object, *, providers: list[tuple[str, dict[str, str]]], enable_fallback: int
    ) -> object:
        assert enable_fallback == 0
        wants_gpu = providers[0][0] != "CPUExecutionProvider"
        if error and wants_gpu:
            raise RuntimeError(error)
        native = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return SimpleNamespace(
            get_providers=lambda: opened if wants_gpu else ["CPUExecutionProvider"],
            get_inputs=native.get_inputs,
            get_outputs=native.get_outputs,
            get_modelmeta=native.get_modelmeta,
        )

    return SimpleNamespace(
        __version__="9.9",
        SessionOptions=onnxruntime.SessionOptions,
        get_available_providers=lambda: available,
        InferenceSession=open_native,
    )


BROKEN = "[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from x failed:Protobuf parsing failed."
ALL = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
GPUS = Driver(gpus=("NVIDIA A", "NVIDIA B"))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[SimpleNamespace, Driver], None]:
    def become(runtime: SimpleNamespace, driver: Driver) -> None:
        monkeypatch.setattr(session_module, "onnx_runtime", lambda: runtime)
        for module in (session_module, providers_module):
            monkeypatch.setattr(module, "nvidia_driver", lambda: driver)

    return become


def test_auto_takes_a_gpu_that_works(machine: Callable[[SimpleNamespace, Driver], None], make_model: MakeModel) -> None:
    machine(fake_runtime(ALL, ["CUDAExecutionProvider", "CPUExecutionProvider"]), GPUS)
    session = open_session(make_model())
    assert (str(session.device), session.reason) == ("cuda:0", "found a GPU, NVIDIA A")


def test_auto_gives_the_reason_why_a_gpu_is_not_used(
    machine: Callable[[SimpleNamespace, Driver], None], make_model: MakeModel
) -> None:
    machine(fake_runtime(ALL, [], "CUDA failure 35: the driver is too old"), GPUS)
    session = open_session(make_model())
    assert str(session.device) == "cpu"
    assert "found a GPU, NVIDIA A, but" in session.reason
    assert "the driver is too old" in session.reason


def test_a_silent_fallback_to_the_processor_is_refused(
    machine: Callable[[SimpleNamespace, Driver], None], make_model: MakeModel
) -> None:
    machine(fake_runtime(ALL, ["CPUExecutionProvider"]), GPUS)
    assert "cannot be used" in full_text(refusal(make_model(), "cuda").diagnostic)


def test_a_missing_gpu_is_reported_with_the_available_ones(
    machine: Callable[[SimpleNamespace, Driver], None], make_model: MakeModel
) -> None:
    machine(fake_runtime(ALL, [], "CUDA failure 101: invalid device ordinal"), GPUS)
    shown = full_text(refusal(make_model(), "cuda:7").diagnostic)
    assert "invalid device ordinal" in shown
    assert "`cuda:0` (NVIDIA A), `cuda:1` (NVIDIA B)" in shown


def test_a_build_without_cuda_is_reported(
    machine: Callable[[SimpleNamespace, Driver], None], make_model: MakeModel
) -> None:
    machine(fake_runtime(["CPUExecutionProvider"], []), GPUS)
    assert "pip install onnxruntime-gpu" in full_text(refusal(make_model(), "cuda").diagnostic)
    assert open_session(make_model()).reason == "ONNX Runtime 9.9 is built without CUDA"


def test_a_broken_model_is_not_the_devices_fault(
    machine: Callable[[SimpleNamespace, Driver], None], make_model: MakeModel
) -> None:
    machine(fake_runtime(ALL, [], BROKEN), GPUS)
    with pytest.raises(RunError) as caught:
        open_session(make_model(), device="cuda")
    assert caught.value.diagnostic.code.id == "E0830"


def test_onnx_runtime_that_cannot_be_loaded_is_reported(monkeypatch: pytest.MonkeyPatch, make_model: MakeModel) -> None:
    model = make_model()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    problem = refusal(model, "cpu")
    assert problem.diagnostic.code.id == "E0862"
    assert any("pip install" in suggestion for suggestion in problem.diagnostic.helps)


@pytest.mark.parametrize(
    ("name", "content", "code", "suggestion"),
    [
        ("text.onnx", b"this is not a model", "E0830", "resdsl compile"),
        ("small.res", b"model small { }", "E0830", "this is a specification: compile it first"),
        ("empty.onnx", b"", "E0805", "create it again"),
        ("zeros.onnx", bytes(100), "E0830", "resdsl compile"),
    ],
)
def test_a_file_that_is_no_model_is_reported(
    name: str, content: bytes, code: str, suggestion: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        open_session(path, device="cpu")
    assert not isinstance(caught.value, UnavailableError)
    assert caught.value.diagnostic.code.id == code
    assert suggestion in full_text(caught.value.diagnostic)


def test_a_model_that_was_cut_off_is_reported(make_model: MakeModel) -> None:
    content = make_model()
    with pytest.raises(RunError) as caught:
        open_session(content[:-40], device="cpu")
    assert caught.value.diagnostic.code.id == "E0830"


def test_a_missing_model_is_reported_with_a_similar_file(tmp_path: Path, make_model: MakeModel) -> None:
    (tmp_path / "small.onnx").write_bytes(make_model())
    with pytest.raises(RunError) as caught:
        open_session(tmp_path / "smal.onnx", device="cpu")
    assert f"there is a file `{tmp_path / 'small.onnx'}`" in caught.value.diagnostic.helps


def test_a_model_from_the_future_asks_for_a_newer_runtime(make_model: MakeModel) -> None:
    model = onnx.load_from_string(make_model())
    model.ir_version = 200
    with pytest.raises(RunError) as caught:
        open_session(model.SerializeToString(), device="cpu")
    assert any("newer ONNX Runtime" in suggestion for suggestion in caught.value.diagnostic.helps)


def test_weights_that_are_not_beside_the_model_are_missed(tmp_path: Path, make_model: MakeModel) -> None:
    model = onnx.load_from_string(make_model(weight=np.ones((3, 500))))
    path = tmp_path / "small.onnx"
    onnx.save(model, path, save_as_external_data=True, location="small.onnx.data", size_threshold=0)
    (tmp_path / "small.onnx.data").unlink()
    with pytest.raises(RunError) as caught:
        open_session(path, device="cpu")
    assert any("put the file with its weights beside it" in suggestion for suggestion in caught.value.diagnostic.helps)


def test_a_model_of_an_unknown_operator_is_reported() -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    other = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Frobnicate", ["x"], ["y"])], "g", [value], [other])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(RunError) as caught:
        open_session(model.SerializeToString(), device="cpu")
    assert "Frobnicate" in caught.value.diagnostic.message


def test_an_input_of_another_size_fails_as_a_diagnostic(
    open_model: Callable[..., Session], capfd: pytest.CaptureFixture[str]
) -> None:
    session = open_model(shape=("N", 3, 8, 8))
    with pytest.raises(RunError) as caught:
        session.run({"image": np.zeros((1, 3, 9, 8), np.float32)})
    assert "Got: 9 Expected: 8" in caught.value.diagnostic.message
    assert capfd.readouterr() == ("", "")


def test_what_native_code_prints_is_caught(capfd: pytest.CaptureFixture[str]) -> None:
    with captured_output() as printed:
        print("from Python")
        os.write(
            2,
            b"\x1b[1;31m2026-01-31 12:00:00.123456789 [E:onnxruntime:Default, bridge.cc:2458 operator()] "
            b"/onnxruntime_src/onnxruntime/core/session/bridge.cc:2043 onnxruntime::Provider& "
            b"onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load libx.so\n\x1b[m\n"
            b"2026-01-31 12:00:00.123456790 [W:onnxruntime:Default, a.cc:1 f] only a warning\n",
        )
    assert capfd.readouterr() == ("", "")
    assert printed.text.startswith("from Python\n")
    assert printed.errors == ["Failed to load libx.so"]


def test_an_empty_message_still_gives_a_reason() -> None:
    assert simplified("") == "no reason was given"
