"""Parsing and formatting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from harness import ROOT, Bench, Quantity, Row
from texts import long_text


def run(bench: Bench) -> Iterable[Row]:
    """The parser and the formatter in one process, and the parser's share of a whole `check`."""
    # Imported here, so that `--help` works without the package.
    from resdsl.diagnostics import Diagnostics, Source
    from resdsl.specification.load import load
    from resdsl.syntax import parse
    from resdsl.syntax.formatter import format_source

    text = long_text()
    lines = text.count("\n")
    yield _throughput(bench, f"parse, {lines:,} lines", text, lambda: parse(Source("long.res", text), Diagnostics()))
    yield _throughput(
        bench, f"format, {lines:,} lines", text, lambda: format_source(Source("long.res", text), Diagnostics())
    )

    spec = ROOT / "specs" / "resnet152.res"
    texts = [spec, *_used(spec)]
    sources = [Source(path.name, path.read_text(encoding="utf-8")) for path in texts]

    def parse_all() -> None:
        for source in sources:
            parse(source, Diagnostics())

    pairs = bench.pairs(parse_all, lambda: load(spec).check(), rounds=51)
    yield pairs.row(f"parse {' and '.join(path.name for path in texts)}", by="cpu", note="against all of its check")


def _throughput(bench: Bench, name: str, text: str, subject: Callable[[], object]) -> Row:
    seconds = bench.series(subject, rounds=5).median("cpu").value
    return Row(name, Quantity(len(text.encode()) / seconds / 1e6, "MB/s"), note=f"{seconds:.2f} s of CPU")


def _used(spec: Path) -> list[Path]:
    """The files of the standard library that a specification uses."""
    return [
        file
        for file in sorted(ROOT.glob("resdsl/std/*.res"))
        if f'"std/{file.name}"' in spec.read_text(encoding="utf-8")
    ]
