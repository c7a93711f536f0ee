"""Networks from a few lines of the language."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from resdsl.diagnostics import Diagnostics, Source
from resdsl.diagnostics.render import render
from resdsl.elaborate import Limits, elaborate, load_program
from resdsl.ir.graph import Graph

Check = Callable[..., tuple[Graph | None, Diagnostics]]
Build = Callable[..., Graph]
Codes = Callable[..., list[str]]
Net = Callable[..., str]


def _net(body: str, head: str = "", *, shape: str = "N, 3, 32, 32", parameters: str = "") -> str:
    return f"{head}\nmodel net({parameters}) {{\n  input image: f32[{shape}]\n{body}\n}}\n"


def _check(
    text: str,
    *,
    model: str | None = None,
    arguments: dict[str, object] | None = None,
    input_shape: tuple[int | str, ...] | None = None,
    limits: Limits | None = None,
    path: Path | None = None,
) -> tuple[Graph | None, Diagnostics]:
    diagnostics = Diagnostics()
    program = load_program(Source("net.res", text, path), diagnostics, limits=limits)
    graph = elaborate(program, diagnostics, model=model, arguments=arguments, input_shape=input_shape, limits=limits)
    return graph, diagnostics


@pytest.fixture
def net() -> Net:
    """``net(body)``: the text of a model of those lines with an input of 32 x 32 pixels; ``head`` stands before it."""
    return _net


@pytest.fixture
def check() -> Check:
    """``check(text)``: the graph, if there are no errors, and all diagnostics."""
    return _check


@pytest.fixture
def build() -> Build:
    """``build(text)``: the graph of a text without errors."""

    def made(text: str, **settings: object) -> Graph:
        graph, diagnostics = _check(text, **settings)  # type: ignore[arg-type]
        assert not diagnostics.errors, render(diagnostics)
        assert graph is not None
        return graph

    return made


@pytest.fixture
def codes() -> Codes:
    """``codes(text)``: the codes of all diagnostics of a text, in order."""

    def found(text: str, **settings: object) -> list[str]:
        _, diagnostics = _check(text, **settings)  # type: ignore[arg-type]
        return [diagnostic.code.id for diagnostic in diagnostics]

    return found
