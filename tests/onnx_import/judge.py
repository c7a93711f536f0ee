"""Judges the importer by one ONNX file: is it read, is it written as text, and does the text compute the same?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime

ROOT = Path(__file__).parents[2]
LIMIT = 600  # seconds for one command

# Counts opaque nodes by their operator; in a process of its own, as a file may exhaust time or memory.
_READ = """
import collections, json, sys
import resdsl
from resdsl.ops.opaque import Opaque
nodes = resdsl.load(sys.argv[1]).graph.nodes
operators = collections.Counter(n.operator.type for n in nodes if isinstance(n.operator, Opaque))
print(json.dumps({"nodes": len(nodes), "opaque": operators}))
"""


@dataclass
class Verdict:
    """What became of a file.

    ``opaque`` counts nodes by operators that the language lacks, or is None where the file was not read. ``lines`` are
    those of the text that aren't blank or comments, ``proved`` is the importer's own answer. ``deviation`` is found
    without it: the text is compiled with the written weights and run on the input that was kept with the file; the
    largest difference from ONNX Runtime's answer for the file, by the largest magnitude of that output. Where that is
    beyond the tolerance, ``unoptimized`` is the difference when ONNX Runtime changes neither model, as its optimiser
    makes other networks of some files.
    """

    opaque: dict[str, int] | None = None
    lines: int | None = None
    proved: bool = False
    deviation: float | None = None
    unoptimized: float | None = None
    error: str = ""

    @property
    def equal(self) -> bool:
        found = self.deviation if self.unoptimized is None else self.unoptimized
        return self.proved and found is not None and found <= TOLERANCE


# Of an output's largest magnitude. Float32 through 100 layers, summed in another order, stays below 1e-4.
TOLERANCE = 1e-3


def judge(file: Path) -> Verdict:
    verdict = Verdict()
    given = str(file.resolve())
    read = _run("-c", _READ, given)
    if isinstance(read, str) or read.returncode:
        verdict.error = _reason(read)
        return verdict
    verdict.opaque = json.loads(read.stdout)["opaque"]
    with TemporaryDirectory(prefix="coverage-") as folder:
        text, weights, compiled = (Path(folder) / name for name in ("net.res", "net.safetensors", "net.onnx"))
        imported = _run("-m", "resdsl", "import", given, "-o", str(text), "--weights-out", str(weights), "--json")
        verdict.proved = not isinstance(imported, str) and imported.returncode == 0
        if text.exists():
            lines = map(str.strip, text.read_text().splitlines())
            verdict.lines = sum(bool(line) and not line.startswith("#") for line in lines)
        if not verdict.proved:
            verdict.error = _reason(imported)
            return verdict
        again = _run("-m", "resdsl", "compile", str(text), "--weights", str(weights), "-o", str(compiled))
        if isinstance(again, str) or again.returncode:
            verdict.error = _reason(again)
        else:
            with np.load(file.with_suffix(".npz")) as kept:
                image, expected = kept["input"], [kept[name] for name in kept.files if name != "input"]
            verdict.deviation = _deviation(_answers(compiled, image), expected)
            if verdict.deviation > TOLERANCE:
                plain = (_answers(model, image, optimized=False) for model in (compiled, file))
                verdict.unoptimized = _deviation(*plain)
    return verdict


def _run(*arguments: str) -> subprocess.CompletedProcess[str] | str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    try:
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=LIMIT, env=environment, cwd=ROOT
        )
    except subprocess.TimeoutExpired:
        return f"took more than {LIMIT} s"


def _reason(result: subprocess.CompletedProcess[str] | str) -> str:
    """One line that says why a command failed: of its diagnostics the first, or of a traceback the last."""
    if isinstance(result, str):
        return result
    if result.stdout.startswith("{"):
        found = json.loads(result.stdout).get("diagnostics", [])
        return next((one["message"].partition(": ")[2] or one["message"] for one in found), "")[:160]
    lines = [line.strip() for line in (result.stderr.strip() or result.stdout.strip()).splitlines() if line.strip()]
    if any(line.startswith("Traceback") for line in lines):
        return f"traceback: {lines[-1][:160]}"
    error = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "")
    return error[:160] or f"exit status {result.returncode}"


def _answers(model: Path, image: np.ndarray, *, optimized: bool = True) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    channels = session.get_inputs()[0].shape[1]
    if channels != image.shape[1] and channels == image.shape[-1]:
        # The text of a file with channels last has them first.
        image = np.ascontiguousarray(np.moveaxis(image, -1, 1))
    return session.run(None, {session.get_inputs()[0].name: image})  # type: ignore[no-any-return]


def _deviation(answers: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The largest difference of an output, relative to the output's largest magnitude."""
    if [one.shape for one in answers] != [one.shape for one in expected]:
        return float("inf")
    pairs = zip(answers, expected, strict=True)
    return max(float(np.abs(one - other).max() / np.abs(other).max()) for one, other in pairs)
