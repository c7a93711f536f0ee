"""Settings of the editor: how files are built, for all of them or for one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from resdsl.tools.lsp.analysis import Settings
from resdsl.untrusted import bounded_int, printable

_MOST_DIMENSIONS = 8


class BadSetting(Exception):
    """A setting that means nothing, with the reason for the user."""


def settings_of(configuration: object, path: Path | None) -> Settings:
    """The settings for a file, from the section ``resdsl`` of an editor's configuration.

    ``set``, ``input`` and ``model`` hold for all files; ``files`` has others by file name or the end of a path::

        {"input": "1,3,320,320", "files": {"cifar.res": {"set": {"classes": 100}}}}

    Raises ``BadSetting``.
    """
    section = _mapping(configuration, "resdsl")
    own: Mapping[object, object] = MappingProxyType({})
    for name, entry in _mapping(section.get("files"), "resdsl.files").items():
        if path is not None and path.parts[-len(Path(str(name)).parts) :] == Path(str(name)).parts:
            own = _mapping(entry, f"resdsl.files.{name}")
    merged = {**section, **own}
    # A text is read as an expression of the language, as `--set` does.
    arguments = {str(name): value for name, value in _mapping(merged.get("set"), "resdsl.set").items()}
    model = merged.get("model")
    if model is not None and not isinstance(model, str):
        raise BadSetting("the setting resdsl.model is not the name of a model")
    return Settings(arguments, _shape(merged.get("input")), model or None)


def _mapping(value: object, name: str) -> Mapping[object, object]:
    if value is None or value == []:
        return MappingProxyType({})
    if not isinstance(value, Mapping):
        raise BadSetting(f"the setting {printable(name, most=100)} is not an object")
    return value


def _shape(value: object) -> tuple[int | str, ...] | None:
    """``"N,3,H,W"`` or ``["N", 3, 224, 224]``."""
    if value is None or value == "":
        return None
    sizes = value.split(",") if isinstance(value, str) else value
    if not isinstance(sizes, list) or len(sizes) > _MOST_DIMENSIONS:
        raise BadSetting("the setting resdsl.input is not a shape such as N,3,224,224")
    return tuple(_size(one) for one in sizes)


def _size(value: object) -> int | str:
    text = str(value).strip()
    number = bounded_int(text)
    if number is not None and number > 0:
        return number
    if text[:1].isupper() and text.isidentifier():
        return text
    raise BadSetting(f"the setting resdsl.input has the size {printable(text, most=40)}, not a number or a symbol")
