"""Texts beyond limits, and files that are not specifications: each ends in a diagnostic, in bounded memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

MEMORY = 1_500_000_000
"""Bytes of address space that each case may take."""

PATIENCE = 120
"""Seconds after which a case counts as endless; all take a few on an idle machine."""


def net(body: str, head: str = "", shape: str = "N, 3, 32, 32") -> str:
    return f"{head}\nmodel net {{\n  input image: f32[{shape}]\n{body}\n  output y\n}}\n"


def doubling(levels: int) -> str:
    """A list of two lists of two lists ..., as short as it is deep."""
    lines = [f"  const a{level} = [a{level - 1}, a{level - 1}]" for level in range(1, levels)]
    return "\n".join(["  const a0 = [1]", *lines])


TWICE = "".join(f"block b{level} {{ b{level - 1}; b{level - 1} }}\n" for level in range(1, 31))
MANY = ", ".join(f"p{number} = 1" for number in range(5_000))

TEXTS = {
    "repetition": net("  layer: 100000000 x conv(8, 3x3)"),
    "loops": net("  for i in 1..100000 { for j in 1..100000 { for k in 1..100000 { relu } } }"),
    "empty loop": net("  for i in 1..9000000000000000 { }\n  relu"),
    "blocks that double": net("  b30", "block b0 { relu }\n" + TWICE),
    "empty blocks that double": net("  b30; relu", "block b0 { }\n" + TWICE),
    "giant integer": net(f"  conv1: conv({'9' * 100_000}, 3x3)"),
    "growing integer": net(f"  conv1: conv({' * '.join(['999999999'] * 90)}, 3x3)"),
    "more channels than memory": net("  conv1: conv(9007199254740992, 3x3)"),
    "deep parentheses": net(f"  conv1: conv({'(' * 100_000}1{')' * 100_000}, 3x3)"),
    "deep braces": net("{" * 100_000 + "relu" + "}" * 100_000),
    "deep minus": net(f"  conv1: conv({'-' * 100_000}1, 3x3)"),
    "deep conditional": net(f"  conv1: conv({'1 if true else ' * 10_000}1, 3x3)"),
    "long sum": net(f"  conv1: conv({'1 + ' * 50_000}1, 3x3)"),
    "long else if": net("  if false { relu } " + "else if false { relu } " * 5_000),
    "list of lists that double, in an error": net(f"{doubling(40)}\n  conv1: conv(a39, 3x3)"),
    "list of lists that double, passed on": net(f"{doubling(40)}\n  layer: b(a39)", "block b(l) { relu }"),
    "many calls of many arguments": net("  layer: 90000 x b", f"block b({MANY}) {{ }}"),
    "symbolic sizes that nest": net(
        "\n".join(f"  c{i}: conv(3, 3x3, stride = 3, pad = 0); u{i}: upsample(2)" for i in range(300)),
        shape="N, 3, H, W",
    ),
    "100 MB": "model net {\n" + "  relu\n" * 12_500_000,
    "nothing but brackets": "(" * 200_000,
    "nothing but errors": "} ) ( { ??? \n" * 15_000,
    "one name": net(f"  {'a' * 200_000}"),
    "one string": '"' + "a" * 200_000,
    "the same block again and again": "block a { }\n" * 20_000,
}


def check(path: str | Path, *options: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "resdsl", "check", *options, str(path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=folder,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
        check=False,
    )


def is_told(done: subprocess.CompletedProcess[str], codes: Sequence[str] = ()) -> None:
    assert "Traceback" not in done.stderr
    assert done.returncode == 1, done.stderr[-2000:]
    assert not codes or any(f"error[{code}]" in done.stderr for code in codes), done.stderr[:2000]
    assert len(done.stderr) < 200_000


@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_a_text_beyond_a_limit_is_reported(text: str, tmp_path: Path) -> None:
    path = tmp_path / "net.res"
    path.write_text(text)
    is_told(check(path))


@pytest.mark.parametrize(
    ("used", "code"),
    [
        ("/etc/passwd", "E0404"),
        ("../blocks.res", "E0404"),
        ("std/../../../../../../../../etc/passwd", "E0404"),
        ("link.res", "E0404"),
        ("/dev/zero", "E0404"),
        ("pipe", "E0401"),
    ],
)
def test_use_reads_no_file_outside_and_waits_for_none(used: str, code: str, tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    folder.mkdir()
    (tmp_path / "blocks.res").write_text("block stem { relu }\n")
    (folder / "link.res").symlink_to("../blocks.res")
    os.mkfifo(folder / "pipe")
    (folder / "net.res").write_text(net("  stem", f'use "{used}" (stem)'))
    done = check(folder / "net.res")
    is_told(done, [code])
    assert "root:" not in done.stderr


@pytest.mark.parametrize("used", ["/dev/zero", "pipe"])
def test_a_device_is_no_file_even_where_files_outside_are_allowed(used: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "net.res").write_text(
        net(f'  relu\n  labels "./{used}"' if used == "pipe" else f'  relu\n  labels "{used}"')
    )
    is_told(check(tmp_path / "net.res", "--allow-outside"), ["E0405"])
    (tmp_path / "net.res").write_text(net("  stem", f'use "{used}" (stem)'))
    is_told(check(tmp_path / "net.res", "--allow-outside"), ["E0401"])


def test_files_outside_can_be_allowed(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "blocks.res").write_text("block stem { relu }\n")
    (tmp_path / "specs" / "net.res").write_text(net("  stem", 'use "../blocks.res" (stem)'))
    assert check(tmp_path / "specs" / "net.res", "--allow-outside").stderr == "no errors\n"


def test_an_endless_file_is_not_read_to_its_end() -> None:
    is_told(check("/dev/zero"), ["E0901"])


def test_a_long_chain_of_used_files_is_reported(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"f{number}.res").write_text(
            f'use "f{number + 1}.res" (b{number + 1})\nblock b{number} {{ relu }}\n'
        )
    (tmp_path / "net.res").write_text(net("  b0", 'use "f0.res" (b0)'))
    is_told(check(tmp_path / "net.res"), ["E0901"])


def test_too_many_used_files_are_reported_once(tmp_path: Path) -> None:
    for number in range(1_100):
        (tmp_path / f"f{number}.res").write_text(f"block b{number} {{ relu }}\n")
    uses = "\n".join(f'use "f{number}.res" (b{number})' for number in range(1_100))
    (tmp_path / "net.res").write_text(net("  b0", uses))
    done = check(tmp_path / "net.res")
    is_told(done, ["E0901"])
    assert done.stderr.count("error[") == 1


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        (net("  layer: 100 x conv(8, 3x3)"), "nodes=50"),
        (net("  for i in 1..100 { }\n  relu"), "steps=50"),
        (net("  { { { { relu } } } }"), "depth=3"),
        (net("  relu"), "elements=100"),
        (net("  relu"), "file_bytes=20"),
    ],
)
def test_a_limit_can_be_lowered_and_the_message_names_its_flag(text: str, limit: str, tmp_path: Path) -> None:
    path = tmp_path / "net.res"
    path.write_text(text)
    assert check(path).returncode == 0
    done = check(path, "--limit", limit)
    is_told(done, ["E0901"])
    assert f"--limit {limit.partition('=')[0]}=" in done.stderr


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("nodse=5", "Did you mean 'nodes'?"),
        ("nodes", "NUMBER"),
        ("nodes=-1", "NUMBER"),
        ("nodes=0", "NUMBER"),
        ("depth=100000", "1,000"),
        ("outside=1", "there is no limit"),
    ],
)
def test_a_limit_that_is_none_is_refused(limit: str, expected: str) -> None:
    done = check("resnet50", "--limit", limit)
    assert done.returncode == 2
    assert expected in done.stderr
