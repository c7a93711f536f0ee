"""What is known of one text at one moment: its tree, its names, its diagnostics, and what became of each statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Lock

from resdsl.diagnostics import Diagnostic, Diagnostics, Edit, Source, Span, catalogue
from resdsl.elaborate.claims import CLAIMS, only_claims
from resdsl.elaborate.limits import MOST_ERRORS, Budget, Limits
from resdsl.elaborate.lint import lint
from resdsl.elaborate.program import Program, Unit, load_program, standard_library
from resdsl.elaborate.trace import MOST_VISITS, Cancellation, Cancelled, Trace, Visit, Visits
from resdsl.gc_pause import collection_paused
from resdsl.ir.graph import Graph
from resdsl.specification.specification import Specification
from resdsl.syntax import parse, tree
from resdsl.syntax.grammar import grammar
from resdsl.syntax.lexing import lex
from resdsl.syntax.parser import Reading, read
from resdsl.syntax.token import Token
from resdsl.tools.lsp.names import Names, names_of
from resdsl.tools.lsp.pieces import Layout, Piece, read_pieces
from resdsl.tools.lsp.positions import Positions

_MOST_MODULES = 200
"""Trees of used files that are kept."""

Reader = Callable[[Path], str]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a file is built, as the options of the command line say it: ``--set``, ``--input``, ``--model``."""

    arguments: Mapping[str, object] = field(default_factory=dict)
    input_shape: tuple[int | str, ...] | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """What elaborating a model found: all of it follows from ``key``.

    Places are those in the pieces of the text. ``diagnostics`` has no errors of the file as a whole; where there are
    some, there is no graph. ``graph`` is there if all is as the text states it, ``built`` also if shapes and totals
    are others.
    """

    key: tuple[object, ...]
    used: tuple[tree.Module, ...]
    graph: Graph | None
    built: Graph | None
    diagnostics: Diagnostics
    trace: Trace
    budget: Budget

    def with_errors_before(self) -> Network:
        """What would have been found if the file as a whole had errors; for a network that has none itself."""
        own = Diagnostics.of(one for one in self.diagnostics if one.code is not catalogue.UNREACHABLE_OUTPUT)
        return replace(self, graph=None, built=None, diagnostics=own)


class Known:
    """What the versions of a text leave to the next: its pieces, its networks, and the trees of the files it uses."""

    def __init__(self) -> None:
        self.pieces: Sequence[Piece] = ()
        self.networks: Mapping[tuple[str, bool], Network] = {}
        """By their names, and whether the file as a whole had errors: a text that is being written often has some."""
        self.modules: dict[tuple[str, Path | None, str], tree.Module] = {}
        self.lock = Lock()


class Trees:
    """The trees of one version of a text and of the files that it uses, as far as possible those of earlier versions.

    An object of its own, which analyses refer to and which refers to none: each is freed when the next one is there.
    """

    def __init__(self, source: Source, known: Known) -> None:
        self._source = source
        self._known = known

    @cached_property
    def _read(self) -> Layout:
        with self._known.lock:
            pieces = self._known.pieces = read_pieces(self._source, self._known.pieces)
        return Layout(self._source, pieces)

    @cached_property
    def _whole(self) -> tuple[tree.Module, Diagnostics]:
        """The tree of the text, and the errors in it."""
        errors = Diagnostics()
        return self._read.module() if self._read.is_clean else parse(self._source, errors), errors

    @cached_property
    def layout(self) -> Layout | None:
        """The pieces of the text; ``None`` if they cannot be taken apart."""
        return self._read if self._read.is_clean else self._read.cut(self._whole[0])

    def parse(self, source: Source, diagnostics: Diagnostics) -> tree.Module:
        """The tree of the text, or of a used file."""
        if source is self._source:
            diagnostics.extend(self._whole[1])
            return self._whole[0]
        key = (source.name, source.path, source.text)
        module = self._known.modules.get(key)
        if module is None:
            errors = Diagnostics()
            module = parse(source, errors)
            diagnostics.extend(errors)
            if not len(errors):
                if len(self._known.modules) >= _MOST_MODULES:
                    self._known.modules.clear()
                self._known.modules[key] = module
        return module

    def parse_pieces(self, source: Source, diagnostics: Diagnostics) -> tree.Module:
        """The same, with places in the pieces of the text."""
        if source is not self._source or self.layout is None:
            return self.parse(source, diagnostics)
        if not self._read.is_clean:
            diagnostics.extend(self._whole[1])
        return self.layout.module_of_pieces()


