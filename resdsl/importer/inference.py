"""What the onnx library does for the importer: types of values that the language does not have, and inlining."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from resdsl.diagnostics import CompileError
from resdsl.importer.parse import NotOnnx, parse_model
from resdsl.importer.records import Element, NodeRecord, TensorRecord, ValueRecord
from resdsl.importer.tensors import OnnxFile

_LARGEST_KEPT = 4_096
"""Bytes of a tensor that inference may need the numbers of (a shape)."""

_LARGEST_RESULT = 64_000_000
"""Bytes of a model without weights."""

_LONGEST = 60.0
"""Seconds that the process may take; its CPU time is bounded more tightly (``onnx_child.MOST_SECONDS``)."""


def infer_types(file: OnnxFile, inputs: Mapping[str, ValueRecord]) -> Mapping[str, ValueRecord]:
    """The types of all values, as far as inference finds them; none where it fails. ``inputs`` replace the file's."""
    inferred = from_onnx("infer", file.without_weights(_LARGEST_KEPT, inputs))
    if inferred is None:
        return {}
    try:
        model = parse_model(inferred)
    except NotOnnx:
        return {}
    return model.values | {output.name: output for output in model.outputs}


def inlined_nodes(file: OnnxFile) -> list[NodeRecord]:
    """The nodes of a file that defines operators of its own, with what those are in their place.

    They stay as they are where they would be too many, or use each other in a circle.
    """
    inlined = from_onnx("inline", file.without_weights(_LARGEST_KEPT, {}))
    if inlined is None:
        return file.model.nodes
    try:
        whole = OnnxFile(file.name, inlined)
    except CompileError:
        return file.model.nodes
    for node in whole.model.nodes:
        for name, value in node.attributes.items():
            if isinstance(value, TensorRecord):
                node.attributes[name] = _with_numbers(whole, value)
    return whole.model.nodes


def from_onnx(task: Literal["infer", "inline"], model: bytes) -> bytes | None:
    """What the onnx library makes of a model, in a process of bounded memory and time; ``None`` where it fails."""
    # Libraries of linear algebra take memory for each core.
    own = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **own, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", str(Path(__file__).with_name("onnx_child.py")), task]
    try:
        done = subprocess.run(
            command,
            input=model,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=_LONGEST,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 and len(done.stdout) <= _LARGEST_RESULT else None


def _with_numbers(file: OnnxFile, record: TensorRecord) -> TensorRecord:
    """A tensor that does not need the bytes of the file. Half-precision numbers are stored as their bits, not so."""
    numbers = None if record.element == Element.FLOAT16 else file.items(record)
    return record if numbers is None else replace(record, raw=None, numbers=numbers)
