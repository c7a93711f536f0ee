"""``%%res`` in a real IPython."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import resdsl

NET = """\
model net(classes = 10) {
  input image: f32[N, 3, 32, 32]
  conv1: conv(16, 3x3);  bn1: bn;  relu
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    one = InteractiveShell.instance()
    # As in a notebook: a terminal shows text only.
    one.display_formatter.active_types = one.display_formatter.format_types
    one.run_line_magic("load_ext", "resdsl")
    yield one
    InteractiveShell.clear_instance()


def outputs(shell: InteractiveShell, line: str, cell: str) -> list[dict[str, Any]]:
    with capture_output() as captured:
        shell.run_cell_magic("res", line, cell)
    return [output.data for output in captured.outputs]


def test_a_cell_shows_the_picture_and_gives_the_network_a_name(shell: InteractiveShell) -> None:
    (shown,) = outputs(shell, "net --set classes=3", NET)
    assert "<svg" in shown["text/html"] and shown["image/svg+xml"].startswith("<svg")
    network = shell.user_ns["net"]
    assert isinstance(network, resdsl.Specification)
    # 3 * 16 * 9 weights, two numbers for each of 16 channels, and 3 classes of 16 weights and a bias.
    assert network.graph.parameter_count == 432 + 32 + 51


def test_errors_are_shown_with_their_place_and_nothing_is_named(shell: InteractiveShell) -> None:
    (shown,) = outputs(shell, "net", NET.replace("relu", "<b>rleu"))
    assert "&lt;cell&gt;:3:" in shown["text/html"] and "<b>" not in shown["text/html"]
    assert "error[" in shown["text/plain"] and "net" not in shell.user_ns


def test_warnings_are_shown_beside_the_picture(shell: InteractiveShell) -> None:
    warning, picture = outputs(shell, "", NET.replace("conv1: ", ""))
    assert "W0501" in warning["text/plain"] and "<svg" in picture["text/html"]
    (warning,) = outputs(shell, "--check", NET.replace("conv1: ", ""))
    assert "W0501" in warning["text/plain"]


def test_a_wrong_total_is_shown_beside_the_picture_and_nothing_is_named(shell: InteractiveShell) -> None:
    wrong = NET.replace("}\n", "  expect depth == 3\n}\n")
    error, picture = outputs(shell, "net", wrong)
    assert "E0502" in error["text/plain"] and "<svg" in picture["text/html"] and "net" not in shell.user_ns
    shown = resdsl.load(resdsl.Source("net", wrong))._repr_mimebundle_()
    assert "E0502" in shown["text/html"] and "<svg" in shown["text/html"]


@pytest.mark.parametrize("line", ["--set classes", "--input a,-1", "1net", "--frobnicate", "net more"])
def test_a_wrong_line_does_not_end_the_kernel(shell: InteractiveShell, line: str) -> None:
    with pytest.raises(UsageError, match="%%res"):
        shell.run_cell_magic("res", line, NET)


def test_blocks_are_checked_and_have_no_picture(shell: InteractiveShell) -> None:
    assert outputs(shell, "blocks", "block a(w) { c: conv(w, 3x3) }\n") == []
    assert shell.user_ns["blocks"].models == ()
