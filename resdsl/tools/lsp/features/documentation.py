"""What hover and completion say about operators, blocks and keywords, in Markdown."""

from __future__ import annotations

from functools import cache

from resdsl.diagnostics import Source
from resdsl.elaborate.program import Defined
from resdsl.ops.reference import Entry, table
from resdsl.syntax import tree

KEYWORDS = {
    "model": "A network: `model NAME(parameters) { input ...; layers; output NAME }`.",
    "block": "A piece to call: `block NAME(width: int, stride = 1) { ... }`.",
    "use": 'Take definitions from another file: `use "std/residual.res" (basic)`.',
    "const": "A name for a value: `const width = 64`.",
    "input": "The input and its shape: `input image: f32[N, 3, 224, 224]`. A capital letter is an open size.",
    "output": "Make the current value an output: `output logits`.",
    "preprocess": "How an image becomes the input: `preprocess { resize(256); crop(224); normalize(...) }`.",
    "labels": 'The names of the classes: `labels "imagenet1k"`, a file, or a list.',
    "expect": "State a total, which is verified: `expect parameters == 25_557_032`.",
    "default": "Arguments for all later calls of an operator: `default bn(eps = 1e-3)`.",
    "stage": "A part of the network with a name: `stage layer1(width = 64) { 3 x bottleneck }`.",
    "residual": "Add the body to its input: `residual { ... } shortcut projection { ... }`.",
    "shortcut": "What a residual adds its body to: `identity`, `pad`, `projection { ... }` or `conv { ... }`.",
    "concat": "Concatenate branches: each statement inside is a branch from the same value.",
    "add": "Add branches: each statement inside is a branch from the same value.",
    "mul": "Multiply branches, such as a gate: each statement inside is a branch from the same value.",
    "mean": "The mean of branches: each statement inside is a branch from the same value.",
    "tap": "Name the current value, to continue from it later: `tap c3`.",
    "from": "Continue from a tap: `from c3 { conv(256, 1x1) }`.",
    "for": "Repeat with a variable: `for i in 1..6 { ... }`, `for (t, c) in table { ... }`.",
    "if": "Choose: `if stride > 1 { ... } else { ... }`, and in expressions `a if c else b`.",
    "aux": "A head that only training needs: `aux aux1 { ... }`.",
    "channels": "The channels of the current value.",
    "channels_in": "The channels of the value that flowed into the block.",
}
"""Words of the language in one sentence each."""


@cache
def entries() -> dict[str, Entry]:
    """Operators and preprocessing steps by name."""
    return {entry.name: entry for entry in table()}


def entry_markdown(entry: Entry) -> str:
    lines = [f"```res\n{entry.call}\n```", "", entry.doc]
    if entry.arguments:
        lines.append("")
        lines += [f"- `{one.name}`: {one.kind}; {one.doc}" for one in entry.arguments]
    return "\n".join(lines)


def definition_markdown(defined: Defined) -> str:
    """The head of a block or model, and the comment above it."""
    head = f"```res\n{head_of(defined.tree)}\n```"
    comment = comment_above(defined)
    origin = f"\n\n`{defined.unit.module.source.name}`" if defined.unit.module.source.name else ""
    return head + (f"\n\n{comment}" if comment else "") + origin


def head_of(definition: tree.Definition) -> str:
    """``block bottleneck(width: int, stride: int = 1)``."""
    parameters = ", ".join(parameter.span.text for parameter in definition.parameters)
    brackets = f"({parameters})" if parameters else ""
    return f"{definition.kind} {definition.name.name}{brackets}"


def comment_above(defined: Defined) -> str:
    """The comment lines right above a definition."""
    source: Source = defined.unit.module.source
    lines: list[str] = []
    number = defined.tree.span.position.line - 1
    while number >= 1 and source.line(number).lstrip().startswith("#"):
        lines.append(source.line(number).strip().lstrip("#").strip())
        number -= 1
    return "\n".join(reversed(lines))
