"""Fuzz command lines: every command with its own options, and values that nobody expects. Needs nothing.

    python -m tests.fuzz.fuzz_commands [RUNS] [SEED]

A run ends with a status that the docs list, without a traceback, without a control character in its output, and with
every file that was there before as it was.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import traceback
import webbrowser
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import click
from click.testing import CliRunner
from PIL import Image

import resdsl
from resdsl import files
from resdsl.cli.app import COMMANDS, app

NETWORK = """model net(classes: int = 3) {
  input image: f32[N, 3, 8, 8]
  preprocess { resize(8, fit = "exact"); normalize(mean = [0.0], std = [1.0]) }
  labels "names.txt"
  conv1: conv(4, 3x3)
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""
FILES = ("net.res", "names.txt", "m.onnx", "w.safetensors", "a.png", "t.csv", "r.txt", "broken.res", "bytes.res")

# None of these leads out of the folder to files: `fmt` and `check --fix` write what they are given.
VALUES = (
    "",
    " ",
    "-",
    "--",
    ".",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "pipe",
    "folder",
    "missing",
    "missing/x",
    "loop.res",
    "a" * 300,
    "a/" * 3_000,
    "9" * 5_000,
    "-" + "9" * 5_000,
    "1e999",
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "1",
    "2,3",
    "1,,2",
    "\u0662",
    "\xb2",
    "1_0",
    "0x10",
    "True",
    "[" * 5_000,
    "(" * 200,
    "{}",
    "\x1b]0;owned\x07",
    "\x9b31m",
    "\u202eabc",
    "\udcff.res",
    "a\nb",
    "a\rb",
    "@",
    "@r.txt",
    "@/dev/zero",
    "@pipe",
    "@missing",
    "@@",
    "x=y",
    "=",
    "x=",
    "=x",
    "classes=5",
    "classes=" + "9" * 5_000,
    "classes=[1",
    "nodes=5",
    "steps=" + "9" * 99,
    "http://[",
    "http://[::1/x",
    "https://" + "a" * 5_000,
    "file:///etc/passwd",
    "hf:",
    "hf:a",
    "hf:../..",
    "HEAD:net.res",
    "HEAD:o[k].res",
    "-x:y",
    "--upload-pack=x:y",
    "A..B",
    "...",
    "-..-",
    "a\x1b..b",
    "**",
    "[",
    "*.png",
    "N,3,H,W",
    "1,3,8,8",
    "N,3," + "9" * 5_000 + ",8",
    "resnet18",
    "nope18",
    "cpu",
    "cuda:99999999999999999999",
    "cuda:\xb2",
    "+5%",
    "1e400M",
    "9" * 400 + "G",
    "E0301",
    "conv",
    *FILES,
    *FILES,
)
HEAVY = {"bench", "compare", "quantize", "evaluate", "doctor", "predict"}
"""They start ONNX Runtime."""

OUTPUTS = {"-o", "--output", "--confusion", "--write-renames"}
SKIPPED = {"--help", "--serve", "--global"}
STATUSES = {0, 1, 2, 3}
TOO_LONG = 60.0
"""Seconds."""


class Hanging(Exception):
    """A command did not end in time."""


def stop(_number: int, _frame: object) -> None:
    raise Hanging


MOST_FAILURES = 20


def make_files(folder: Path) -> dict[str, bytes]:
    """The files that command lines name, in the current folder; what is in them."""
    import numpy as np
    from safetensors.numpy import save_file

    (folder / "names.txt").write_text("red\ngreen\nblue\n")
    (folder / "net.res").write_text(NETWORK)
    (folder / "broken.res").write_text(NETWORK.replace("conv(4", "cnv(4 \x1b[2J"))
    (folder / "bytes.res").write_bytes(b"model \xff\xfe\n")
    resdsl.compile(folder / "net.res", folder / "m.onnx")
    save_file({"fc.weight": np.zeros((3, 4), np.float32)}, folder / "w.safetensors")
    Image.new("RGB", (8, 8), "red").save(folder / "a.png")
    (folder / "t.csv").write_text("path,label\na.png,red\n")
    (folder / "r.txt").write_text("a=b\n\x1b[2J=c\n")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "loop.res").symlink_to("loop.res")
    return {name: (folder / name).read_bytes() for name in FILES}


def commands() -> dict[tuple[str, ...], click.Command]:
    """All commands, by the words that call them."""
    context = click.Context(app)
    found: dict[tuple[str, ...], click.Command] = {}
    for name in COMMANDS:
        command = app.get_command(context, name)
        assert command is not None
        inner = command.commands.items() if isinstance(command, click.Group) else ()
        found |= {(name, other): one for other, one in inner} or {(name,): command}
    return found


