"""What is known of one text at one moment: its tree, its names, its diagnostics, and what became of each statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from resdsl.diagnostics import Diagnostic, Diagnostics, Source, Span
from resdsl.elaborate.limits import Limits
from resdsl.elaborate.program import Unit, standard_library
from resdsl.elaborate.trace import Trace, Visit, Visits
from resdsl.ir.graph import Graph
from resdsl.specification.specification import Specification
from resdsl.syntax import parse, tree
from resdsl.syntax.grammar import grammar
from resdsl.syntax.lexing import lex
from resdsl.syntax.parser import Reading, read
from resdsl.syntax.token import Token
from resdsl.tools.lsp.names import Names, names_of
from resdsl.tools.lsp.positions import Positions

Reader = Callable[[Path], str]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a file is built, as the options of the command line say it: ``--set``, ``--input``, ``--model``."""

    arguments: Mapping[str, object] = field(default_factory=dict)
    input_shape: tuple[int | str, ...] | None = None
    model: str | None = None


class Analysis:
    """One version of a text.

    Making it takes no time. ``run`` elaborates the text, in another thread; everything that the tree alone says is
    there before. ``reader`` gives the texts of used files, which may be open in the editor as well.
    """

    def __init__(self, source: Source, settings: Settings, encoding: str, reader: Reader) -> None:
        self.source = source
        self.settings = settings
        self.positions = Positions(source.text, encoding)
        self.trace = Trace()
        self.used: frozenset[Path | None] = frozenset()
        """The files that the text uses, once it has been elaborated."""
        self._encoding = encoding
        self._reader = reader
        self._specification = Specification(
            source,
            model=settings.model,
            arguments=settings.arguments,
            input_shape=settings.input_shape,
            limits=Limits(),
            read=reader,
        )
        self._specification.trace = self.trace
        self._others: dict[Source, Positions] = {}

    def run(self) -> None:
        """Elaborate every model. Raises ``Cancelled`` once ``trace.cancelled`` is set."""
        self._specification.check()
        self.used = frozenset(unit.module.source.path for unit in self.units[1:])

    @property
    def graphs(self) -> Mapping[str, Graph]:
        """The networks of the text, by the names of their models; none where it has errors."""
        return {} if self.diagnostics.errors else self._specification.checked

    def network(self) -> Specification | None:
        """The network to draw: the only model of the text, or its first; ``None`` while it has errors."""
        if self.diagnostics.errors or not self.graphs:
            return None
        if len(self.graphs) == 1:
            return self._specification
        return Specification(
            self.source,
            model=next(iter(self.graphs)),
            arguments={},
            input_shape=self.settings.input_shape,
            limits=Limits(),
            read=self._reader,
        )

    @property
    def diagnostics(self) -> Diagnostics:
        return self._specification.diagnostics

    @property
    def unit(self) -> Unit:
        """The file, with the definitions that its names refer to."""
        return self._specification.program.main

    @property
    def module(self) -> tree.Module:
        return self._specification.module

    @property
    def units(self) -> tuple[Unit, ...]:
        """The file and all that it uses."""
        return self._specification.program.units

    @cached_property
    def names(self) -> Names:
        return names_of(self.unit)

    @cached_property
    def tokens(self) -> list[Token]:
        """The tokens of the text as it stands, invalid ones included, without comments and line ends."""
        return [token for token in lex(self.source.text, grammar()) if token.kind not in {"COMMENT", "NEWLINE"}]

    @cached_property
    def reading(self) -> Reading:
        """The tokens as the parser read them."""
        return read(self.source)

    def module_of(self, written: str) -> tree.Module | None:
        """The tree of the file that a ``use`` names, which may not be complete yet; ``None`` without such a file."""
        if written.startswith("std/"):
            path = standard_library() / written.removeprefix("std/")
        elif self.source.path is not None:
            path = self.source.path.parent / written
        else:
            return None
        try:
            if not path.is_file() or path.stat().st_size > Limits().file_bytes:
                return None
            return parse(Source(path.name, self._reader(path), path), Diagnostics())
        except (OSError, ValueError):
            return None

    def positions_of(self, source: Source) -> Positions:
        """The positions of this text or of one that it uses."""
        if source is self.source:
            return self.positions
        if source not in self._others:
            self._others[source] = Positions(source.text, self._encoding)
        return self._others[source]

    def visits(self, span: Span) -> Visits:
        """What became of the statement at a span of this text."""
        return self.trace.visits.get(span, Visits())

    def step_at(self, offset: int) -> tuple[tree.Step, Visit | None] | None:
        """The innermost statement around a place, and its first visit."""
        found: tree.Step | None = None
        for step in self.steps:
            if step.span.start <= offset <= step.span.end and (
                found is None or step.span.end - step.span.start <= found.span.end - found.span.start
            ):
                found = step
        if found is None:
            return None
        kept = self.visits(found.span).kept
        return found, kept[0] if kept else None

    @cached_property
    def steps(self) -> list[tree.Step]:
        """All statements that compute something, in the order of the text."""
        found: list[tree.Step] = []
        for item in self.module.items:
            if isinstance(item, tree.Definition):
                found += steps_of(item.body)
        return found

    def own(self, diagnostic: Diagnostic) -> bool:
        """Whether a diagnostic is of this text, rather than of a file that it uses."""
        return diagnostic.primary is None or diagnostic.primary.span.source is self.source


def steps_of(body: tree.Body) -> list[tree.Step]:
    """The statements of a body and of those in it, in order; without recursion, however deep they nest."""
    found: list[tree.Step] = []
    stack: list[tree.Tree] = [body]
    while stack:
        one = stack.pop()
        if isinstance(one, tree.Step):
            found.append(one)
        stack.extend(reversed(_inside(one)))
    return found


def _inside(one: tree.Tree) -> list[tree.Tree]:
    match one:
        case tree.Body():
            return list(one.statements)
        case tree.Step():
            return [one.flow]
        case tree.Repeat():
            return [one.repeated]
        case tree.Residual():
            return [body for body in (one.main, one.shortcut) if body is not None]
        case tree.If():
            return [body for body in (one.then, one.otherwise) if body is not None]
        case tree.Group() | tree.Stage() | tree.Join() | tree.From() | tree.For() | tree.Aux():
            return [one.body]
        case _:
            return []
