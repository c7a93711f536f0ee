"""Read the text of a specification from a path or bytes; failures are diagnostics."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from pathlib import Path

from resdsl.diagnostics import CompileError, Diagnostic, Label, Source, catalogue
from resdsl.diagnostics.suggest import closest
from resdsl.elaborate.limits import Limits, raise_limit
from resdsl.inputs import record_input
from resdsl.specification import builtin

LARGEST_FILE = Limits().file_bytes
"""Maximum size in bytes. ResNet-152 has a thousand."""

_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\v\f\r\x1b"))
_MOST_CONTROLS = 0.02

_BINARY_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PK\x03\x04", "a zip archive (`.pth` and `.npz` files are)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"\x80\x02", "a Python pickle (old `.pth` files are)"),
)


def read_source(path: str | os.PathLike[str], *, largest: int = LARGEST_FILE) -> Source:
    """The text of a specification.

    ``path`` is a file, or the name of a built-in network (``resnet50``) if there is no such file. Messages use ``path``
    as given. Raises ``CompileError`` if there is no such file (E0801), for a folder (E0802), without permission
    (E0803), and if the file is not UTF-8 (E0804), empty (E0805) or too large (E0901).
    """
    file = Path(path)
    written = os.fspath(path)
    if (known := builtin.file_of(written)) is not None and not file.exists():
        file, written = known, known.name
    try:
        data = read_bounded(file, largest)
    except (OSError, ValueError) as error:
        raise CompileError(_why_unreadable(file, written, error)) from None
    return decode(data, name=written, path=file, largest=largest)


def read_bounded(file: Path, largest: int) -> bytes:
    """At most one byte more than ``largest``. Raises ``OSError``, also for a pipe that may have no writer."""
    record_input(file)
    # What the shell passes as /dev/fd/63 has a writer.
    if stat.S_ISFIFO(file.stat().st_mode) and not str(file).startswith(("/dev/", "/proc/")):
        raise OSError(None, "it is a pipe; write `-` and pipe the text into the command")
    with file.open("rb") as stream:
        return stream.read(largest + 1)


def read_stdin(*, largest: int = LARGEST_FILE) -> Source:
    """The text on standard input. Raises like ``read_source``."""
    if sys.stdin.isatty():
        print("reading a specification from the terminal; press Ctrl-D to end it", file=sys.stderr)
    return decode(sys.stdin.buffer.read(largest + 1), name="<stdin>", largest=largest)


def decode(data: bytes, *, name: str, path: Path | None = None, largest: int = LARGEST_FILE) -> Source:
    """Decode UTF-8. Raises like ``read_source``."""
    if len(data) > largest:
        message = f"`{name}` has more than {largest:,} bytes"
        helps = (_what_to_compile(data),) if _is_binary(data) else (raise_limit("file_bytes"),)
        raise CompileError(Diagnostic(catalogue.LIMIT, message, helps=helps))
    if not data.strip():
        raise CompileError(
            Diagnostic(
                catalogue.EMPTY_FILE,
                f"`{name}` is empty" if not data else f"`{name}` contains only white space",
                helps=("a specification contains a `model NAME { ... }`; `resdsl check --help` shows an example",),
            )
        )
    data = data.removeprefix(codecs.BOM_UTF8)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        message = f"`{name}` is UTF-16 text, and specifications are UTF-8"
        raise CompileError(Diagnostic(catalogue.NOT_TEXT, message, helps=("save it as UTF-8 in your editor",)))
    if _is_binary(data):
        kind = _format_of(data) or "binary data"
        message = f"`{name}` is {kind}, not the text of a specification"
        raise CompileError(Diagnostic(catalogue.NOT_TEXT, message, helps=(_what_to_compile(data),)))
    try:
        return Source(name, data.decode("utf-8"), path)
    except UnicodeDecodeError as error:
        text = data.decode("utf-8", errors="replace")
        at = len(data[: error.start].decode("utf-8"))
        place = Label(Source(name, text, path).span(at, at + 1), f"the byte 0x{data[error.start]:02x}")
        message = f"`{name}` is not UTF-8 text"
        raise CompileError(
            Diagnostic(catalogue.NOT_TEXT, message, place, helps=("save it as UTF-8 in your editor",))
        ) from None


def _is_binary(data: bytes) -> bool:
    """Whether this is not text in any encoding: text has hardly any control characters other than white space."""
    sample = data[:4096]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return b"\0" in data or _format_of(data) is not None or controls > len(sample) * _MOST_CONTROLS


def _format_of(data: bytes) -> str | None:
    return next((kind for start, kind in _BINARY_FORMATS if data.startswith(start)), None)


def _what_to_compile(data: bytes) -> str:
    # An ONNX file starts with its ir_version: field 1, a varint.
    if data[:1] == b"\x08":
        return "is it a compiled model? Run it with `resdsl predict`; `resdsl compile` takes the `.res` file behind it"
    return "name a `.res` file; give weights with `--weights FILE`"


def _why_unreadable(file: Path, written: str, error: OSError | ValueError) -> Diagnostic:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return _missing(file, written)
    if isinstance(error, IsADirectoryError) and not written:
        return Diagnostic(
            catalogue.FILE_NOT_FOUND, "the name of the file is empty", helps=("is it an unset shell variable?",)
        )
    if isinstance(error, IsADirectoryError):
        inside = sorted(entry.name for entry in file.glob("*.res"))
        helps = (f"name a file in it, such as `{file / inside[0]}`",) if inside else ("name a `.res` file",)
        return Diagnostic(catalogue.NOT_A_FILE, f"`{written}` is a folder", helps=helps)
    if isinstance(error, PermissionError):
        return Diagnostic(
            catalogue.UNREADABLE_FILE,
            f"no permission to read `{written}`",
            helps=(f"allow it with `chmod u+r {written}`",),
        )
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return Diagnostic(
        catalogue.UNREADABLE_FILE, f"`{written[:200]}` cannot be read: {reason.lower()}", helps=("name another file",)
    )


def _missing(file: Path, written: str) -> Diagnostic:
    if "\n" in written or "{" in written:
        return Diagnostic(
            catalogue.FILE_NOT_FOUND,
            "there is no such file; the name looks like the text of a specification",
            helps=("pass text to `resdsl.loads(text)`, or pipe it into the command and use `-` as the file",),
        )
    folder = file.parent
    if not folder.is_dir():
        message = f"there is no file `{written}`, and no folder `{folder}`"
        return Diagnostic(catalogue.FILE_NOT_FOUND, message, helps=_builtin_help(file))
    try:
        names = [entry.name for entry in folder.iterdir() if entry.suffix == ".res"]
    except OSError:
        names = []
    stems = {Path(name).stem: name for name in names}
    # Suggest the closest of the files in the folder and the built-in networks.
    near = file.stem if file.stem in stems else closest(file.stem, [*stems, *builtin.names()])
    helps = (f"did you mean `{folder / stems[near]}`?",) if near in stems else _builtin_help(file)
    return Diagnostic(catalogue.FILE_NOT_FOUND, f"there is no file `{written}`", helps=helps)


def _builtin_help(file: Path) -> tuple[str, ...]:
    near = closest(file.stem, builtin.names())
    if near or file.stem in builtin.names():
        return (f"did you mean `{near or file.stem}`, a built-in network?",)
    return ("name a `.res` file, or a built-in network, such as `resnet50`",)
