"""Every declared parameter of every built-in specification works with other values than its default."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from resdsl.diagnostics import Diagnostics, Source
from resdsl.diagnostics.render import render
from resdsl.elaborate import elaborate, load_program
from resdsl.elaborate.values import SHORTCUT_KINDS
from resdsl.syntax import tree

from .shipped import ROOT

SPECIFICATIONS = sorted((ROOT / "specs").glob("*.res"))

# What a parameter takes is stated in the comments of these specifications.
MULTIPLES = {
    ("resnet50_fpn", "height"): 32,
    ("resnet50_fpn", "width"): 32,
    ("densenet_cifar", "depth"): 6,
}
# 6n + 2 or 9n + 2 layers; `n` is computed from the named network where it is not given.
COMPUTED = {"n": ["2", "5"]}


def values(spec: str, parameter: tree.Parameter) -> list[str]:
    """Other values for a parameter, from how it is declared."""
    name, default = parameter.name.name, parameter.default
    if parameter.annotation is not None and parameter.annotation.members:
        return [member.name for member in parameter.annotation.members]
    if parameter.annotation is not None and parameter.annotation.name == "shortcut":
        return [kind for kind in SHORTCUT_KINDS if kind not in ("identity", "none")]
    if name in COMPUTED:
        return COMPUTED[name]
    if isinstance(default, tree.Boolean):
        return ["true", "false"]
    assert isinstance(default, tree.Number), f"no values are known for `{name}`"
    if isinstance(default.value, float):
        return [str(default.value / 2), str(default.value + 0.5)]
    step = MULTIPLES.get((spec, name), 8 if default.value % 8 == 0 else 1)
    return [str(default.value + step), str(default.value * 2 - default.value % step)]


def cases() -> Iterator[tuple[Path, str, str, str]]:
    for path in SPECIFICATIONS:
        program = load_program(Source(path.name, path.read_text(encoding="utf-8"), path), Diagnostics())
        for model in program.main.models:
            for parameter in model.tree.parameters:
                for value in values(path.stem, parameter):
                    yield path, model.name, parameter.name.name, value


@pytest.mark.parametrize(
    ("path", "model", "name", "value"), list(cases()), ids=lambda part: part.stem if isinstance(part, Path) else part
)
def test_a_parameter_works_with_other_values(path: Path, model: str, name: str, value: str) -> None:
    diagnostics = Diagnostics()
    program = load_program(Source(path.name, path.read_text(encoding="utf-8"), path), diagnostics)
    graph = elaborate(program, diagnostics, model=model, arguments={name: value})
    assert render(diagnostics.errors) == ""
    assert graph is not None
    assert graph.root.arguments[name] == value