class Analysis:
    """One version of a text.

    Making it takes no time. ``run`` elaborates the text, in another thread; everything that the tree alone says is
    there before. ``reader`` gives the texts of used files, which may be open in the editor as well. ``refusal`` is why
    the text is not read at all.
    """

    def __init__(
        self,
        source: Source,
        settings: Settings,
        encoding: str,
        reader: Reader,
        known: Known | None = None,
        refusal: Diagnostic | None = None,
    ) -> None:
        self.source = source
        self.settings = settings
        self.positions = Positions(source.text, encoding)
        self.used: frozenset[Path | None] = frozenset()
        """The files that the text uses, once it has been elaborated."""
        self.graphs: Mapping[str, Graph] = {}
        """The networks of the text, by the names of their models; none where it has errors, except of shapes and totals
        that it states. ``in_text`` gives places in them as places of the text."""
        self.diagnostics = Diagnostics()
        self._encoding = encoding
        self._reader = reader
        self._known = known or Known()
        self._trees = Trees(source, self._known)
        self._refusal = refusal
        self._cancellation = Cancellation()
        self._visits: Mapping[Span, Visits] = {}
        self._layout: Layout | None = None
        """The pieces that the text was checked in; ``None`` if it was checked whole."""
        self._specification = self._of_model(settings.model)
        self._others: dict[Source, Positions] = {}
        self._errors_after: dict[frozenset[tuple[Span, str]], int] = {}

    def _of_model(self, model: str | None, source: Source | None = None) -> Specification:
        return Specification(
            source or self.source,
            model=model,
            arguments=self.settings.arguments,
            input_shape=self.settings.input_shape,
            limits=Limits(),
            read=self._reader,
            parse=self._trees.parse,
        )

    def cancel(self) -> None:
        """Have ``run`` end with ``Cancelled``: the text has changed."""
        self._cancellation.requested = True

    def run(self) -> None:
        """Elaborate every model, or take over what earlier versions found. Raises ``Cancelled``."""
        if self._cancellation.requested:
            raise Cancelled
        with collection_paused():
            self._run()

    def _run(self) -> None:
        layout = self._trees.layout
        if layout is not None and self._check_pieces(layout):
            self._layout = layout
        else:
            trace = Trace(cancellation=self._cancellation)
            self._specification.trace = trace
            self.diagnostics = self._specification.check()
            checked = {**self._specification.checked, **self._specification.unexpected}
            built = {model: checked[model] for model in self._specification.models if model in checked}
            self.graphs = built if only_claims(self.diagnostics) else {}
            self._visits = trace.visits
        if self._refusal is not None:
            self.diagnostics.report(self._refusal)
        self.used = frozenset(unit.module.source.path for unit in self.units[1:])

    def _check_pieces(self, layout: Layout) -> bool:
        """Check the networks that earlier versions do not have; ``False`` if the text has to be checked whole."""
        before = Diagnostics()
        program = load_program(self.source, before, limits=Limits(), read=self._reader, parse=self._trees.parse_pieces)
        models = [one.name for one in program.main.models]
        if self.settings.model is not None:
            if self.settings.model not in models:
                return False
            models = [self.settings.model]
        networks: dict[str, Network] = {}
        for model in models:
            networks[model] = self._network(program, layout, before, model)
            self._known.networks = {**self._known.networks, (model, bool(before.errors)): networks[model]}
        self._known.networks = {key: one for key, one in self._known.networks.items() if key[0] in networks}
        if not _are_within(Limits(), [network.budget for network in networks.values()]):
            return False
        found = Diagnostics.of(before)
        for network in networks.values():
            found.absorb(network.diagnostics)
        if models:
            lint(program.main.module, found, program.allowances)
        self.diagnostics = Diagnostics.of(map(layout.diagnostic, found))
        built = {model: network.built for model, network in networks.items() if network.built is not None}
        self.graphs = built if only_claims(found) else {}
        self._visits = _together([network.trace for network in networks.values()])
        return True

    def _network(self, program: Program, layout: Layout, before: Diagnostics, model: str) -> Network:
        used = tuple(unit.module for unit in program.units[1:])
        # The names of the whole text are for suggestions, their order for what is defined twice.
        names = layout.names, frozenset(program.main.missing)
        key = (self.settings, layout.needed(model), names, tuple(map(id, used)))
        for had_errors in (bool(before.errors), False):
            known = self._known.networks.get((model, had_errors))
            if known is not None and known.key == key:
                if had_errors == bool(before.errors):
                    return known
                if known.graph is not None:
                    return known.with_errors_before()
        trace, budget = Trace(cancellation=self._cancellation), Budget(linted=True)
        found, own = Diagnostics.of(before), Diagnostics()
        unexpected: list[Graph] = []
        graph = self._specification.elaborate(
            program, model, found, budget=budget, trace=trace, unexpected=unexpected.append
        )
        own.absorb(found, beyond=before)
        return Network(key, used, graph, graph or next(iter(unexpected), None), own, trace, budget)

    def network(self) -> Specification | None:
        """The network to draw: the only model of the text, or its first; ``None`` while it has errors.

        Shapes and totals that are not those of the text are no reason to show none.
        """
        if not self.graphs:
            return None
        network = self._of_model(next(iter(self.graphs)))
        network.compares = False
        return network.as_built()

    @property
    def unexpected(self) -> list[str]:
        """What the text states of its networks and does not hold, one sentence each."""
        return [str(error.message) for error in self.diagnostics.errors if error.code in CLAIMS]

    def errors_after(self, edits: Sequence[Edit]) -> int:
        """How many errors the text would have after some edits, which do not overlap."""
        key = frozenset((edit.span, edit.replacement) for edit in edits)
        if key not in self._errors_after:
            text = self.source.text
            for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
                text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
            changed = self._of_model(self.settings.model, Source(self.source.name, text, self.source.path))
            changed.compares = False
            with collection_paused():
                self._errors_after[key] = len(changed.check().errors)
        return self._errors_after[key]

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
        return self._visits.get(span if self._layout is None else self._layout.in_piece(span), Visits())

    def in_text(self, span: Span) -> Span:
        """A place in a graph of this text, as a place of the text; those of used files as they are."""
        return span if self._layout is None else self._layout.in_text(span)

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


def _are_within(limits: Limits, budgets: Sequence[Budget]) -> bool:
    """Whether networks that were elaborated on their own are within the limits of a file."""
    return (
        sum(budget.steps for budget in budgets) <= limits.steps
        and sum(budget.nodes for budget in budgets) <= limits.nodes
        and sum(budget.errors for budget in budgets) < MOST_ERRORS
        and not any(budget.exhausted for budget in budgets)
    )


def _together(traces: Sequence[Trace]) -> Mapping[Span, Visits]:
    """The visits of several networks: those of a block that they share follow each other."""
    found: dict[Span, Visits] = {}
    for trace in traces:
        for span, visits in trace.visits.items():
            known = found.setdefault(span, visits)
            if known is not visits:
                found[span] = Visits([*known.kept, *visits.kept][:MOST_VISITS], known.count + visits.count)
    return found


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
