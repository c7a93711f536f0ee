"""For any change of a file, its reader returns tensors or a diagnostic, and nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.formats.open import open_checkpoint

DATA = Path(__file__).parent / "data"
WEIGHTS = {"conv.weight": np.ones((4, 3), np.float32), "conv.bias": np.arange(4, dtype=np.float16)}


def valid_files() -> dict[str, bytes]:
    files = {name: (DATA / name).read_bytes() for name in ("zip.pth", "legacy.pth", "views.pth", "training_legacy.pth")}
    files["w.safetensors"] = safetensors.numpy.save(WEIGHTS, {"source": "a test"})
    with tempfile.TemporaryDirectory() as folder:
        for name, save in (("stored.npz", np.savez), ("compressed.npz", np.savez_compressed)):
            path = Path(folder) / name
            save(path, **WEIGHTS)  # type: ignore[arg-type]
            files[name] = path.read_bytes()
    protos = [numpy_helper.from_array(value, name) for name, value in WEIGHTS.items()]
    model = onnx.helper.make_model(onnx.helper.make_graph([], "net", [], [], initializer=protos))
    files["m.onnx"] = model.SerializeToString()
    return files


FILES = valid_files()


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_file_gives_tensors_or_a_diagnostic(name: str, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(FILES[name])
    # Changes in headers and directories have an effect; most bytes are elements.
    place = st.integers(0, len(content) - 1)
    for position, byte in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), max_size=6)):
        content[position] = byte
    start, length = data.draw(st.tuples(place, st.integers(0, 8)))
    content[start : start + length] = data.draw(st.binary(max_size=8))
    path = tmp_path / name
    path.write_bytes(content)
    try:
        with open_checkpoint(path) as checkpoint:
            for key, info in checkpoint.tensors.items():
                assert checkpoint.read(key).shape == info.shape
    except CheckpointError as error:
        assert error.diagnostic.message and error.diagnostic.helps
