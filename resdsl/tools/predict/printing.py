"""Print results to standard output during a run."""

from __future__ import annotations

import dataclasses
import json
import sys

from resdsl.runtime.formats import Lines
from resdsl.runtime.results import Failure, Features, Result


class PrintedRows:
    """Rows on standard output, flushed one by one."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._stream = sys.stdout.buffer
        self._stream.write(lines.header)
        self._separator = b""

    def write(self, row: Result) -> None:
        line = self._lines.line(row)
        if line:
            self._stream.write(self._separator + line)
            self._stream.flush()
            self._separator = self._lines.separator


class JsonRows:
    """One JSON object on standard output, written row by row."""

    def __init__(self, **facts: object) -> None:
        self._stream = sys.stdout.buffer
        first = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in facts.items())
        self._write(f'{{\n{first},\n  "predictions": [')
        self._separator = "\n    "

    def write(self, row: Result) -> None:
        if isinstance(row, Failure):
            return  # failures are in the diagnostics
        if isinstance(row, Features):
            data = {"image": row.image, "output": row.output, "features": row.values.tolist()}
        else:
            data = dataclasses.asdict(row)
        self._write(self._separator + json.dumps(data, ensure_ascii=False))
        self._separator = ",\n    "

    def close(self, **facts: object) -> None:
        rest = json.dumps(facts, indent=2, ensure_ascii=False).removeprefix("{")
        self._write(f"\n  ],{rest}\n")
        self._stream.flush()

    def _write(self, text: str) -> None:
        # JSON escapes lone surrogates in this form too, and file names and labels may hold them.
        self._stream.write(text.encode(errors="backslashreplace"))
