"""No module is imported while threads write: an interrupt during such an import would deadlock them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_SCRIPT = """
import json, os, sys, threading
import resdsl

os.cpu_count = lambda: 4  # one processor would need no threads
imported, started = [], []

class Watcher:
    # Asked for every module that is not loaded yet; it never finds one.
    def find_spec(self, name, path=None, target=None):
        if threading.active_count() > 1:
            imported.append(name)

class Thread(threading.Thread):
    def start(self):
        started.append(self.name)
        super().start()

threading.Thread = Thread
sys.meta_path.insert(0, Watcher())
resdsl.compile("resnet18", "net.onnx", optimize={level}, precision="{precision}", {weights})
print(json.dumps([imported, started]))
"""


@pytest.mark.parametrize("precision", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("weights", ["", "weights='w.safetensors'"], ids=["random", "file"])
def test_nothing_is_imported_while_threads_write(weights, level, precision, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if weights:
        import resdsl
        from resdsl.weights.save import save_weights

        resdsl.compile(resdsl.load("resnet18"), "start.onnx")
        save_weights("start.onnx", "w.safetensors")
    script = _SCRIPT.format(level=level, precision=precision, weights=weights)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported, started = json.loads(done.stdout)
    assert len(started) >= 2
    assert imported == []
