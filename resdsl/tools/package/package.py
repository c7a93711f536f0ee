"""Folders from which servers run a model: a Triton model repository, alone or with what KServe or Docker needs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resdsl.compiler.models import Build, Model
from resdsl.diagnostics import RunError, catalogue
from resdsl.diagnostics.errors import OutputError
from resdsl.files import explained, temporary_folder, write_file
from resdsl.runtime.files import require_file
from resdsl.tools.package.options import NAME, Accelerator, Platform, Serving
from resdsl.tools.package.render import container_files, kserve_manifest, label_lines, triton_config
from resdsl.tools.package.schemas import check_config, check_container_file, check_manifest
from resdsl.tools.package.served import ServedModel, served_model


@dataclass(frozen=True, slots=True)
class Packaged:
    """``files`` were written, all below ``folder``; ``kept`` were there. ``name`` is that of the model in requests."""

    name: str
    version: int
    folder: Path
    files: tuple[Path, ...]
    kept: tuple[Path, ...]
    bytes: int
    checked: bool


def package(
    model: Model,
    platform: str | Platform,
    output: str | os.PathLike[str],
    *,
    serving: Serving | None = None,
    build: Build | None = None,
    check: bool = False,
    replace: bool = False,
) -> Packaged:
    """Write a folder from which Triton, KServe or ``resdsl serve`` in a container serves ``model``.

    It is an ONNX file or a network as for ``resdsl.load``.

    ``output`` may be a folder of packages already: another model or another version is added to it, and a server that
    polls the folder sees the new version when it is complete. Configurations and manifests that are there are kept,
    since people edit them, unless ``replace``. The folder for Triton is a model repository; for KServe and containers
    it has one in ``models``, and the manifest or build file beside it. ``check`` validates these with the published
    schemas and hadolint before they are written; it needs ``resdsl[package]``.

    Raises ``OutputError`` if this version of the model is there already or cannot be written, ``RunError`` if the model
    cannot be served, ``UnavailableError`` without what ``check`` needs, and like ``resdsl.compile``.
    """
    platform, serving, folder = Platform(platform), serving or Serving(), Path(output)
    if platform is Platform.DOCKER:
        _require_image(serving)
    with served_model(model, build or Build()) as served:
        name = serving.name or _name(served.name)
        texts = {f"{name}/config.pbtxt": triton_config(served, name, serving)}
        if served.labels:
            texts[f"{name}/labels.txt"] = label_lines(served)
        if platform is not Platform.TRITON:
            texts = {f"models/{path}": text for path, text in texts.items()}
        if platform is Platform.KSERVE:
            texts["inferenceservice.yaml"] = kserve_manifest(served, name, serving)
        elif platform is Platform.DOCKER:
            texts |= container_files(name, serving)
        if check:
            _check(texts)
        repository = folder if platform is Platform.TRITON else folder / "models"
        kept = tuple(folder / path for path in texts if not replace and (folder / path).exists())
        target = repository / name / str(serving.version)
        with _new_version(target, name, serving.version) as version:
            copied = _copy(served, version)
            for path, text in texts.items():
                if folder / path not in kept:
                    write_file(folder / path, text.encode())
            wheels = _copy_wheel(serving.wheel, folder / "wheels") if platform is Platform.DOCKER else ()
    written = (folder / path for path in texts if folder / path not in kept)
    made = (*written, *wheels, *(target / file for file in copied))
    return Packaged(name, serving.version, folder, made, kept, sum(file.stat().st_size for file in made), check)


def _name(stated: str) -> str:
    """The name of a network as that of a folder."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", stated).strip("-._")[:63].rstrip("-._")
    return plain if NAME.fullmatch(plain) else "model"


def _require_image(serving: Serving) -> None:
    """Raise ``RunError`` for what an image of ours cannot have."""
    if serving.accelerator is Accelerator.TENSORRT:
        raise RunError.of(
            catalogue.NOT_SERVED,
            "TensorRT is not among the libraries of an image for `resdsl serve`",
            helps=("use `--accelerator cuda`, or `--for triton`",),
        )
    if serving.wheel is not None:
        require_file(serving.wheel, "a wheel", regular=True)
        if not serving.wheel.name.startswith("resdsl-") or serving.wheel.suffix != ".whl":
            raise RunError.of(
                catalogue.NOT_SERVED,
                f"`{serving.wheel}` is no wheel of resdsl",
                helps=("make one in a clone of it: `pip wheel --no-deps -w wheels .`",),
            )


def _copy_wheel(wheel: Path | None, folder: Path) -> tuple[Path, ...]:
    if wheel is None:
        return ()
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / wheel.name, wheel.read_bytes())
    return (folder / wheel.name,)


def _check(texts: dict[str, str]) -> None:
    for path, text in texts.items():
        if path.endswith(".pbtxt"):
            check_config(text, path)
        elif path.endswith(".yaml"):
            check_manifest(text, path)
        elif path == "Dockerfile":
            check_container_file(text, path)


@contextmanager
def _new_version(target: Path, name: str, version: int) -> Iterator[Path]:
    """A folder that becomes ``target`` when the block ends without an exception: servers poll for new versions."""
    if target.exists():
        raise OutputError.of(
            catalogue.VERSION_EXISTS,
            f"version {version} of `{name}` is in `{target}` already",
            helps=(f"write version {version + 1}, or remove that folder",),
        )
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(target) as folder:
            made = folder / "version"
            made.mkdir()
            yield made
            made.rename(target)


def _copy(served: ServedModel, folder: Path) -> list[str]:
    """Copy the files of the model, whose weights in other files keep their places."""
    names = ["model.onnx"]
    with explained(folder):
        shutil.copyfile(served.file, folder / "model.onnx")
        for path in served.beside:
            name = os.fspath(path.relative_to(served.file.parent.resolve()))
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)
            names.append(name)
    return names
