"""``labels``: the names of a model's classes."""

from __future__ import annotations

from pathlib import Path

from resdsl.diagnostics import Label, catalogue
from resdsl.diagnostics.options import Option, Text
from resdsl.diagnostics.suggest import renamed
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.program import is_below, is_file
from resdsl.elaborate.values import UNKNOWN, kind_of
from resdsl.inputs import record_input
from resdsl.ir.types import Word
from resdsl.labels import label_sets, read_labels
from resdsl.syntax import tree

LARGEST_LABELS = 10_000_000
"""Bytes of a file of labels."""


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, UnicodeDecodeError):
        return "is not text in UTF-8"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def labels(builder: GraphBuilder, line: tree.Labels, flow: Flow, context: Context) -> tuple[str, ...] | None:
    """The names of the classes: a list, a built-in set, or a text file beside the specification, one name a line."""
    if isinstance(line.value, tree.Name) and line.value.name not in context.variables:
        message = f"there is no `{line.value.name}` here: a set or a file of labels is a string"
        fix = renamed(line.value.span, f'"{line.value.name}"')
        builder.report(catalogue.UNKNOWN_NAME, message, line.value.span, context, fix=fix)
        return None
    if isinstance(line.value, tree.String):
        return _read(builder, line.value.value, line, context)
    value = evaluate(builder, line.value, context, flow)
    if value is UNKNOWN:
        return None
    if isinstance(value, str) and not isinstance(value, Word):
        return _read(builder, value, line, context)
    if isinstance(value, tuple) and value and all(isinstance(item, str) for item in value):
        return tuple(str(item) for item in value)
    _report_no_labels(builder, line.value, value, context)
    return None


def _report_no_labels(builder: GraphBuilder, written: tree.Expression, value: object, context: Context) -> None:
    at, what = written.span, "an empty list" if value == () else kind_of(value)
    if isinstance(value, tuple) and isinstance(written, tree.ListLiteral):
        wrong = next((place for place, item in enumerate(value) if not isinstance(item, str)), None)
        if wrong is not None:
            at, what = written.items[wrong].span, kind_of(value[wrong])
    builder.report(
        catalogue.ARGUMENT_TYPE,
        "labels are a set, a file, or a list of strings",
        Label(at, f"this is {what}"),
        context,
        helps=('write `labels ["cat", "dog"]`',),
    )


def _read(builder: GraphBuilder, name: str, line: tree.Labels, context: Context) -> tuple[str, ...] | None:
    if name in label_sets():
        return read_labels(name)
    source = context.unit.module.source
    folder = source.path.parent if source.path else Path()
    path = folder / name
    if "/" not in name and "." not in name and not is_file(path):
        guess = builder.suggester.closest(name, label_sets())
        helps = () if guess else (f"there are {', '.join(label_sets())}; or name a text file with one label a line",)
        fix = renamed(line.value.span, f'"{guess}"' if guess else None)
        message = f'there is no set of labels "{name}"'
        builder.report(catalogue.UNKNOWN_LABELS, message, line.value.span, context, helps=helps, fix=fix)
        return None
    if not builder.limits.outside and not is_below(path, folder):
        builder.report(
            catalogue.USE_OUTSIDE,
            f'the labels "{name}" lie outside the folder of the specification',
            line.value.span,
            context,
            helps=(Text("move the file below that folder, or allow it with ", Option("limits", {"outside": True})),),
        )
        return None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            # A pipe may never be written to, and a device may never end.
            raise OSError(None, "it is a device or a pipe")
        if path.stat().st_size > LARGEST_LABELS:
            raise OSError(None, f"it has more than {LARGEST_LABELS:,} bytes")
        record_input(path)
        context.unit.labels.add(path)
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        message = f'the file of labels "{name}" {_reason(error)}'
        builder.report(catalogue.LABELS_NOT_FOUND, message, line.value.span, context)
        return None
    return tuple(text.splitlines())
