"""Files that use files, and the limits on what a text may ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import Limits, elaborate, load_program
from resdsl.ir.graph import Graph

Build = Callable[..., Graph]
Check = Callable[..., tuple[Graph | None, Diagnostics]]
Net = Callable[..., str]
Codes = Callable[..., list[str]]

STEM = "block stem(width) {\n  conv1: conv(width, 3x3)\n}\n"


def test_use_is_relative_to_the_file_that_uses(tmp_path: Path, net: Net, build: Build) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/stem.res").write_text(STEM)
    (tmp_path / "parts/pair.res").write_text(
        'use "stem.res" (stem)\nblock pair(width) {\n  a: stem(width)\n  b: stem(width)\n}\n'
    )
    text = net("x1: pair(8)\nx2: stem(4)\noutput y", 'use "parts/pair.res" (pair)\nuse "parts/stem.res" (stem)')
    graph = build(text, path=tmp_path / "net.res")
    assert list(graph.parameters) == ["x1.a.conv1.weight", "x1.b.conv1.weight", "x2.conv1.weight"]


def test_a_used_block_keeps_the_consts_and_blocks_of_its_own_file(tmp_path: Path, net: Net, build: Build) -> None:
    (tmp_path / "part.res").write_text(
        "const width = 4\nblock inner() {\n  a: conv(width, 1x1)\n}\nblock part() {\n  i: inner\n}\n"
    )
    text = net("x1: part\nx2: conv(width, 1x1)\noutput y", 'use "part.res" (part)\nconst width = 16')
    graph = build(text, path=tmp_path / "net.res")
    assert [parameter.shape[0] for parameter in graph.parameters.values()] == [4, 16]


def test_only_what_is_named_is_brought_in(tmp_path: Path, net: Net, codes: Codes) -> None:
    (tmp_path / "part.res").write_text(STEM + "block other() {\n  relu\n}\n")
    text = net("x1: stem(8)\nother\noutput y", 'use "part.res" (stem)')
    assert codes(text, path=tmp_path / "net.res") == ["E0202"]


def test_what_a_used_file_uses_is_not_its_own(tmp_path: Path, net: Net, codes: Codes) -> None:
    (tmp_path / "a.res").write_text(STEM)
    (tmp_path / "b.res").write_text('use "a.res" (stem)\nblock b() {\n  s: stem(8)\n}\n')
    text = net("x1: stem(8)\noutput y", 'use "b.res" (stem)')
    assert codes(text, path=tmp_path / "net.res") == ["E0403"]


def test_models_can_be_used(tmp_path: Path, net: Net, build: Build) -> None:
    (tmp_path / "m.res").write_text(net("a: conv(8, 1x1)\noutput y").replace("net()", "other()"))
    graph = build(net("x1: other\noutput y", 'use "m.res" (other)'), path=tmp_path / "net.res")
    assert list(graph.parameters) == ["x1.a.weight"]


def test_the_library_is_found_from_anywhere(net: Net, build: Build) -> None:
    graph = build(net("x1: bottleneck(8)\noutput y", 'use "std/residual.res" (bottleneck)'))
    assert "x1.downsample.0.weight" in graph.parameters


def test_a_file_that_two_others_use_is_read_once(tmp_path: Path, net: Net) -> None:
    (tmp_path / "a.res").write_text(STEM)
    for name in ("b", "c"):
        (tmp_path / f"{name}.res").write_text(f'use "a.res" (stem)\nblock {name}() {{\n  s: stem(8)\n}}\n')
    text = net("x1: b\nx2: c\noutput y", 'use "b.res" (b)\nuse "c.res" (c)')
    program = load_program(Source("net.res", text, tmp_path / "net.res"), Diagnostics())
    assert [source.name for source in program.sources] == ["net.res", "b.res", "a.res", "c.res"]


def test_a_file_that_uses_itself_is_reported(tmp_path: Path, net: Net, codes: Codes) -> None:
    path = tmp_path / "net.res"
    text = net("relu\noutput y", 'use "net.res" (net)')
    path.write_text(text)
    assert codes(text, path=path) == ["E0402"]


def test_use_cannot_leave_the_folder_unless_allowed(tmp_path: Path, net: Net, build: Build, codes: Codes) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "stem.res").write_text(STEM)
    path = tmp_path / "specs/net.res"
    text = net("x1: stem(8)\noutput y", 'use "../stem.res" (stem)')
    assert codes(text, path=path) == ["E0404"]
    build(text, path=path, limits=Limits(outside=True))
    absolute = text.replace("../stem.res", str(tmp_path / "stem.res"))
    assert codes(absolute, path=path) == ["E0404"]


def test_a_link_cannot_lead_out_of_the_folder(tmp_path: Path, net: Net, codes: Codes) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "stem.res").write_text(STEM)
    (tmp_path / "specs/stem.res").symlink_to(tmp_path / "stem.res")
    text = net("x1: stem(8)\noutput y", 'use "stem.res" (stem)')
    assert codes(text, path=tmp_path / "specs/net.res") == ["E0404"]


def test_the_library_cannot_be_left(net: Net, codes: Codes) -> None:
    assert codes(net("x1: a\noutput y", 'use "std/../labels/x.res" (a)')) == ["E0404"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_file_that_cannot_be_read_is_reported_once(
    content: bytes | None, tmp_path: Path, net: Net, codes: Codes
) -> None:
    if content is None:
        (tmp_path / "part.res").mkdir()
    else:
        (tmp_path / "part.res").write_bytes(content)
    text = net("x1: stem(8)\nx2: stem(8)\noutput y", 'use "part.res" (stem)')
    assert codes(text, path=tmp_path / "net.res") == ["E0401"]


@pytest.mark.parametrize("name", ["", ".", "a\0b", "x" * 5000, "/"])
def test_an_odd_path_is_reported(name: str, tmp_path: Path, net: Net, codes: Codes) -> None:
    found = codes(net("x1: stem(8)\noutput y", f'use "{name}" (stem)'), path=tmp_path / "net.res")
    assert found
    assert found[0][:3] in ("E01", "E04")


def test_errors_in_a_used_file_are_reported_with_their_location(tmp_path: Path, net: Net, check: Check) -> None:
    (tmp_path / "part.res").write_text("block part() {\n  a: conv(8)\n}\n")
    graph, diagnostics = check(net("x1: part\noutput y", 'use "part.res" (part)'), path=tmp_path / "net.res")
    assert graph is None
    (error,) = diagnostics.errors
    assert error.primary is not None
    assert str(error.primary.span) == "part.res:2:6"
    assert [str(call.span) for call in error.chain] == ["net.res:4:5"]


# --- limits ----------------------------------------------------------------------------------------------------------

DOUBLING = "".join(f"block b{i}() {{\n  b{i + 1}\n  b{i + 1}\n}}\n" for i in range(60)) + "block b60() {\n  relu\n}\n"


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ("a: 100_000_000 x relu", ""),
        ("for i in 1..100_000_000 { relu }", ""),
        ("for i in 1..100_000 { for j in 1..100_000 { } }", ""),
        ("b0", DOUBLING),
    ],
)
def test_what_grows_without_bound_is_stopped(body: str, head: str, net: Net, codes: Codes) -> None:
    found = codes(net(f"{body}\noutput y", head), limits=Limits(nodes=2_000, steps=10_000))
    assert found == ["E0901"]


def test_deep_nesting_is_stopped(net: Net, codes: Codes) -> None:
    chain = "".join(f"block b{i}() {{\n  b{i + 1}\n}}\n" for i in range(500)) + "block b500() {\n  relu\n}\n"
    assert codes(net("b0\noutput y", chain)) == ["E0901"]
    assert set(codes(net("{" * 300 + " relu " + "}" * 300 + "\noutput y"))) == {"E0901"}


def test_a_limit_can_be_raised(net: Net, build: Build) -> None:
    text = net("a: 50 x relu\noutput y")
    with pytest.raises(AssertionError):
        build(text, limits=Limits(nodes=40))
    assert len(build(text, limits=Limits(nodes=60)).nodes) == 51


def test_a_used_file_cannot_be_enormous(tmp_path: Path, net: Net, codes: Codes) -> None:
    (tmp_path / "part.res").write_text("#" * 2000)
    text = net("x1: part\noutput y", 'use "part.res" (part)')
    assert codes(text, path=tmp_path / "net.res", limits=Limits(file_bytes=1000)) == ["E0901"]


def test_there_cannot_be_endlessly_many_files(tmp_path: Path, net: Net, codes: Codes) -> None:
    for i in range(20):
        (tmp_path / f"p{i}.res").write_text(f'use "p{i + 1}.res" (p{i + 1})\nblock p{i}() {{\n  p{i + 1}\n}}\n')
    text = net("p0\noutput y", 'use "p0.res" (p0)')
    assert codes(text, path=tmp_path / "net.res", limits=Limits(files=10)) == ["E0901"]


def test_large_numbers_are_refused_and_not_computed(net: Net, codes: Codes) -> None:
    body = "\n".join(["const a0 = 1_000_000_000"] + [f"const a{i + 1} = a{i} * a{i}" for i in range(40)])
    assert codes(net(f"{body}\nscale(a40)\noutput y")) == ["E0209"]


def test_long_lists_are_refused(net: Net, codes: Codes) -> None:
    body = "\n".join(["const a0 = [1, 2]"] + [f"const a{i + 1} = a{i} + a{i}" for i in range(40)])
    assert codes(net(f"{body}\nscale(len(a40))\noutput y")) == ["E0209"]


def test_the_graph_of_a_broken_text_is_none_and_all_of_its_models_are_tried() -> None:
    diagnostics = Diagnostics()
    program = load_program(Source("x.res", "model a() {\n"), diagnostics)
    assert elaborate(program, diagnostics) is None
    assert diagnostics.errors


@pytest.mark.parametrize(
    "body",
    [
        "maxpool(1_000_000_000_000, stride = 2)",
        "maxpool(9_007_199_254_740_993, stride = 2)",
        "maxpool(1_000_000, dilation = 1_000_000, stride = 1, pad = 999_999)",
        "a: conv(9_007_199_254_740_993, 3x3)",
        "a: conv(8, 3x3, 30 = 4)",
        f"expect macs == 0.{'0' * 40}1M",
        f"a: conv({2**40}, 999x999)\nb: conv({2**40}, 999x999)\nexpect macs == 1.0G",
        f"relu -> [{'1 + ' * 500}1]",
    ],
    ids=range(8),
)
def test_texts_that_once_crashed_or_hung_are_reported(body: str, net: Net, codes: Codes) -> None:
    assert codes(net(f"{body}\noutput y"))


def test_an_error_in_a_given_value_quotes_the_value_alone(net: Callable[..., str]) -> None:
    program = load_program(Source("net.res", net("relu\noutput y", parameters="n = 1")), diagnostics := Diagnostics())
    for value, quoted in (("ten", "ten"), ("3 * bb", "bb"), ("(3", "(")):
        diagnostics = Diagnostics()
        elaborate(program, diagnostics, arguments={"n": value})
        primary = diagnostics.errors[0].primary
        assert primary is not None
        assert (primary.span.source.text, primary.span.text) == (value, quoted)
        assert str(primary.span) == f"--set n:1:{value.index(quoted) + 1}"
