"""A specification: a text and what is derived from it, lazily and once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from resdsl.diagnostics import CompileError, Diagnostics, Source
from resdsl.elaborate.limits import Budget, Limits
from resdsl.elaborate.program import Parser, Program, Reader, load_program, read_file
from resdsl.syntax import parse

if TYPE_CHECKING:
    from pathlib import Path

    from resdsl.analysis.summary import Summary
    from resdsl.elaborate.claims import Claim, Comparison
    from resdsl.elaborate.trace import Trace
    from resdsl.ir.graph import Graph
    from resdsl.syntax.tree import Module

Display = Callable[["Specification"], dict[str, str]]
"""Renders a specification for a notebook: text by MIME type."""


class Specification:
    """A text in the language, and the network that it describes.

    Every stage adds to ``diagnostics``. If errors prevent a result, ``CompileError`` is raised with all of them.
    """

    display: ClassVar[Display | None] = None
    """What notebooks show. The package sets it, because drawing is a tool built on specifications."""

    is_file: ClassVar[bool] = False
    """Whether the network was read from an ONNX file."""

    is_foreign: bool = False
    """Whether another tool wrote that file: it names, fixes and leaves out in its own way what a text states."""

    def __init__(
        self,
        source: Source,
        *,
        model: str | None,
        arguments: Mapping[str, object],
        input_shape: tuple[int | str, ...] | None,
        limits: Limits,
        read: Reader = read_file,
        parse: Parser = parse,
    ) -> None:
        self.source = source
        self.model = model
        self.arguments = dict(arguments)
        self.input_shape = input_shape
        self.limits = limits
        self.read = read
        self.parse = parse
        self.diagnostics = Diagnostics()
        """Everything reported so far."""
        self.compares = True
        """Whether a network with a wrong total is compared with the built-in ones, to say where it differs."""
        self.trace: Trace | None = None
        """Records what becomes of each statement, if it is set before the network is built."""
        self.checked: dict[str, Graph] = {}
        """The networks that ``check`` built, by the names of their models; none after an error."""
        self.unexpected: dict[str, Graph] = {}
        """Those whose only errors are shapes and totals that are not as the text states them."""

    def __repr__(self) -> str:
        return f"<Specification {self.source.name}>"

    @cached_property
    def program(self) -> Program:
        """The syntax trees of the text and of all used files, as far as they could be parsed."""
        return load_program(self.source, self.diagnostics, limits=self.limits, read=self.read, parse=self.parse)

    @property
    def module(self) -> Module:
        """The syntax tree of the text. Syntax errors appear as ``Broken`` nodes."""
        return self.program.main.module

    @property
    def files(self) -> Sequence[Path]:
        """The files that it has been read from."""
        return self.program.files

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models that the text defines, in order."""
        return tuple(model.name for model in self.program.main.models)

    @cached_property
    def _graph(self) -> Graph | None:
        return self.elaborate(self.program, self.model, self.diagnostics, trace=self.trace)

    @property
    def graph(self) -> Graph:
        """The network, with all shapes inferred and every ``->`` and ``expect`` verified."""
        graph = self._graph
        if graph is None or self.diagnostics.errors:
            raise CompileError(self.diagnostics)
        return graph

    @property
    def unexpected_graph(self) -> Graph | None:
        """The network, if its only errors are shapes and totals that are not as the text states them."""
        if self._graph is not None:
            return None
        return self.unexpected.get(self.model or (self.models[0] if len(self.models) == 1 else ""))

    def as_built(self) -> Specification:
        """The network without errors of shapes and totals that are not as the text states them.

        For what is shown beside a text while it is edited: a changed layer changes shapes and totals, and ``->`` and
        ``expect`` are changed later. Itself if it has no errors; raises ``CompileError`` for any other error.
        """
        built = self.unexpected_graph
        if built is None:
            _ = self.graph  # raises the errors
            return self
        shown = copy(self)
        shown.diagnostics = Diagnostics.of(self.diagnostics.warnings)
        shown.__dict__["_graph"] = built
        return shown

    @property
    def block_names(self) -> Mapping[str, str]:
        """The names of blocks, by the paths of their instances."""
        scopes = self.graph.root.leaves_first()
        return {scope.path: scope.callee for scope in scopes if scope.kind in ("block", "model") and scope.label}

    @property
    def smallest_input(self) -> Mapping[str, int | None]:
        """For each symbolic size of the input (``H``), the smallest for which no layer has an empty output.

        ``None`` if no size up to a million is large enough.
        """
        from resdsl.analysis.smallest_input import smallest_input

        return smallest_input(self.graph)

    def check(self) -> Diagnostics:
        """All diagnostics of the text: of the selected model, or else of every model.

        A text without models is a library: its syntax and names are checked.
        """
        if self.model is not None or len(self.models) == 1:
            self._keep(self._graph)
            return self.diagnostics
        budget = Budget(linted=True)
        program, before = self.program, Diagnostics.of(self.diagnostics)
        for model in self.models:
            # An error in one network is no reason to say less of another.
            found = Diagnostics.of(before)
            self._keep(self.elaborate(program, model, found, budget=budget, trace=self.trace))
            self.diagnostics.absorb(found, beyond=before)
        if self.models:
            from resdsl.elaborate.lint import lint  # not needed to format a text

            lint(program.main.module, self.diagnostics, program.allowances)
        return self.diagnostics

    def _keep(self, graph: Graph | None) -> None:
        if graph is not None:
            self.checked[graph.name] = graph

    def format(self) -> str:
        """The text in the standard layout, comments kept. Raises ``CompileError`` if it cannot be parsed."""
        from resdsl.syntax.formatter import format_source

        diagnostics = Diagnostics()
        text = format_source(self.source, diagnostics)
        if text is None:
            raise CompileError(diagnostics)
        return text

    def summary(self, *, depth: int | None = 1, explicit: bool = False) -> Summary:
        """A table of the network; ``explicit`` includes every argument.

        ``depth`` is the number of levels of rows: 1 for stages, 2 for their blocks, ``None`` for all levels.
        """
        from resdsl.analysis.summary import summarize

        return summarize(self.graph, depth=depth, explicit=explicit)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """What notebooks display: a picture and the summary, or the errors in the text."""
        shown = {} if self.display is None else self.display()
        return {"text/plain": repr(self), **shown}

    def elaborate(
        self,
        program: Program,
        model: str | None,
        diagnostics: Diagnostics,
        *,
        budget: Budget | None = None,
        trace: Trace | None = None,
        unexpected: Callable[[Graph], None] | None = None,
    ) -> Graph | None:
        """The graph of one model, with the settings of this specification; ``None`` where it has errors.

        ``program`` is its own, or one of the same text in which places are stated in another way. ``unexpected`` takes
        a graph that is to be kept elsewhere than in ``unexpected``.
        """
        from resdsl.elaborate.network import elaborate  # not needed to list the models

        def compare(graph: Graph, claims: Sequence[Claim]) -> Comparison | None:
            from resdsl.specification.nearest import compare_with_builtin  # only for networks with wrong totals

            return compare_with_builtin(graph, claims)

        def keep(graph: Graph) -> None:
            self.unexpected[graph.name] = graph

        # A program with errors is elaborated too, to check everything that does not depend on the broken part.
        return elaborate(
            program,
            diagnostics,
            model=model,
            arguments=self.arguments,
            input_shape=self.input_shape,
            limits=self.limits,
            budget=budget,
            compare=compare if self.compares else None,
            trace=trace,
            unexpected=unexpected or keep,
        )
