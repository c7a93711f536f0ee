"""Open sessions for an ONNX file or a specification."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resdsl.compiler.models import Build, Model, model_files
from resdsl.diagnostics import Option, Placeholder, RunError, Text, catalogue
from resdsl.diagnostics.suggest import closest
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.files import ModelFile
from resdsl.runtime.session import WEIGHTS_FOLDER, Session, open_session

if TYPE_CHECKING:
    from resdsl.onnx.outline import Outline

_MOST_NEAR = 3


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

    ``output`` is as for ``open_file``. Raises as ``open_file`` and ``model_files``.
    """
    with model_files([(model, build or Build())]) as (compiled,):
        yield open_file(compiled, device=device, threads=threads, output=output), compiled.file


def open_file(
    model: ModelFile, *, device: str | DeviceOptions = "auto", threads: int | None = None, output: str | None = None
) -> Session:
    """A session for an ONNX file.

    ``output`` can name an internal value of the model (``flatten``, ``layer3.5.add``) or a scope (``layer4``), whose
    result becomes another output. Raises ``RunError`` if there is no such value, and like ``open_session``.
    """
    session = open_session(model.file, device=device, threads=threads, name=model.name)
    if output is None or any(port.name == output for port in session.outputs):
        return session
    outline = _outline(model.file)
    if outline.result(output) is None:
        raise _no_such_value(model.name, outline, output)
    # For a model in memory, ONNX Runtime needs the folder of the weights file.
    entries = {WEIGHTS_FOLDER: os.fspath(model.file.resolve().parent)}
    exposed = outline.exposing([output])
    return open_session(exposed, device=device, threads=threads, name=model.name, entries=entries)


def last_features(model: ModelFile) -> str:
    """The value of which the last layer of a classifier makes the classes: the usual embedding.

    Raises ``RunError`` if the model has no such layer.
    """
    outline = _outline(model.file)
    classes = [name for name, shape in outline.outputs.items() if shape is not None and len(shape) == 2]
    named = [name for name in classes if name == "probabilities"]
    features = outline.features_of((named or classes or [""])[-1])
    if features is None:
        raise RunError.of(
            catalogue.NO_SUCH_OUTPUT,
            f"`{model.name}` has no last layer of which classes are made",
            helps=(
                Text("name the layer: ", Option("layer", Placeholder("NAME"))),
                f"the last values are {_quoted([*outline.values][-_MOST_NEAR:])}",
            ),
        )
    return features


def _outline(file: Path) -> Outline:
    from resdsl.onnx.outline import Outline  # imports onnx

    return Outline(file)


def _no_such_value(name: str, outline: Outline, output: str) -> RunError:
    candidates = list(dict.fromkeys([*outline.values, *outline.names, *outline.scopes]))
    near: list[str] = []
    while len(near) < _MOST_NEAR and (found := closest(output, candidates)):
        candidates.remove(found)
        if outline.result(found) is not None:
            near.append(found)
    flat = [value for value, made in outline.values.items() if made.op == "Flatten"][-1:]
    outputs = _quoted(value for value, made in outline.values.items() if made.is_output)
    return RunError.of(
        catalogue.NO_SUCH_OUTPUT,
        f"`{name}` has no output and no internal value named `{output}`",
        helps=(
            *((f"did you mean {' or '.join(f'`{one}`' for one in near)}?",) if near else ()),
            *((f"its features are `{flat[0]}`",) if flat and flat[0] not in near else ()),
            f"its outputs are {outputs}",
        ),
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
