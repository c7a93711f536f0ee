"""Trace a module with ``torch.export``: refuse what depends on data, with the place in the module's own code."""

from __future__ import annotations

import copy
import logging
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.export import Dim, ExportedProgram, export

from resdsl.diagnostics import Diagnostic, Label, RunError, Source, catalogue
from resdsl.untrusted import printable

Example = tuple[Any, ...]

_SMALLEST_BATCH = 2
"""``torch.export`` takes a size of 1 for one that is always 1."""

_LIBRARIES = (str(Path(torch.__file__).parent), str(Path(__file__).parents[2]))


def trace(module: nn.Module, example: Example, called: str, *, free: Sequence[int] = (0,)) -> ExportedProgram:
    """The program of ``module`` at inference, in float32 on the CPU. ``module`` is not changed.

    ``free`` are the axes of the first input whose size stays open where the module allows it. Raises ``RunError`` if
    the module cannot be traced, with the line of its code at fault.
    """
    try:
        with _quiet():
            return _traced(copy.deepcopy(module).float().cpu().eval(), example, free)
    # The code of the module may raise anything.
    except Exception as error:
        raise _refusal(error, called) from error


def _traced(module: nn.Module, example: Example, free: Sequence[int]) -> ExportedProgram:
    first, *others = example
    if isinstance(first, torch.Tensor) and first.ndim and free:
        if len(first) < _SMALLEST_BATCH and 0 in free:
            first = first.repeat(_SMALLEST_BATCH, *[1] * (first.ndim - 1))
        try:
            sizes = (dict.fromkeys(free, Dim.AUTO), *[None] * len(others))
            program = _exported(module, (first, *others), sizes)
        except Exception as error:
            if _depends_on_data(error):
                raise
            # A module may do with one size alone, which it does not say; what it cannot do at all fails again.
            program = None
        if program is not None and _is_free(program):
            return program
    return _exported(module, example, None)


def _exported(module: nn.Module, example: Example, sizes: Any) -> ExportedProgram:
    # Parameters that need gradients would make what runs without them a graph of its own.
    with torch.no_grad():
        program = export(module, example, dynamic_shapes=sizes, strict=False)
        if _needs_functions(program.graph):
            program = program.run_decompositions({})
    return program


def _is_free(program: ExportedProgram) -> bool:
    names = program.graph_signature.user_inputs
    value = next(node.meta["val"] for node in program.graph.nodes if node.name == names[0])
    return not isinstance(value.shape[0], int)


def _needs_functions(graph: fx.Graph) -> bool:
    """Whether a call changes a value that others read as well: then each change has to become a value of its own."""
    order = {node: place for place, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if not is_in_place(node):
            continue
        changed: fx.Node = node.args[0]
        if changed.op == "placeholder" or _is_view(changed):
            return True
        if any(order[user] > order[node] or _is_view(user) for user in changed.users if user is not node):
            return True
    return False


def is_in_place(node: fx.Node) -> bool:
    """Whether a call changes its first argument."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and bool(schema.is_mutable) and str(schema.name).endswith("_")


def _is_view(node: fx.Node) -> bool:
    """Whether a value shares memory with another."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return bool(node.op == "call_function")  # an item of several values
    aliases = [result.alias_info for result in schema.returns]
    return any(alias is not None and bool(not alias.is_write) for alias in aliases)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what ``torch.export`` prints about a failure, and with what the module prints on standard error."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    printed = StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
        sys.stderr.write(printed.getvalue())
    finally:
        logging.disable(before)


def _refusal(error: Exception, called: str) -> RunError:
    name = printable(called)
    frame = _frame(error)
    place = _label(frame)
    where = "" if frame is None else f" at {printable(_shown(frame.filename))}:{frame.lineno}"
    if _depends_on_data(error):
        return RunError(
            Diagnostic(
                catalogue.NOT_TRACED,
                f"`{name}` decides by the values of tensors what it computes{where}; a network always does the same",
                place,
                helps=("compute both results and choose with `torch.where`, or import the module behind the decision",),
            )
        )
    reason = printable(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}", most=500)
    return RunError(
        Diagnostic(
            catalogue.NOT_TRACED,
            f"`{name}` cannot be traced{where}: {reason}",
            place,
            helps=("does it run with an input of this shape? `--input` states another, such as `--input N,3,299,299`",),
        )
    )


def _depends_on_data(error: BaseException) -> bool:
    names = {kind.__name__ for one in _causes(error) for kind in type(one).__mro__}
    return bool(names & {"GuardOnDataDependentSymNode", "DataDependentOutputException", "DynamicOutputShapeException"})


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _frame(error: Exception) -> traceback.FrameSummary | None:
    """The innermost line of the module's own code, or of a library that it calls."""
    for one in _causes(error):
        frames = traceback.extract_tb(one.__traceback__)
        own = [frame for frame in frames if not frame.filename.startswith((*_LIBRARIES, "<"))]
        if own:
            return own[-1]
    return None


def _shown(file: str) -> str:
    """A file as the user names it: from the current folder, if it is in that."""
    path, folder = Path(file), Path.cwd()
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file


def _label(frame: traceback.FrameSummary | None) -> Label | None:
    if frame is None or not frame.lineno:
        return None
    try:
        text = Path(frame.filename).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    lines = text.splitlines(keepends=True)
    if frame.lineno > len(lines):
        return None
    start = sum(map(len, lines[: frame.lineno - 1]))
    line = lines[frame.lineno - 1]
    begin = start + len(line) - len(line.lstrip())
    return Label(
        Source(_shown(frame.filename), text, Path(frame.filename)).span(begin, start + len(line.rstrip())), "here"
    )
