"""Open sessions for an ONNX file or a specification."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resdsl.compiler.models import Build, Model, model_files, name_of
from resdsl.diagnostics import RunError, catalogue
from resdsl.diagnostics.suggest import closest
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.session import WEIGHTS_FOLDER, Session, open_session


@contextmanager
def open_model(
    model: Model,
    *,
    device: str | DeviceOptions = "auto",
    threads: int | None = None,
    build: Build | None = None,
    output: str | None = None,
) -> Iterator[tuple[Session, Path]]:
    """A session for an ONNX file or a specification, and the model file; a compiled file is removed afterwards.

    ``output`` can name an internal value of the model (``flatten``, ``layer3.5.add``), which becomes another output.
    Raises ``RunError`` if there is no such value, and like ``open_session``.
    """
    name = name_of(model)
    with model_files([(model, build or Build())]) as (compiled,):
        session = open_session(compiled.file, device=device, threads=threads, name=name)
        if output is not None and all(port.name != output for port in session.outputs):
            # For a model in memory, ONNX Runtime needs the folder of the weights file.
            entries = {WEIGHTS_FOLDER: os.fspath(compiled.file.resolve().parent)}
            exposed = _exposing(compiled.file, name, output)
            session = open_session(exposed, device=device, threads=threads, name=name, entries=entries)
        yield session, compiled.file


def _exposing(file: Path, name: str, output: str) -> bytes:
    """The model with an internal value as an additional output."""
    from resdsl.onnx.expose import Outline  # imports onnx

    outline = Outline(file)
    if output not in outline.values:
        near = closest(output, outline.values)
        flat = [value for value, made in outline.values.items() if made.op == "Flatten"][-1:]
        outputs = ", ".join(f"`{value}`" for value, made in outline.values.items() if made.is_output)
        raise RunError.of(
            catalogue.NO_SUCH_OUTPUT,
            f"`{name}` has no output and no internal value named `{output}`",
            helps=(
                *((f"did you mean `{near}`?",) if near else ()),
                *((f"its features are `{flat[0]}`",) if flat and flat[0] != near else ()),
                f"its outputs are {outputs}",
            ),
        )
    return outline.exposing([output])
