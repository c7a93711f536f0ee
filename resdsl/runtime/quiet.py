"""Catch what native code and libraries print, so that it can be told in our words."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator

_STYLE = re.compile(r"\x1b\[[\d;]*m")
# 2026-01-31 12:00:00.000000001 [E:onnxruntime:Default, provider_bridge_ort.cc:2458 operator()] the message
_LOG_HEAD = re.compile(r"\d{4}-\d\d-\d\d \S+ \[(?P<severity>[VIWEF]):onnxruntime:[^\]]*\] ?")
# /onnxruntime_src/onnxruntime/core/session/x.cc:2043 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get()
_PLACE_IN_CODE = re.compile(r"\S*/onnxruntime/\S+\.(?:cc|h|cpp|cu):\d+ [^\[\n]*?\)(?: const)? ")
_STATUS = re.compile(r"\[ONNXRuntimeError\] : \d+ : [A-Z_ ]+ : ")


class Printed:
    """What was printed in a ``capture`` block, once it has ended."""

    def __init__(self) -> None:
        self.text = ""

    @property
    def errors(self) -> list[str]:
        """The messages of ONNX Runtime's log from errors on, in plain words, each once."""
        found = re.split(r"(?m)^(?=\d{4}-\d\d-\d\d \S+ \[[VIWEF]:onnxruntime)", _STYLE.sub("", self.text))
        heads = [(entry, _LOG_HEAD.match(entry)) for entry in found]
        errors = [in_plain_words(entry) for entry, head in heads if head and head["severity"] in "EF"]
        return list(dict.fromkeys(errors))


@contextlib.contextmanager
def capture() -> Iterator[Printed]:
    """Collect what the block prints: by Python, and by native code straight to the standard error stream."""
    printed = Printed()
    python = io.StringIO()
    with tempfile.TemporaryFile() as native:
        with contextlib.redirect_stdout(python), contextlib.redirect_stderr(python), _native_stderr(native.fileno()):
            yield printed
        native.seek(0)
        printed.text = python.getvalue() + native.read().decode(errors="replace")


@contextlib.contextmanager
def _native_stderr(target: int) -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:
        # Without a standard error stream nothing can be printed to it.
        yield
        return
    try:
        os.dup2(target, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def in_plain_words(message: str) -> str:
    """A message of ONNX Runtime without the names, places and numbers that only its authors need."""
    text = _LOG_HEAD.sub("", _STYLE.sub("", message))
    text = _STATUS.sub("", _PLACE_IN_CODE.sub("", text))
    text = " ".join(text.split()).rstrip(" .")
    return text or "no reason was given"
