"""The table of a network as text, Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from resdsl.analysis.quantities import exact, short, size
from resdsl.analysis.receptive import ReceptiveField
from resdsl.analysis.summary import Row, Summary, folded
from resdsl.ir.dims import Dim, symbols
from resdsl.ir.graph import ScopeKind
from resdsl.untrusted import printable

if TYPE_CHECKING:
    from resdsl.analysis.cost import Cost
    from resdsl.analysis.training import TrainingCost

HEADINGS = ("name", "layers", "output", "parameters", "MACs", "activations", "field", "stride")
NUMBERS_FROM = 3

_LONGEST_EXPRESSION = 30
"""Maximum length of a symbolic count in a cell; the totals show longer ones."""

_LONGEST_TOTAL = 400
"""Maximum length of a symbolic count in the totals; ``--json`` has longer ones."""

_LONGEST_LAYERS = 100
"""Characters of the cell with the layers of a row; ``--json`` and ``csv`` have all of them."""

_CSV_COLUMNS = (
    "level",
    "kind",
    "name",
    "layers",
    "output",
    "parameters",
    "buffers",
    "macs",
    "activation_bytes",
    "field_height",
    "field_width",
    "stride_height",
    "stride_width",
)

Smallest = Mapping[str, int | None]
"""For each symbolic size of the input, the smallest that every layer accepts."""


def heading(summary: Summary) -> str:
    return f"{summary.name}: {summary.input_name} {summary.input.dtype}{summary.input}"


def cells(summary: Summary) -> list[tuple[str, ...]]:
    """The rows of the text table: equal blocks once, children indented below their parent."""
    return [_cells(row, level) for level, row in _levels(folded(summary.rows))]


def totals(summary: Summary, smallest: Smallest, training: TrainingCost | None = None) -> list[tuple[str, str]]:
    """The lines below the table: a name and its value."""
    cost = summary.cost
    outputs = ", ".join(f"{name} {result}" for name, result in summary.outputs)
    bounds = ", ".join(f"{symbol} from {size}" for symbol, size in smallest.items() if size is not None and size > 1)
    buffers = f" (and {exact(cost.buffers)} running statistics)" if cost.buffers else ""
    in_short = f" ({size(cost.activation_bytes)})" if isinstance(cost.activation_bytes, int) else ""
    lines = [
        ("outputs", outputs),
        ("parameters", f"{exact(cost.parameters)}{buffers}"),
        ("MACs", _total(cost.macs, "for one image")),
        ("activations", _total(cost.activation_bytes, f"bytes{in_short} for one image, the outputs of all layers")),
        ("depth", f"{summary.depth} layer{'s' * (summary.depth != 1)} with weights on the longest path"),
    ]
    if (aux := summary.aux) is not None:
        counted = f"{exact(aux.parameters)} parameters, {exact(aux.macs)} MACs"
        lines.append(("aux", f"{counted} more in heads that only training needs"))
    if bounds:
        lines.append(("smallest", f"{bounds}: a smaller input makes the output of a layer empty"))
    if not isinstance(cost.macs, int) and any(map(symbols, summary.input.shape[1:])):
        sizes = [
            one if isinstance(one, int) else "N" if place == 0 else 224 for place, one in enumerate(summary.input.shape)
        ]
        lines.append(("", f"fix the input size to count MACs: --input '{','.join(map(str, sizes))}'"))
    return lines + (_training(training) if training is not None else [])


def _training(cost: TrainingCost) -> list[tuple[str, str]]:
    """The cost of a training step."""
    forward, times = cost.forward_macs, ""
    if isinstance(cost.macs, int) and isinstance(forward, int) and forward:
        times = f", {cost.macs / forward:.2f} times the forward pass"
    return [
        ("training", f"a step of {exact(cost.batch)} images"),
        ("  MACs", f"{exact(cost.macs)}{times}"),
        ("  weights", f"{size(cost.parameters)}; gradients {size(cost.gradients)}; optimizer {size(cost.optimizer)}"),
        (
            "  values",
            f"{size(cost.activations)} of layers, kept for gradients; {size(cost.working)} working memory",
        ),
        ("  memory", f"{size(cost.bytes)} together"),
    ]


def _total(count: Dim, what: str) -> str:
    """A count of ``what``, or how many sizes it depends on: a detector has hundreds that only a run decides."""
    written = exact(count)
    if len(written) <= _LONGEST_TOTAL:
        return f"{written} {what}"
    return f"depends on {len(symbols(count))} sizes that only a run decides"


def text(summary: Summary, smallest: Smallest, training: TrainingCost | None = None) -> str:
    """Columns separated by spaces, numbers right-aligned."""
    table = [HEADINGS, *cells(summary)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(
            cell.rjust(width) if column >= NUMBERS_FROM else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    return "\n".join([heading(summary), "", *lines, "", *totals_text(summary, smallest, training)])


def totals_text(summary: Summary, smallest: Smallest, training: TrainingCost | None = None) -> list[str]:
    return [f"{what:11}  {amount}" if what else amount for what, amount in totals(summary, smallest, training)]


def markdown(summary: Summary, smallest: Smallest, training: TrainingCost | None = None) -> str:
    """A Markdown table, followed by the totals as a list."""
    marks = ["---" if column < NUMBERS_FROM else "---:" for column in range(len(HEADINGS))]
    table = [HEADINGS, tuple(marks), *(_in_markdown(row) for row in cells(summary))]
    lines = [f"| {' | '.join(row)} |" for row in table]
    shown = totals(summary, smallest, training)
    below = [f"{'  ' * what.startswith(' ')}- {what.strip()}: {amount}" for what, amount in shown if what]
    return "\n".join([f"### {heading(summary)}", "", *lines, "", *below])


def table_csv(summary: Summary) -> str:
    """Every row, unfolded, with exact numbers. The children of a row add up to it."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for level, row in _levels(summary.rows):
        field = row.field
        seen: tuple[object, ...] = ("", "", "", "")
        if field is not None:
            seen = (field.rows.size, field.columns.size, field.rows.stride, field.columns.stride)
        cost = row.cost
        counts = (cost.parameters, cost.buffers, str(cost.macs), str(cost.activation_bytes))
        writer.writerow((level + 1, row.kind, row.path, row.text, row.output, *counts, *seen))
    return stream.getvalue()


