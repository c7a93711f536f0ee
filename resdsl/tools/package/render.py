"""The files of a package as text, from templates whose comments explain every field."""

from __future__ import annotations

import math
import re
import sys
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from resdsl.tools.package.options import Accelerator, Serving
from resdsl.tools.package.pins import pins
from resdsl.tools.package.served import ServedModel, ServedPort
from resdsl.version import __version__

_KINDS = {
    Accelerator.AUTO: "KIND_AUTO",
    Accelerator.CPU: "KIND_CPU",
    Accelerator.CUDA: "KIND_GPU",
    Accelerator.TENSORRT: "KIND_GPU",
}

_WARM_SIDE = 224
"""The side of an image that warms a model up which takes any size."""

_LONGEST_SERVICE = 63
"""Characters of the name of a service in Kubernetes (RFC 1123)."""


def triton_config(model: ServedModel, name: str, serving: Serving) -> str:
    """``config.pbtxt`` of a model."""
    return _environment().get_template("config.pbtxt.jinja").render(
        model=model,
        name=name,
        serving=serving,
        kind=_KINDS[serving.accelerator],
        delay=round(serving.max_delay_ms * 1000),
        warmups=_warmups(model, serving),
    )  # fmt: skip


def kserve_manifest(model: ServedModel, name: str, serving: Serving) -> str:
    """``inferenceservice.yaml``, for a package whose folder ``models`` is at ``serving.storage``."""
    stored = sum(path.stat().st_size for path in (model.file, *model.beside))
    # Powers of two: what nodes have.
    memory = 2 ** max(0, math.ceil(math.log2((2 * stored * serving.instances + 2**30) / 2**30)))
    return _environment().get_template("inferenceservice.yaml.jinja").render(
        model=model,
        name=name,
        service=service_name(name),
        serving=serving,
        gpu=serving.accelerator in {Accelerator.CUDA, Accelerator.TENSORRT},
        cpus=str((serving.threads or 2) * serving.instances),
        memory=f"{memory}Gi",
        megabytes=math.ceil(stored / 10**6),
    )  # fmt: skip


def container_files(name: str, serving: Serving) -> dict[str, str]:
    """The files of a container image by their names, for a folder whose model repository is ``models``."""
    command = ["/srv/models", "--host", "0.0.0.0", "--log", "json", "--drain", "30"]
    command += ["--max-batch", str(serving.max_batch), "--max-delay", f"{serving.max_delay_ms:g}"]
    command += ["--instances", str(serving.instances)]
    if serving.threads:
        command += ["--threads", str(serving.threads)]
    if serving.accelerator is not Accelerator.AUTO:
        command += ["--device", str(serving.accelerator)]
    resdsl = f"./wheels/{serving.wheel.name}[serve]" if serving.wheel else f"resdsl[serve]=={__version__}"
    facts = {
        "image": service_name(name),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "wheel": serving.wheel is not None,
        "command": command,
        "resdsl": resdsl,
        "libraries": pins("serve", with_cuda=serving.accelerator is Accelerator.CUDA),
    }
    names = {"Dockerfile": "Dockerfile", "requirements.txt": "requirements.txt", ".dockerignore": "dockerignore"}
    return {file: _environment().get_template(f"{template}.jinja").render(facts) for file, template in names.items()}


def service_name(name: str) -> str:
    """The name as Kubernetes takes it: ``resnet50.v1`` is ``resnet50-v1``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:_LONGEST_SERVICE].strip("-")


def label_lines(model: ServedModel) -> str:
    """``labels.txt``: one label on each line."""
    return "".join(f"{' '.join(label.split())}\n" for label in model.labels)


def _warmups(model: ServedModel, serving: Serving) -> list[int]:
    """The sizes of batches to warm up with. Triton makes no texts up."""
    if any(port.type == "TYPE_STRING" for port in model.inputs):
        return []
    return sorted({1, serving.max_batch}) if model.takes_batches else [1]


def _warm_sizes(port: ServedPort) -> tuple[int, ...]:
    return tuple(_WARM_SIDE if size < 0 else size for size in port.sizes)


def _quoted(text: str) -> str:
    """A string of protobuf's text format."""
    escaped = "".join(
        _escape(byte) if byte < 0x20 or byte > 0x7E or byte in b'"\\' else chr(byte) for byte in text.encode()
    )
    return f'"{escaped}"'


def _escape(byte: int) -> str:
    return f"\\{byte:03o}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        # No file is HTML: filters quote the names.
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted"] = _quoted
    environment.filters["warm_sizes"] = _warm_sizes
    return environment