def command_line(source: random.Random, known: dict[tuple[str, ...], click.Command]) -> list[str]:
    names = list(known)
    words = source.choices(names, [1 if name[0] in HEAVY else 12 for name in names])[0]
    if source.random() < 0.01:
        return [source.choice(VALUES) for _ in range(source.randint(0, 3))]
    arguments: list[str] = []
    for parameter in known[words].params:
        if isinstance(parameter, click.Argument):
            most = 1 if parameter.nargs == 1 else source.choice((1, 1, 2, 7))
            count = source.randint(0 if source.random() < 0.1 else 1, most)
            arguments += [source.choice(FILES if source.random() < 0.4 else VALUES) for _ in range(count)]
    options = [one for one in known[words].params if isinstance(one, click.Option) and not SKIPPED & {*one.opts}]
    for option in source.sample(options, min(len(options), source.choice((0, 1, 1, 2, 3)))):
        arguments.append(source.choice(option.opts))
        if not option.is_flag:
            choices = option.type.choices if isinstance(option.type, click.Choice) else ()
            plausible = bool(choices) and source.random() < 0.8
            arguments.append(str(source.choice(choices)) if plausible else source.choice(VALUES))
    if source.random() < 0.03:
        arguments.insert(source.randrange(len(arguments) + 1), source.choice(("--nope", "--js", "-Z", "--\x1b[2J")))
    if words[0] == "view":
        arguments.append("--no-open")
    return [*words, *arguments]


def check_command_line(arguments: list[str], before: dict[str, bytes]) -> int:
    """Run a command in the folder of ``before``; gives its status."""
    # A command that waits for a pipe, or reads a device, ends here.
    signal.setitimer(signal.ITIMER_REAL, TOO_LONG)
    done = CliRunner().invoke(app, arguments, input=b"\0" * 1_000_000)
    signal.setitimer(signal.ITIMER_REAL, 0)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise AssertionError("".join(traceback.format_exception(done.exception)[-6:]))
    assert done.exit_code in STATUSES, done.exit_code
    # What is on stdout may be a file; what is on stderr is for the terminal.
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(done.stderr) or "always" in arguments, done.stderr
    assert "Traceback" not in done.stderr
    in_place = arguments[:1] == ["fmt"] or "--fix" in arguments
    replaced = [name for name, content in before.items() if Path(name).read_bytes() != content]
    for name in replaced:
        Path(name).unlink()
        Path(name).write_bytes(before[name])
    allowed = {name for name in before if in_place and (name in arguments or name.endswith(".res"))} | replaceable(
        arguments
    )
    assert allowed.issuperset(replaced), f"{set(replaced) - allowed} replaced"
    return done.exit_code


def replaceable(arguments: list[str]) -> set[str]:
    """The files that the command line names as outputs and nowhere else."""
    values = [value for option, value in pairwise(arguments) if option in OUTPUTS]
    reads_labels = {"compile", "draw", "view", "diff"} & {*arguments[:1]} and "net.res" in arguments
    return {name for name in values if arguments.count(name) == 1 and not (reads_labels and name == "names.txt")}


@contextlib.contextmanager
def workplace() -> Iterator[dict[str, bytes]]:
    """A folder with the files, as the current one, without a browser and a home; what the files have in them."""
    environment, here, patience = dict(os.environ), Path.cwd(), files._READER_SECONDS
    before = signal.signal(signal.SIGALRM, stop)
    opened = webbrowser.open
    with tempfile.TemporaryDirectory() as outer:
        # The folder around it is ours too.
        name = str(Path(outer, "inner"))
        Path(name).mkdir()
        try:
            # Commands that make temporary folders for the user leave them here.
            os.environ |= {"HOME": name, "TMPDIR": name, "XDG_CACHE_HOME": name, "no_proxy": "*"}
            tempfile.tempdir = name
            files._READER_SECONDS = 0.05  # nobody reads `pipe`
            webbrowser.open = lambda *_arguments, **_options: False
            os.chdir(name)
            yield make_files(Path(name))
        finally:
            signal.signal(signal.SIGALRM, before)
            os.chdir(here)
            webbrowser.open = opened
            files._READER_SECONDS = patience
            tempfile.tempdir = None
            os.environ.clear()
            os.environ.update(environment)


def fuzz(runs: int, seed: int, show: Callable[[str], object] = lambda _: None) -> Counter[int]:
    """How many runs ended with each status. Raises ``AssertionError`` with the command lines that broke something."""
    source, known = random.Random(seed), commands()
    statuses: Counter[int] = Counter()
    failures: dict[str, str] = {}
    with workplace() as before:
        for number in range(runs):
            if number % 200 == 199:
                show(f"{number + 1:,} runs: {dict(statuses)}")
            arguments = command_line(source, known)
            try:
                statuses[check_command_line(arguments, before)] += 1
            except AssertionError as error:
                # One command line for each kind of failure.
                kind = str(error)[-80:]
                if kind not in failures:
                    failures[kind] = f"{arguments!r:.1000}\n{error!s:.3000}"
                    show(failures[kind])
                if len(failures) == MOST_FAILURES:
                    break
    assert not failures, "\n\n".join(failures.values())
    return statuses


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    start = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    print(dict(fuzz(number, start, lambda text: print(text, file=sys.stderr, flush=True))))
