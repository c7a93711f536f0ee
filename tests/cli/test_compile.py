"""``resdsl compile``."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner, Result

from resdsl.cli.app import app

TINY = """\
model tiny(width: int = 4) {
  input x: f32[N, 3, 8, 8]
  preprocess { resize(8);  crop(8);  normalize(mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5]) }
  conv1: conv(width, 3x3);  bn1: bn;  relu
  avgpool(global);  flatten
  fc: linear(2)
  output y
}
"""


def run(*arguments: str, **options: str) -> Result:
    return CliRunner().invoke(app, ["compile", *arguments], **options)


def files() -> list[str]:
    return sorted(str(file) for file in Path().iterdir())


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("tiny.res").write_text(TINY)
    return "tiny.res"


def test_one_line_has_the_result_and_the_next_command(spec: str) -> None:
    result = run(spec, "-o", "m.onnx")
    assert result.exit_code == 0
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    # conv 4 * 3 * 9, bn 2 * 4, linear 4 * 2 + 2; conv 4 * 3 * 9 * 64, linear 4 * 2.
    assert line.startswith("m.onnx: 126 parameters, 6.92 k MACs, ")
    assert "random weights (He normal, seed 0)" in line
    assert line.endswith("Next: resdsl predict m.onnx photo.jpg")


def test_without_a_name_the_file_is_called_as_the_specification(spec: str) -> None:
    assert run(spec, "--quiet").output == ""
    assert onnx.load("tiny.onnx").graph.name == "tiny"


@pytest.mark.usefixtures("spec")
def test_standard_input_to_standard_output() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "resdsl", "compile", "-", "-o", "-"],
        input=TINY.encode(),
        capture_output=True,
        check=True,
    )
    assert onnx.load_from_string(done.stdout).graph.name == "tiny"


def test_json_has_the_figures(spec: str) -> None:
    result = run(spec, "-o", "m.onnx", "--json")
    data = json.loads(result.stdout)
    assert result.stderr == ""
    assert (data["output"], data["parameters"], data["macs"]) == ("m.onnx", 126, 6920)
    assert data["bytes"] == Path("m.onnx").stat().st_size
    assert data["diagnostics"] == []


def test_json_and_the_file_do_not_share_standard_output(spec: str) -> None:
    assert run(spec, "-o", "-", "--json").exit_code == 2


@pytest.mark.parametrize(("level", "norms"), [("0", True), ("1", False), ("2", False)])
def test_the_graph_as_text_follows_the_level(spec: str, level: str, norms: bool) -> None:
    result = run(spec, "--emit", "ir", f"-O{level}")
    assert result.stdout.startswith("graph tiny(%x: f32[N, 3, 8, 8]) {")
    assert ("= bn " in result.stdout) == norms
    assert not Path("tiny.onnx").exists()


def test_the_syntax_tree_as_text(spec: str) -> None:
    run(spec, "--emit", "ast", "-o", "tree.txt")
    text = Path("tree.txt").read_text()
    assert text.startswith("Module\n  items:\n    Definition kind=model\n")
    assert "callee: Identifier name=conv\n" in text


def test_the_graph_after_a_pass_is_shown(spec: str) -> None:
    result = run(spec, "-o", "m.onnx", "-O2", "--print-ir-after", "fold-batch-norm")
    assert "graph tiny(" in result.stderr
    assert "bn1" in result.stderr
    assert "does not run" in run(spec, "-o", "m.onnx", "--print-ir-after", "fold-batch-norm").stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["absent.res"], 2),
        (["."], 2),
        (["tiny.res", "-o", "nowhere/m.onnx"], 2),
        (["tiny.res", "-o", "."], 2),
        (["tiny.res", "-O3"], 2),
        (["tiny.res", "--init", "he"], 2),
        (["tiny.res", "--seed", "x"], 2),
        (["tiny.res", "--set", "depth=3"], 1),
        (["tiny.res", "--model", "big"], 1),
        (["bad.res"], 1),
    ],
)
@pytest.mark.usefixtures("spec")
def test_a_failure_writes_nothing_and_gives_the_reason(arguments: list[str], status: int) -> None:
    Path("bad.res").write_text(TINY.replace("linear", "liner"))
    before = files()
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert "rror" in result.stderr
    assert files() == before


def test_an_error_keeps_the_existing_file(spec: str) -> None:
    Path("tiny.onnx").write_bytes(b"precious")
    Path("tiny.res").write_text(TINY.replace("linear", "liner"))
    assert run(spec).exit_code == 1
    assert Path("tiny.onnx").read_bytes() == b"precious"


def test_a_warning_does_not_stop_it(spec: str) -> None:
    Path(spec).write_text(TINY.replace("model tiny(", "model tiny(unused = 1, "))
    result = run(spec)
    assert result.exit_code == 0
    assert "warning[W0505]" in result.stderr
    assert Path("tiny.onnx").exists()


def test_a_full_disk_is_reported(spec: str) -> None:
    result = run(spec, "-o", "/dev/full")
    assert result.exit_code == 2
    assert "the disk is full" in result.stderr


@pytest.mark.usefixtures("spec")
def test_a_closed_pipe_is_not_an_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "resdsl", "operators"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


@pytest.mark.usefixtures("spec")
def test_ctrl_c_ends_it_with_130_and_leaves_nothing() -> None:
    Path("big.res").write_text(
        "model big() {\n  input x: f32[N, 2000, 9, 9]\n"
        + "".join(f"  c{i}: conv(2000, 9x9)\n" for i in range(6))
        + "  output y\n}\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "resdsl", "compile", "big.res"],
        stderr=subprocess.PIPE,
        # Whoever runs the tests in the background of a shell ignores it, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 60
    while not list(Path().glob(".big.onnx.*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in stderr
    assert files() == ["big.res", "tiny.res"]


def test_the_graph_as_text_is_matched_with_its_weights_too(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["compile", "resnet18", "--emit", "ir", "--weights", str(tmp_path / "nosuch.pth")])
    assert result.exit_code == 2
    assert "E0801" in result.output


def test_the_graph_as_text_shows_its_passes() -> None:
    arguments = ["compile", "resnet18", "--emit", "ir", "-O1", "--print-ir-after", "drop-identity"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert "conv1" in result.stderr
