"""Models that ONNX Runtime has optimised for one machine, so that opening them skips the optimisation.

Such a model works on that kind of machine only: weights are laid out for the processor's vector units, and operators
are those of one version of ONNX Runtime. Its metadata says so, and other machines refuse it.
"""

from __future__ import annotations

import io
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from resdsl import protobuf
from resdsl.diagnostics import Diagnostic, Option, Text, catalogue
from resdsl.diagnostics.errors import UnavailableError
from resdsl.ir import metadata
from resdsl.runtime.captured_output import captured_output, simplified
from resdsl.runtime.device import Device
from resdsl.runtime.processor import processor
from resdsl.runtime.providers import onnx_runtime

_INLINE_BELOW = "1024"
_LARGEST_ENTRY = 2**20


def this_machine() -> dict[str, str]:
    """What an optimised model depends on: ONNX Runtime's version, the processor's architecture and vector units."""
    return {
        "onnxruntime": str(onnx_runtime().__version__),
        "device": "cpu",
        "machine": platform.machine(),
        "units": ", ".join(processor().features),
    }


def write_optimised(model: Path, target: Path, data: str) -> None:
    """Optimise the file ``model`` for this machine's processor and write the result to ``target``.

    Weights go to the file ``data`` beside ``target``, which is memory-mapped when the model is loaded; there is no such
    file if all weights are small. The metadata is kept, and must have a ``RUNTIME`` entry of ``this_machine()``
    already. Raises ``UnavailableError`` if ONNX Runtime cannot do it.
    """
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = os.fspath(target)
    prefix = "session.optimized_model_external_initializers_"
    options.add_session_config_entry(f"{prefix}file_name", data)
    options.add_session_config_entry(f"{prefix}min_size_in_bytes", _INLINE_BELOW)
    with captured_output() as captured:
        try:
            onnxruntime.InferenceSession(os.fspath(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # ONNX Runtime's exceptions have no other common base class.
            failure: str | None = simplified(str(error))
        else:
            failure = None
    if failure is not None:
        raise UnavailableError(
            Diagnostic(
                catalogue.MODEL_UNREADABLE,
                f"ONNX Runtime {onnxruntime.__version__} cannot optimise the model for this machine: {failure}",
                notes=tuple(captured.errors),
                helps=(Text("leave ", Option("for_runtime"), " out"),),
            )
        )


def made_for(model: Path | bytes) -> Mapping[str, str] | None:
    """The machine that a model was optimised for, from its metadata; ``None`` for any other file.

    Scans the file without loading it: weights are skipped.
    """
    try:
        with io.BytesIO(model) if isinstance(model, bytes) else model.open("rb") as stream:
            entries = protobuf.values_of(stream, protobuf.MODEL_METADATA, at_most=_LARGEST_ENTRY)
            text = next(
                (text for key, text in map(protobuf.string_entry, entries) if key == metadata.RUNTIME.key), None
            )
        machine = metadata.RUNTIME.read(text) if text else None
    except (OSError, ValueError, RecursionError):
        return None
    return None if machine is None else {key: str(value) for key, value in machine.items()}


def require_this_machine(made: Mapping[str, str], name: str, device: Device) -> None:
    """Raise ``UnavailableError`` unless a model was optimised for a machine like this one and ``device`` can run it.

    ``made`` is the result of ``made_for``; ``name`` is used in messages.
    """
    if device.kind not in ("auto", "cpu"):
        raise UnavailableError(
            Diagnostic(
                catalogue.OTHER_MACHINE,
                Text(
                    f"`{name}` was compiled for the CPU by ",
                    Option("for_runtime"),
                    f", and the requested device is `{device}`",
                ),
                helps=(
                    Text("compile its specification again without ", Option("for_runtime")),
                    Text(Option("device", "cpu"), " runs it"),
                ),
            )
        )
    here = this_machine()
    differences = [
        f"{what} {made.get(key) or 'unknown'}; this machine has {here[key] or 'none'}"
        for key, what in (
            ("onnxruntime", "ONNX Runtime"),
            ("machine", "the processor architecture"),
            ("units", "the vector extensions"),
        )
        if made.get(key) != here[key]
    ]
    if differences:
        raise UnavailableError(
            Diagnostic(
                catalogue.OTHER_MACHINE,
                Text(f"`{name}` was compiled for another machine by ", Option("for_runtime")),
                notes=tuple(f"it needs {difference}" for difference in differences),
                helps=(Text("compile its specification again, on this machine or without ", Option("for_runtime")),),
            )
        )
