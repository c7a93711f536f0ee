"""Any text is checked in bounded time. Each of these took minutes, or all memory."""

from __future__ import annotations

import time

import pytest

from resdsl.diagnostics import Diagnostics, Source
from resdsl.diagnostics.render import render
from resdsl.elaborate import Limits, elaborate, load_program
from resdsl.elaborate.limits import MOST_ERRORS, MOST_WARNINGS, Budget
from resdsl.ir.dims import Dim, is_manageable, symbol
from resdsl.specification.load import load

# A tenth of the limits, for which a tenth of the ten seconds is wanted; machines that run tests are busy.
TENTH = Limits(steps=Limits().steps // 10, nodes=Limits().nodes // 10)
SECONDS = 5.0


def model(body: str, head: str = "", *, shape: str = "N, 3, 8, 8") -> str:
    return f"{head}\nmodel m {{\n  input x: f32[{shape}]\n{body}\n  output y\n}}\n"


def lines(form: str, count: int) -> str:
    return "\n".join(form.format(n=number, next=number + 1) for number in range(count))


LONG = "ab" * 33
LIST = f"[{', '.join(['1'] * 900)}]"

TEXTS = {
    "a misspelt call in a loop": model("for i in 1..1000000 { l{i}: bottlenek(3) }"),
    "a misspelt call in a block in loops": model(
        "for i in 1..1000 { for j in 1..1000 { l{i}: b } }", "block b { bottlenek }"
    ),
    "misspelt long names": model(lines(LONG + "{n:05d}x", 300), lines(f"block {LONG}{{n:05d}} {{{{ relu }}}}", 300)),
    "consts before their definition": model("relu", lines("const c{n} = c{next} + 1", 4_000)),
    "a wrong shape in a loop": model("for i in 1..1000000 { l{i}: b }", "block b { relu -> [N, 4, 8, 8] }"),
    "many consts and a loop": model(
        "for i in 1..1000000 { l{i}: b }", lines("const c{n} = 1", 5_000) + "\nblock b { relu }"
    ),
    "a long list in a loop": model(f"for i in 1..1000000 {{ const l = {LIST}; r{{i}}: relu }}"),
    "long lists joined in a loop": model("for i in 1..1000000 { const k = l + [i]; r{i}: relu }", f"const l = {LIST}"),
    "products of sums": model(
        "const a0 = H + W + 1\n" + lines("const a{next} = a{n} * a{n}", 20) + "\nrelu -> [N, 3, a20, W]",
        shape="N, 3, H, W",
    ),
    "powers": model(
        "const a0 = H\n" + lines("const a{next} = a{n} * a{n}", 30) + "\nrelu -> [N, 3, a30, W]", shape="N, 3, H, W"
    ),
    "divisions in divisions": model(
        "const a0 = H\n" + lines("const a{next} = (a{n} * H + a{n} * W + 1) // 2", 60) + "\nrelu -> [N, 3, a60, W]",
        shape="N, 3, H, W",
    ),
    "a long label around a loop": model(f"{'a' * 300_000}: {{ for i in 1..1000000 {{ l{{i}}: relu }} }}"),
    "calls of many arguments": model(
        f"for i in 1..1000000 {{ l{{i}}: b({', '.join(f'p{n} = 2' for n in range(3_000))}) }}",
        f"block b({', '.join(f'p{n} = 1' for n in range(3_000))}) {{ relu }}",
    ),
    "warnings in a call of many arguments": model(
        "l: b", f"block b({', '.join(f'p{n} = 1' for n in range(3_000))}) {{\n{lines('conv(3, 1x1)', 3_000)}\n}}"
    ),
    "outputs": model(lines("output o{n}", 10_000)),
    "unknown taps": model(lines("tap t{n}; from u{n} {{ relu }}", 3_000)),
    "a name defined again and again": model("relu", "const a = 1\n" * 5_000),
    "names that a file does not define": model(
        "relu", f'use "std/residual.res" ({", ".join(f"basi{n}" for n in range(5_000))})'
    ),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_is_checked_in_bounded_time(text: str) -> None:
    diagnostics = Diagnostics()
    program = load_program(Source("net.res", text), diagnostics)
    start = time.process_time()
    elaborate(program, diagnostics, limits=TENTH)
    assert time.process_time() - start < SECONDS


@pytest.mark.parametrize("end", ["; ", "\n"], ids=["one line", "many lines"])
def test_the_errors_of_a_text_are_drawn_in_bounded_time(end: str) -> None:
    diagnostics = load(Source("net.res", model(f"rellu{end}" * 60_000))).check()
    start = time.process_time()
    text = render(diagnostics, most=100)
    assert time.process_time() - start < SECONDS
    assert len(text) < 200_000


def test_an_error_in_a_loop_is_reported_once_with_the_reason_for_stopping() -> None:
    diagnostics = load(Source("net.res", TEXTS["a misspelt call in a loop"])).check()
    assert [error.code.id for error in diagnostics.errors] == ["E0202", "E0901"]
    assert diagnostics.repeats(diagnostics.errors[0]) == MOST_ERRORS - 1


def test_the_limits_hold_for_all_models_of_a_file_together() -> None:
    head = "block b { for i in 1..60 { l{i}: relu } }\n"
    text = head + lines("model m{n} {{ input x: f32[N, 3, 8, 8]\n b\n output y }}", 3)
    assert not load(Source("net.res", text)).check().errors
    two = load(Source("net.res", text), limits=Limits(nodes=150)).check()
    assert [error.code.id for error in two.errors] == ["E0901"]
    # One alone is within them, and so is each one that is built later.
    for name in ("m0", "m2"):
        assert not load(Source("net.res", text), model=name, limits=Limits(nodes=150)).check().errors


def test_a_budget_that_is_used_up_builds_nothing_more() -> None:
    program = load_program(Source("net.res", model("relu")), diagnostics := Diagnostics())
    assert elaborate(program, diagnostics, budget=Budget(exhausted=True)) is None


def test_sizes_of_real_networks_are_manageable() -> None:
    size: Dim = symbol("H")
    for _ in range(50):
        size = (size - 1) // 2 + 1
        assert is_manageable(size)
        assert is_manageable(size * symbol("W") * 2_048)


def test_a_text_has_a_bounded_number_of_warnings() -> None:
    diagnostics = load(Source("net.res", TEXTS["warnings in a call of many arguments"])).check()
    assert len(diagnostics.warnings) == MOST_WARNINGS
