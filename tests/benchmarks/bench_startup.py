"""From the shell's prompt to the answer: whole processes."""

from __future__ import annotations

from collections.abc import Iterable

from harness import ROOT, Bench, Row


def run(bench: Bench) -> Iterable[Row]:
    """`check` and others beside an interpreter that only imports the parser and the command line's library."""
    resdsl = [bench.python, "-m", "resdsl"]
    libraries = [bench.python, "-c", "import lark, click"]
    check = bench.pairs([*resdsl, "check", ROOT / "specs/resnet152.res"], libraries, warmups=2)
    yield check.row("check specs/resnet152.res, CPU", by="cpu", at_most=3, note="against `import lark, click`")
    yield check.row("check specs/resnet152.res, wall", by="wall", at_most=3)
    yield check.ours.row("check specs/resnet152.res", by="wall", at_most=0.25)
    yield check.ours.row("check specs/resnet152.res", by="memory")
    empty = [bench.python, "-c", ""]
    for words in (["--version"], ["--help"], ["explain", "E0301"], ["summary", "resnet152"], ["fmt", "--help"]):
        yield bench.pairs([*resdsl, *words], empty).row(" ".join(words), by="cpu", note="against an empty interpreter")