def data(summary: Summary, smallest: Smallest, training: TrainingCost | None = None) -> dict[str, object]:
    """The summary as JSON data. Symbolic sizes and counts are strings."""
    return {
        "name": summary.name,
        "input": {
            "name": summary.input_name,
            "dtype": str(summary.input.dtype),
            "shape": _shape(summary.input.shape),
        },
        "outputs": [{"name": name, "shape": _shape(result.shape)} for name, result in summary.outputs],
        "rows": [_row_data(row) for row in summary.rows],
        **_cost_data(summary.cost),
        "aux": None if summary.aux is None else _cost_data(summary.aux),
        "depth": summary.depth,
        "smallest_input": dict(smallest),
        **({} if training is None else {"training": _training_data(training)}),
    }


def _training_data(cost: TrainingCost) -> dict[str, object]:
    return {
        "batch": cost.batch,
        "macs": _number(cost.macs),
        "forward_macs": _number(cost.forward_macs),
        "parameter_bytes": cost.parameters,
        "gradient_bytes": cost.gradients,
        "optimizer_bytes": cost.optimizer,
        "activation_bytes": _number(cost.activations),
        "working_bytes": _number(cost.working),
        "bytes": _number(cost.bytes),
    }


def _levels(rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
    """Rows in depth-first order, with their level."""
    pending = [(0, row) for row in reversed(rows)]
    while pending:
        level, row = pending.pop()
        yield level, row
        pending.extend((level + 1, part) for part in reversed(row.rows))


def _cells(row: Row, level: int) -> tuple[str, ...]:
    cost = row.cost
    return (
        "  " * level + _name(row),
        _layers(row),
        str(row.output),
        short(cost.parameters) if cost.parameters else "",
        _count(cost.macs, short(cost.macs)) if cost.macs else "",
        _count(cost.activation_bytes, size(cost.activation_bytes) if isinstance(cost.activation_bytes, int) else ""),
        *_field(row.field),
    )


def _layers(row: Row) -> str:
    """What a row consists of, as far as a table has room: the first calls, and how many more there are."""
    if len(row.text) <= _LONGEST_LAYERS:
        return row.text
    calls = [str(run) for run in row.layers]
    shown: list[str] = []
    while len(shown) < len(calls) and len(", ".join([*shown, calls[len(shown)]])) <= _LONGEST_LAYERS:
        shown.append(calls[len(shown)])
    if not shown:
        return printable(calls[0], most=_LONGEST_LAYERS) + (f", {len(calls) - 1} more" if len(calls) > 1 else "")
    return f"{', '.join(shown)}, {len(calls) - len(shown)} more"


def _name(row: Row) -> str:
    """``layer3.1..35`` for blocks that share a row."""
    if row.kind == ScopeKind.AUX:
        return f"{row.path} (aux)"
    if row.count == 1:
        return row.path
    (folder, _, first), (last_folder, _, last) = row.path.rpartition("."), row.last.rpartition(".")
    if folder != last_folder:
        return f"{row.path} .. {row.last}"
    # layers.block1 to layers.block9: the number is at the end.
    counted = len(list(takewhile(str.isdigit, reversed(last))))
    number = last[len(last) - counted :]
    stem = last.removesuffix(number)
    is_counted = bool(number) and first.startswith(stem) and first[len(stem) :].isdigit()
    return f"{row.path}..{number if is_counted else last}"


def _count(count: Dim, text: str) -> str:
    if isinstance(count, int):
        return text
    written = str(count)
    return written if len(written) <= _LONGEST_EXPRESSION else "varies"


def _field(field: ReceptiveField | None) -> tuple[str, str]:
    if field is None:
        return "-", "-"
    return _both(field.rows.size, field.columns.size), _both(field.rows.stride, field.columns.stride)


def _both(down: int, across: int) -> str:
    return str(down) if down == across else f"{down}x{across}"


def _in_markdown(row: tuple[str, ...]) -> tuple[str, ...]:
    name, layers, *rest = row
    # GitHub and GitLab drop spaces at the start of a cell.
    indent = "&nbsp;" * (len(name) - len(name.lstrip()))
    shown = f"{indent}`{name.strip()}`" if name.strip() else ""
    return shown, f"`{layers}`", *(cell.replace("|", "\\|") for cell in rest)


def _row_data(row: Row) -> dict[str, object]:
    field = row.field
    return {
        "name": row.path,
        "kind": row.kind,
        "layers": [{"count": run.count, "call": run.call, "arguments": dict(run.arguments)} for run in row.layers],
        "input": _shape(row.input.shape),
        "output": _shape(row.output.shape),
        **_cost_data(row.cost),
        "receptive_field": None if field is None else [field.rows.size, field.columns.size],
        "stride": None if field is None else [field.rows.stride, field.columns.stride],
        **({"rows": [_row_data(part) for part in row.rows]} if row.rows else {}),
    }


def _cost_data(cost: Cost) -> dict[str, object]:
    return {
        "parameters": cost.parameters,
        "buffers": cost.buffers,
        "macs": _number(cost.macs),
        "activation_bytes": _number(cost.activation_bytes),
    }


def _shape(shape: Sequence[object]) -> list[object]:
    return [_number(dim) for dim in shape]


def _number(dim: object) -> object:
    """A size; a symbolic one as a string."""
    return dim if isinstance(dim, int) else str(dim)
