"""The built-in specifications as graphs, and the reference results that some of them have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from resdsl.diagnostics import Diagnostics, Source
from resdsl.diagnostics.render import render
from resdsl.elaborate import elaborate, load_program
from resdsl.ir.graph import Graph

ROOT = Path(__file__).parents[2]
REFERENCES = ROOT / "tests" / "reference"


def graph_of(name: str, **arguments: object) -> Graph:
    """The network of ``specs/NAME.res``, with arguments for its parameters as the language writes them."""
    path = ROOT / "specs" / f"{name}.res"
    diagnostics = Diagnostics()
    program = load_program(Source(path.name, path.read_text(encoding="utf-8"), path), diagnostics)
    graph = elaborate(program, diagnostics, arguments=arguments)
    assert graph is not None, render(diagnostics, color=False, width=120)
    return graph


def reference_names() -> list[str]:
    return sorted(path.stem for path in REFERENCES.glob("*.json"))


def reference(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((REFERENCES / f"{name}.json").read_text(encoding="utf-8"))
    return data
