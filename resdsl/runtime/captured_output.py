"""Capture what native code and libraries print, to report it as diagnostics."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator

from resdsl.untrusted import printable

_LONGEST = 1_000
"""Characters of a message."""

_STYLE = re.compile(r"\x1b\[[\d;]*m")
# 2026-01-31 12:00:00.000000001 [E:onnxruntime:Default, provider_bridge_ort.cc:2458 operator()] the message
_LOG_HEAD = re.compile(r"\d{4}-\d\d-\d\d \S+ \[(?P<severity>[VIWEF]):onnxruntime:[^\]]*\] ?")
# /onnxruntime_src/onnxruntime/core/session/x.cc:2043 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get()
_CODE_LOCATION = re.compile(r"\S*/onnxruntime/\S+\.(?:cc|h|cpp|cu):\d+ [^\[\n]*?\)(?: const)? ")
_STATUS = re.compile(r"\[ONNXRuntimeError\] : \d+ : [A-Z_ ]+ : ")


class CapturedOutput:
    """The text that a ``captured_output`` block printed; complete once the block has ended."""

    def __init__(self) -> None:
        self.text = ""

    @property
    def errors(self) -> list[str]:
        """The errors in ONNX Runtime's log, simplified, without duplicates."""
        entries = re.split(r"(?m)^(?=\d{4}-\d\d-\d\d \S+ \[[VIWEF]:onnxruntime)", _STYLE.sub("", self.text))
        heads = [(entry, _LOG_HEAD.match(entry)) for entry in entries]
        errors = [simplified(entry) for entry, head in heads if head and head["severity"] in "EF"]
        return list(dict.fromkeys(errors))


@contextlib.contextmanager
def captured_output() -> Iterator[CapturedOutput]:
    """Collect what the block prints: through Python, and native code directly to the standard error stream."""
    captured = CapturedOutput()
    python = io.StringIO()
    with tempfile.TemporaryFile() as native:
        with contextlib.redirect_stdout(python), contextlib.redirect_stderr(python), _native_stderr(native.fileno()):
            yield captured
        native.seek(0)
        captured.text = python.getvalue() + native.read().decode(errors="replace")


@contextlib.contextmanager
def _native_stderr(target: int) -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:
        # There is no standard error stream.
        yield
        return
    try:
        os.dup2(target, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def simplified(message: str) -> str:
    """A message of ONNX Runtime without source locations and status codes, cut where a name of the model fills it."""
    text = _LOG_HEAD.sub("", _STYLE.sub("", message))
    text = _STATUS.sub("", _CODE_LOCATION.sub("", text))
    text = " ".join(text.split()).rstrip(" .")
    return printable(text, most=_LONGEST) or "no reason was given"
