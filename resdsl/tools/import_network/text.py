"""The text that is written for an ONNX file."""

from __future__ import annotations

import dataclasses
from pathlib import PurePath

from resdsl.decompile.text import program_text
from resdsl.diagnostics import Code, Diagnostics, catalogue
from resdsl.specification.load import loads
from resdsl.specification.model_file import ModelFile
from resdsl.specification.specification import Specification
from resdsl.tools.import_network.inexpressible import not_expressible, require_operators
from resdsl.untrusted import printable

_AS_IN_THE_FILE = (catalogue.BIAS_BEFORE_NORM, catalogue.POSITIONAL_NAME, catalogue.LABEL_COUNT)
"""Warnings of what a text that computes the same as the file cannot do otherwise."""


def written(network: ModelFile, name: str | None = None) -> Specification:
    """The specification of an ONNX file, formatted, checked, and with a comment that says where it comes from.

    ``name`` replaces the name of the model. Raises ``CompileError`` where the language cannot express the network.
    """
    require_operators(network)
    writing = network.written(library=True)
    if writing is None:
        raise not_expressible(network, ("its joins nest deeper than a text can, or it has too many nodes",))
    program = writing.program
    if name is not None:
        program = dataclasses.replace(program, graph=dataclasses.replace(program.graph, name=name))
    text = program_text(program, comment=[_origin(network)])
    specification = _checked(network, text)
    text = specification.format()
    lines = _lines_of_warnings(specification.diagnostics)
    if lines:
        text = _checked(network, _allowing(specification.source.text, lines)).format()
    return _checked(network, text)


def _checked(network: ModelFile, text: str) -> Specification:
    specification = loads(text, name=f"the text of {network.source.name}", limits=network.limits)
    diagnostics = specification.check()
    if diagnostics.errors:
        raise not_expressible(network, tuple(error.message for error in diagnostics.errors))
    return specification


def _origin(network: ModelFile) -> str:
    """``Imported from resnet50.onnx (pytorch 2.14.1, opset 18).``"""
    model = network.imported.file.model
    name = PurePath(network.source.name.rpartition(":")[2]).name
    producer = printable(f"{model.producer} {model.producer_version}").strip()
    if network.imported.file.noun != "file":
        return f"Imported from {printable(PurePath(network.source.name).name)} ({producer})."
    opset = model.opsets.get("")
    facts = ", ".join(fact for fact in (producer, f"opset {opset}" if opset else "") if fact)
    return f"Imported from {printable(name)} ({facts})." if facts else f"Imported from {printable(name)}."


def _lines_of_warnings(diagnostics: Diagnostics) -> dict[int, set[Code]]:
    lines: dict[int, set[Code]] = {}
    for warning in diagnostics.warnings:
        if warning.primary is not None and warning.code in _AS_IN_THE_FILE:
            lines.setdefault(warning.primary.span.position.line, set()).add(warning.code)
    return lines


def _allowing(text: str, lines: dict[int, set[Code]]) -> str:
    """The text with a comment before each of these lines that allows its warnings."""
    result: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if number in lines:
            indent = line[: len(line) - len(line.lstrip())]
            codes = ", ".join(sorted(code.id for code in lines[number]))
            result.append(f"{indent}# resdsl: allow {codes}")
        result.append(line)
    return "\n".join(result) + "\n"
