"""Start-up time of commands: whole processes."""

from __future__ import annotations

from collections.abc import Iterable

from harness import ROOT, Bench, Row
from texts import long_text, untidy


def run(bench: Bench) -> Iterable[Row]:
    """`check` and others beside an interpreter that only imports the parser and the command line's library."""
    resdsl = [bench.python, "-m", "resdsl"]
    libraries = [bench.python, "-c", "import lark, click"]
    check = bench.pairs([*resdsl, "check", ROOT / "specs/resnet152.res"], libraries, warmups=2)
    yield check.row("check specs/resnet152.res, CPU", by="cpu", at_most=3, note="against `import lark, click`")
    yield check.row("check specs/resnet152.res, wall", by="wall", at_most=3, note="against `import lark, click`")
    yield check.ours.row("check specs/resnet152.res", by="wall", at_most=0.27)
    yield check.ours.row("check specs/resnet152.res", by="memory")

    click = [bench.python, "-c", "import click"]
    for words in (["--version"], ["--help"], ["explain", "E0301"], ["summary", "resnet152"], ["fmt", "--help"]):
        yield bench.pairs([*resdsl, *words], click).row(" ".join(words), by="cpu", note="against `import click`")

    text = long_text()
    tidy, ugly = bench.folder / "tidy.res", bench.folder / "untidy.res"
    tidy.write_text(text, encoding="utf-8")
    ugly.write_text(untidy(text), encoding="utf-8")
    lines = f"{text.count(chr(10)):,} lines"
    for name, words, status in (
        (f"fmt --check, {lines}", ["fmt", "--check", tidy], 0),
        (f"fmt --check, {lines}, untidy", ["fmt", "--check", ugly], 1),
    ):
        runs = bench.series(lambda words=words, status=status: bench.process([*resdsl, *words], statuses=[status]))
        yield runs.row(name, by="wall", at_most=2)
        yield runs.row(f"{name}, CPU", by="cpu")
