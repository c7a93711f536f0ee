"""Warnings: what is never used, and the comments that allow one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from resdsl.diagnostics import Diagnostics, Source
from resdsl.diagnostics.render import render
from resdsl.elaborate import elaborate, load_program
from resdsl.ir.graph import Graph

Check = Callable[..., tuple[Graph | None, Diagnostics]]
Net = Callable[..., str]
Codes = Callable[..., list[str]]

SPECS = Path(__file__).parents[2] / "specs"


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.res")), ids=lambda path: path.stem)
def test_shipped_specifications_give_no_warning(path: Path) -> None:
    diagnostics = Diagnostics()
    program = load_program(Source(path.name, path.read_text(encoding="utf-8"), path), diagnostics)
    for model in program.main.models:
        elaborate(program, diagnostics, model=model.name)
    assert render(diagnostics) == ""


@pytest.mark.parametrize(
    ("body", "head"),
    [
        # Uses in every place where a name may stand.
        ("const n = 2\na: n x relu\noutput y", ""),
        ("const n = 2\nfor i in 1..n { relu }\noutput y", ""),
        ("const n = 2\na{n}: conv(8, 3x3)\noutput y", ""),
        ("const n = 8\na: conv(8, 3x3) -> [N, n, 32, 32]\noutput y", ""),
        ("const n = 216\na: conv(8, 3x3)\noutput y\nexpect parameters == n", ""),
        ("const n = 4\ndefault bn(eps = 1 / n)\nb1: bn\noutput y", ""),
        ("const n = 4\npreprocess { resize(n) }\nrelu\noutput y", ""),
        ("const n = [4]\na: conv(n[0], 1x1)\noutput y", ""),
        ("const n = 1.0\nresidual(scale = n) { relu }\noutput y", ""),
        ("b(relu)\noutput y", "block b(act: block) {\n  act\n}"),
        ("b\noutput y", "block c() {\n  relu\n}\nblock b(body: block = c) {\n  body\n}"),
        ("stage s(n = 1) { b }\noutput y", "block b(n = 0) {\n  if n == 1 { relu }\n}"),
        ("b\noutput y", "block b(a = 1, c = a) {\n  scale(c)\n}"),
    ],
)
def test_what_is_used_is_no_warning(body: str, head: str, net: Net, codes: Codes) -> None:
    assert codes(net(body, head)) == []


def test_a_block_called_only_by_unused_blocks_is_unused(net: Net, codes: Codes) -> None:
    assert codes(net("relu\noutput y", "block b() {\n  relu\n}")) == ["W0504"]


def test_blocks_of_a_library_are_for_others(codes: Codes) -> None:
    assert codes("block b() {\n  relu\n}\n") == ["E0608"]


def test_with_errors_unused_names_are_not_reported(net: Net, codes: Codes) -> None:
    assert codes(net("const width = 4\na: conv(widht, 1x1)\noutput y")) == ["E0201"]


def test_layers_that_no_output_needs_are_reported_at_their_end(net: Net, check: Check) -> None:
    _, diagnostics = check(net("a: conv(8, 3x3)\noutput y\nb: conv(8, 3x3)\nrelu\nc: conv(8, 3x3)"))
    (warning,) = diagnostics.warnings
    assert warning.code.id == "W0507"
    assert warning.primary is not None
    assert warning.primary.span.text == "conv(8, 3x3)"
    assert warning.primary.span.position.line == 8


def test_a_model_that_uses_all_its_layers_is_not_warned(net: Net, codes: Codes) -> None:
    assert codes(net("relu\noutput y\ntanh\noutput z")) == []


@pytest.mark.parametrize(("norm", "warned"), [("instance_norm", True), ("group_norm(2)", False), ("layer_norm", False)])
def test_a_bias_is_redundant_only_before_a_norm_of_single_channels(
    norm: str, warned: bool, net: Net, codes: Codes
) -> None:
    assert codes(net(f"a: conv(8, 3x3, bias = true)\nb: {norm}\noutput y")) == (["W0502"] if warned else [])


# --- allow -----------------------------------------------------------------------------------------------------------

BIAS = "a: conv(8, 3x3, bias = true){after}\nb: bn\noutput y"


@pytest.mark.parametrize(
    "comment",
    [
        "  # resdsl: allow W0502",
        "  # resdsl: allow W0502 as the checkpoint has it",
        "  #resdsl:allow W0502",
        "  # resdsl: allow W0501, W0502",
        "  # resdsl: allow W0501 W0502",
    ],
)
def test_a_comment_after_the_line_allows_it(comment: str, net: Net, codes: Codes) -> None:
    assert codes(net(BIAS.format(after=""))) == ["W0502"]
    assert codes(net(BIAS.format(after=comment))) == []


def test_a_comment_above_the_line_allows_it(net: Net, codes: Codes) -> None:
    assert codes(net("# resdsl: allow W0502\n# because\n\n" + BIAS.format(after=""))) == []


@pytest.mark.parametrize("comment", ["  # resdsl: allow W0501", "  # allow W0502", "  # resdsl: allow"])
def test_another_comment_does_not(comment: str, net: Net, codes: Codes) -> None:
    assert codes(net(BIAS.format(after=comment))) == ["W0502"]


def test_a_comment_holds_for_one_line(net: Net, codes: Codes) -> None:
    assert codes(net("# resdsl: allow W0502\nrelu\n" + BIAS.format(after=""))) == ["W0502"]


def test_errors_cannot_be_allowed(net: Net, codes: Codes) -> None:
    assert codes(net("a: conv(8)  # resdsl: allow E0204\noutput y")) == ["E0204"]


def test_unused_names_can_be_allowed(net: Net, codes: Codes) -> None:
    assert codes(net("const n = 2  # resdsl: allow W0506\nrelu\noutput y")) == []


def test_a_comment_in_a_used_file_holds_there(tmp_path: Path, net: Net, codes: Codes) -> None:
    (tmp_path / "p.res").write_text("block p() {\n  conv(8, 3x3)  # resdsl: allow W0501\n}\n")
    assert codes(net("a: p\noutput y", 'use "p.res" (p)'), path=tmp_path / "net.res") == []
