"""Nothing is imported while threads write: after an interrupt in the middle of it they would wait for ever."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SCRIPT = """
import importlib, sys
import resdsl

emit = importlib.import_module("resdsl.onnx.emit")
during = []
write = emit.write_in_place

def watched(*arguments):
    before = set(sys.modules)
    write(*arguments)
    during.extend(sorted(set(sys.modules) - before))

emit.write_in_place = watched
resdsl.compile("resnet18", "net.onnx", optimize={level}, precision="{precision}", {weights})
print(during)
"""


@pytest.mark.parametrize("precision", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("weights", ["", "weights='w.safetensors'"], ids=["random", "file"])
def test_threads_import_nothing(weights, level, precision, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if weights:
        import resdsl
        from resdsl.weights.save import save_weights

        resdsl.compile(resdsl.load("resnet18"), "start.onnx")
        save_weights("start.onnx", "w.safetensors")
    script = _SCRIPT.format(level=level, precision=precision, weights=weights)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
