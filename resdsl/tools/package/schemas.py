"""Check what a package says: against Triton's protocol buffers and KServe's resource, and with hadolint."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from resdsl.diagnostics import RunError, UnavailableError, catalogue
from resdsl.untrusted import printable

_SCHEMA = Path(__file__).with_name("inferenceservice.schema.json")


def check_config(text: str, path: str) -> None:
    """Raise ``RunError`` unless ``text`` is a ``ModelConfig`` of Triton, as its Python client has it."""
    try:
        from google.protobuf import text_format  # type: ignore[import-untyped]
        from tritonclient.grpc import model_config_pb2  # type: ignore[import-untyped]
    except ImportError as error:
        raise _missing("tritonclient", error) from None
    try:
        text_format.Parse(text, model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        raise _invalid(path, str(error)) from None


def check_manifest(text: str, path: str) -> None:
    """Raise ``RunError`` unless ``text`` is an ``InferenceService`` of KServe, as its resource definition has it."""
    try:
        import jsonschema
        import yaml
    except ImportError as error:
        raise _missing("jsonschema and PyYAML", error) from None
    schema: dict[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    try:
        manifest = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _invalid(path, str(error)) from None
    problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(manifest))
    if problem is not None:
        raise _invalid(path, f"{problem.json_path}: {problem.message}")


def check_container_file(text: str, path: str) -> None:
    """Raise ``RunError`` unless ``text`` is a container build file in which hadolint finds nothing to change."""
    program = shutil.which("hadolint", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if program is None:
        raise _missing("hadolint", ImportError("there is no such program"))
    done = subprocess.run(
        [program, "--no-color", "-"], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise _invalid(path, (done.stdout or done.stderr).strip())


def _invalid(path: str, reason: str) -> RunError:
    return RunError.of(
        catalogue.PACKAGE_INVALID,
        f"`{path}` does not fit its published schema: {printable(reason, most=500)}",
        helps=("change the option that the message names",),
    )


def _missing(what: str, error: ImportError) -> UnavailableError:
    return UnavailableError.of(
        catalogue.EXTRA_NEEDED,
        f"checking a package needs {what}: {error}",
        helps=("run `pip install 'resdsl[package]'`",),
    )
