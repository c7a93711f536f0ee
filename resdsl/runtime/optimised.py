"""Models as ONNX Runtime makes them for one machine: optimised once, so that loading them takes no time.

What makes them fast makes them local: weights are laid out for the processor's vector units, and operators are those
of one version of ONNX Runtime. The model says so in its metadata, and is refused elsewhere.
"""

from __future__ import annotations

import io
import json
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from resdsl.diagnostics import Diagnostic, Option, Text, catalogue
from resdsl.diagnostics.errors import UnavailableError
from resdsl.runtime.device import Device
from resdsl.runtime.processor import processor
from resdsl.runtime.providers import onnx_runtime
from resdsl.runtime.quiet import capture, in_plain_words

KEY = "resdsl.runtime"
"""Where a model's metadata says what it was made for, as JSON; other models have no such entry."""

_INLINE_BELOW = "1024"
_METADATA_FIELD = 14  # ModelProto.metadata_props, from onnx.proto
_LARGEST_ENTRY = 2**20


def this_machine() -> dict[str, str]:
    """What an optimised model depends on: the version of ONNX Runtime, the processor's kind and its vector units."""
    return {
        "onnxruntime": str(onnx_runtime().__version__),
        "device": "cpu",
        "machine": platform.machine(),
        "units": ", ".join(processor().features),
    }


def write_optimised(model: Path, target: Path, data: str) -> None:
    """Write what ONNX Runtime makes of the file ``model`` for this machine's processor to ``target``.

    Its weights go to the file called ``data`` beside ``target``, which is mapped into memory when the model is loaded
    rather than read; there is no such file where all weights are small. The metadata stays, and must say
    ``this_machine()`` under ``KEY`` already. Raises ``UnavailableError`` where ONNX Runtime cannot do it.
    """
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = os.fspath(target)
    prefix = "session.optimized_model_external_initializers_"
    options.add_session_config_entry(f"{prefix}file_name", data)
    options.add_session_config_entry(f"{prefix}min_size_in_bytes", _INLINE_BELOW)
    with capture() as printed:
        try:
            onnxruntime.InferenceSession(os.fspath(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # ONNX Runtime's exceptions have no common base but this one.
            failure: str | None = in_plain_words(str(error))
        else:
            failure = None
    if failure is not None:
        raise UnavailableError(
            Diagnostic(
                catalogue.MODEL_UNREADABLE,
                f"ONNX Runtime {onnxruntime.__version__} cannot optimise the model for this machine: {failure}",
                notes=tuple(printed.errors),
                helps=(Text("leave ", Option("for_runtime"), " out"),),
            )
        )


def made_for(model: Path | bytes) -> Mapping[str, str] | None:
    """What the metadata of a model says it was optimised for; ``None`` for any other file.

    The file is not loaded: its weights are stepped over.
    """
    try:
        with io.BytesIO(model) if isinstance(model, bytes) else model.open("rb") as stream:
            text = next((text for key, text in _entries(stream) if key == KEY), None)
        said = json.loads(text) if text else None
    except (OSError, ValueError, RecursionError):
        return None
    return {str(key): str(value) for key, value in said.items()} if isinstance(said, dict) else None


def require_this_machine(made: Mapping[str, str], name: str, device: Device) -> None:
    """Raise ``UnavailableError`` unless a model was made for a machine like this and for the ``device`` asked for.

    ``made`` is what ``made_for`` gave, ``name`` what messages call the model.
    """
    if device.kind not in ("auto", "cpu"):
        raise UnavailableError(
            Diagnostic(
                catalogue.OTHER_MACHINE,
                Text(f"`{name}` was made for the CPU by ", Option("for_runtime"), f", and `{device}` was requested"),
                helps=(
                    Text("compile its specification again without ", Option("for_runtime")),
                    Text(Option("device", "cpu"), " runs it"),
                ),
            )
        )
    here = this_machine()
    differences = [
        f"{what} {made.get(key) or 'unknown'}, and this machine has {here[key] or 'none'}"
        for key, what in (
            ("onnxruntime", "ONNX Runtime"),
            ("machine", "a processor of the kind"),
            ("units", "the vector units"),
        )
        if made.get(key) != here[key]
    ]
    if differences:
        raise UnavailableError(
            Diagnostic(
                catalogue.OTHER_MACHINE,
                Text(f"`{name}` was made for another machine by ", Option("for_runtime")),
                notes=tuple(f"it is for {difference}" for difference in differences),
                helps=(Text("compile its specification again, here or without ", Option("for_runtime")),),
            )
        )


def _entries(stream: BinaryIO) -> Iterator[tuple[str, str]]:
    """The metadata of an ONNX file. Protobuf is fields one after another, each with its length; others are skipped.

    Raises ``ValueError`` for what is not protobuf.
    """
    while (key := _varint(stream)) is not None:
        field, wire = key >> 3, key & 7
        if wire == 0:
            _varint(stream)
        elif wire == 1:
            stream.seek(8, os.SEEK_CUR)
        elif wire == 5:
            stream.seek(4, os.SEEK_CUR)
        elif wire == 2:
            length = _varint(stream) or 0
            if field == _METADATA_FIELD and length <= _LARGEST_ENTRY:
                yield _entry(stream.read(length))
            else:
                stream.seek(length, os.SEEK_CUR)
        else:
            raise ValueError("not protobuf")


def _entry(message: bytes) -> tuple[str, str]:
    """Key and value of a ``StringStringEntryProto``."""
    stream = io.BytesIO(message)
    texts = {1: "", 2: ""}
    while (key := _varint(stream)) is not None:
        texts[key >> 3] = stream.read(_varint(stream) or 0).decode(errors="replace")
    return texts[1], texts[2]


def _varint(stream: BinaryIO) -> int | None:
    """Seven bits a byte, the lowest first; ``None`` at the end of the file."""
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            if shift:
                raise ValueError("cut off")
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("not protobuf")
