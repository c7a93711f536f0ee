"""Warnings about a file that need no elaboration: what it defines and never uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from resdsl.diagnostics import Code, Diagnostic, Diagnostics, Label, catalogue
from resdsl.elaborate.allowances import Allowances
from resdsl.elaborate.limits import MOST_WARNINGS
from resdsl.syntax import tree

_OWN = frozenset(
    code.id
    for code in (catalogue.UNUSED_BLOCK, catalogue.UNUSED_CONST, catalogue.UNUSED_PARAMETER, catalogue.UNUSED_TAP)
)


def lint(module: tree.Module, diagnostics: Diagnostics, allowances: Allowances) -> None:
    """Warn of taps, parameters, consts and blocks that nothing uses; each once, however often a file is looked at.

    Silent where there are errors: a name may be used in a part that could not be read, or be mistyped there.
    """
    if diagnostics.errors:
        return
    reported = {diagnostic.primary for diagnostic in diagnostics if diagnostic.code.id in _OWN}
    for warning in sorted(_unused(module), key=lambda one: one.primary.span.start if one.primary else 0):
        silent = allowances.silence(warning.code, warning.primary.span if warning.primary else None)
        if not silent and warning.primary not in reported and len(diagnostics) < MOST_WARNINGS:
            diagnostics.report(warning)


def _unused(module: tree.Module) -> Iterator[Diagnostic]:
    definitions = [item for item in module.items if isinstance(item, tree.Definition)]
    used = set(_names(_below(module.items)))
    for item in module.items:
        if isinstance(item, tree.Const) and item.name.name not in used:
            yield _warning(
                catalogue.UNUSED_CONST, f"the const `{item.name.name}` is never used", item.name, "leave it out"
            )
    # A file without a model is a library: its blocks are for others.
    if any(definition.kind == "model" for definition in definitions):
        named = [set(_names(_below([definition]))) for definition in definitions]
        uses = Counter(name for names in named for name in names)
        for definition, names in zip(definitions, named, strict=True):
            # That it calls itself is no use of it.
            if definition.kind == "block" and uses[definition.name.name] == (definition.name.name in names):
                yield _warning(
                    catalogue.UNUSED_BLOCK,
                    f"the block `{definition.name.name}` is never used",
                    definition.name,
                    "leave it out, or move it into a file of its own that others can `use`",
                )
    for definition in definitions:
        yield from _unused_in(definition)


def _unused_in(definition: tree.Definition) -> Iterator[Diagnostic]:
    nodes = list(_below([definition]))
    used = set(_names(nodes))
    for parameter in definition.parameters:
        if parameter.name.name not in used:
            yield _warning(
                catalogue.UNUSED_PARAMETER,
                f"`{definition.name.name}` never uses its parameter `{parameter.name.name}`",
                parameter.name,
                "leave it out, here and where it is passed",
            )
    for node in nodes:
        if isinstance(node, tree.Const) and node.name.name not in used:
            yield _warning(
                catalogue.UNUSED_CONST, f"the const `{node.name.name}` is never used", node.name, "leave it out"
            )
    read = {node.tap.name for node in nodes if isinstance(node, tree.From)}
    for node in nodes:
        if isinstance(node, tree.Tap) and node.name.name not in read:
            yield _warning(
                catalogue.UNUSED_TAP,
                f"the tap `{node.name.name}` is never used",
                node.name,
                f"start from it with `from {node.name.name} {{ ... }}`, or leave it out",
            )


def _warning(code: Code, message: str, at: tree.Identifier, help: str) -> Diagnostic:
    return Diagnostic(code, message, Label(at.span), helps=(help,))


def _names(nodes: Iterable[object]) -> Iterator[str]:
    """What is referred to: variables, and the blocks and functions that are called."""
    for node in nodes:
        if isinstance(node, tree.Name):
            yield node.name
        elif isinstance(node, tree.Call):
            yield node.callee.name
        elif isinstance(node, tree.FunctionCall):
            yield node.function.name


def _below(roots: Iterable[object]) -> Iterator[tree.Tree]:
    """Every node of some trees, in no particular order but a parent before its children."""
    stack: list[object] = list(roots)
    while stack:
        item = stack.pop()
        if isinstance(item, tuple):
            stack.extend(item)
        elif isinstance(item, tree.Tree):
            yield item
            kind: Any = type(item)  # mypy takes the hash of a class for that of its objects
            stack += [getattr(item, name) for name in tree.field_names(kind)]
