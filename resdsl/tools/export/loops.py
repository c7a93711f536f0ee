"""Loops and repeats in chains: comprehensions where they do, statements where channels change from pass to pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from resdsl.elaborate.recording import BodyRun, StatementRun
from resdsl.syntax import tree
from resdsl.tools.export import expressions as py
from resdsl.tools.export.classes import ClassWriter
from resdsl.tools.export.expressions import Expression
from resdsl.tools.export.instances import Column, Inexpressible, Place, Unfit, same
from resdsl.tools.export.layout import Line
from resdsl.tools.export.parts import Chain, Many, Nested, One, Part
from resdsl.tools.export.steps import Steps


class Chains(Protocol):
    """Writes bodies as chains."""

    steps: Steps

    def body(self, place: Place, body: tree.Body, channels: Expression | None) -> Chain: ...

    def call(
        self, place: Place, step: tree.Step, call: tree.Call, runs: Sequence[StatementRun], chain: Chain
    ) -> None: ...

    def module(
        self, place: Place, body: tree.Body, channels: Expression | None, label: str, *, inline: bool = False
    ) -> tuple[str, Expression | None]: ...


@dataclass(slots=True)
class Loops:
    """Loops in chains."""

    chains: Chains

    @property
    def cls(self) -> ClassWriter:
        return self.chains.steps.cls

    def repeat(self, place: Place, step: tree.Repeat, runs: Sequence[StatementRun], chain: Chain) -> None:
        """``3 x block(64)``: a comprehension, the first call apart where it differs from the others."""
        counts = [column.value(step.count, run.flow) for column, run in zip(place.columns, runs, strict=True)]
        count = self._count(place, step.count, counts, runs, chain)
        if all(value == 0 for value in counts):
            return
        if count == py.Literal(1):
            self._pass(
                place, step, [self.nth(column, run, 0) for column, run in zip(place.columns, runs, strict=True)], chain
            )
            return
        passes = [
            [self.nth(column, run, number) for number in range(_integer(value))]
            for column, run, value in zip(place.columns, runs, counts, strict=True)
        ]
        for form in () if self.chains.steps.classes.plain else (self._uniform, self._after_first, self._changing):
            kept, channels = list(chain.parts), chain.channels
            with self.chains.steps.attempt(Unfit) as done:
                form(place, step, passes, count, chain)
            if done:
                return
            chain.parts, chain.channels = kept, channels
        self._unrolled(place, step, passes, chain)

    def _count(
        self, place: Place, count: tree.Expression, counts: Sequence[object], runs: Sequence[StatementRun], chain: Chain
    ) -> Expression:
        try:
            candidate: Expression | None = place.translated(count, chain.channels, runs)
        except Inexpressible:
            candidate = None
        found: Expression = self.cls.expression_for(list(counts), place, [candidate], "depth", 1)
        return found

    @staticmethod
    def nth(column: Column, run: StatementRun, number: int) -> StatementRun:
        """One pass of a repeat, as a statement of its own."""
        if run.bodies:
            body = run.bodies[number]
            return StatementRun(run.statement, body.flow, body.result, [body])
        # A repeated operator has a node for each pass, one after the other.
        assert run.flow is not None and run.result is not None
        count = len(_nodes_between(column, run))
        result = run.result - (count - 1 - number)
        flow = run.flow if not number else result - 1
        return StatementRun(run.statement, flow, result)

    def _pass(self, place: Place, step: tree.Repeat, runs: Sequence[StatementRun], chain: Chain) -> None:
        """The modules of one pass."""
        if isinstance(step.repeated, tree.Call):
            call = tree.Step(None, step.repeated, None, span=step.span)
            self.chains.call(place, call, step.repeated, runs, chain)
            return
        inner = place.inside([run.bodies[0] for run in runs])
        text, chain.channels = self.chains.module(inner, step.repeated.body, chain.channels, "block", inline=True)
        chain.parts.append(One("", text))

    def _flat(
        self, place: Place, passes: Sequence[Sequence[StatementRun]], first: int
    ) -> tuple[Place, list[StatementRun], list[int]]:
        """All passes from one on as columns of one place."""
        runs = [run for each in passes for run in each[first:]]
        origins = [number for number, each in enumerate(passes) for _ in each[first:]]
        columns = tuple(place.columns[number] for number in origins)
        return Place(columns, place.names, place.inputs), runs, origins

    def _uniform(
        self, place: Place, step: tree.Repeat, passes: Sequence[Sequence[StatementRun]], count: Expression, chain: Chain
    ) -> None:
        self._comprehension(place, step, passes, 0, count, chain)

    def _after_first(
        self, place: Place, step: tree.Repeat, passes: Sequence[Sequence[StatementRun]], count: Expression, chain: Chain
    ) -> None:
        if any(not each for each in passes):
            raise Unfit("no first pass")
        self._pass(place, step, [each[0] for each in passes], chain)
        rest = py.binary("-", count, py.Literal(1))
        if rest == py.Literal(1):
            self._pass(place, step, [each[1] for each in passes], chain)
            return
        self._comprehension(place, step, passes, 1, rest, chain)

    def _comprehension(
        self,
        place: Place,
        step: tree.Repeat,
        passes: Sequence[Sequence[StatementRun]],
        first: int,
        count: Expression,
        chain: Chain,
    ) -> None:
        flat, runs, _ = self._flat(place, passes, first)
        inside = Chain([], chain.channels)
        self._same_channels(flat, runs, chain.channels, before=True)
        lines = len(self.chains.steps.lines)
        self._pass(flat, step, runs, inside)
        if len(self.chains.steps.lines) > lines:
            raise Unfit("a loop needs statements")
        self._same_channels(flat, runs, chain.channels, before=False)
        (one,) = inside.parts
        if not isinstance(one, One):
            raise Unfit("no single module")
        if not isinstance(count, py.Literal):
            one = replace(one, name="")
        chain.parts.append(Many(replace(one, name=""), f"for _ in range({py.written(count)})"))

    def _same_channels(
        self, place: Place, runs: Sequence[StatementRun], channels: Expression | None, *, before: bool
    ) -> None:
        values = [
            column.network.type_of(run.flow if before else run.result).shape[1]
            for column, run in zip(place.columns, runs, strict=True)
        ]
        if not self.cls.holds(channels, place.columns, values):
            raise Unfit("the channels change")

    def _changing(
        self, place: Place, step: tree.Repeat, passes: Sequence[Sequence[StatementRun]], count: Expression, chain: Chain
    ) -> None:
        """Channels that change with every pass, in a variable."""
        flat, runs, origins = self._flat(place, passes, 0)
        marked = [_marked(column, run) for column, run in zip(flat.columns, runs, strict=True)]
        flat = Place(tuple(marked), flat.names, flat.inputs)
        header = f"for _ in range({py.written(count)}):"

        def write(inner: Place, inside: Chain) -> None:
            self._pass(inner, step, runs, inside)

        self._carried(place, flat, runs, origins, chain, header, write)

    def _carried(
        self,
        place: Place,
        flat: Place,
        runs: Sequence[StatementRun],
        origins: Sequence[int],
        chain: Chain,
        header: str,
        write: Callable[[Place, Chain], None],
    ) -> None:
        """A loop whose channels are in a variable, which each pass sets for the next."""
        if chain.channels is None:
            raise Unfit("the channels are not known")
        starts = {
            id(column.run): column.network.type_of(run.flow).shape[1]
            for column, run in zip(flat.columns, runs, strict=True)
        }
        if isinstance(chain.channels, py.Variable) and chain.channels.name in self.cls._carried:
            variable = chain.channels
            self.cls._carried[variable.name].update(starts)
            before: tuple[Line, ...] = ()
        else:
            variable = self.cls.carried_variable(
                "channels" if "in_channels" in self.cls.parameters else "in_channels", starts
            )
            before = (Line(f"{variable.name} = {py.written(chain.channels)}", defines=variable.name),)
        inside = Chain([], variable)
        lines = self.chains.steps.lines
        own: list[Line] = []
        self.chains.steps.lines = own
        try:
            write(flat, inside)
        finally:
            self.chains.steps.lines = lines
        if own:
            raise Unfit("a loop needs statements")
        if inside.channels is None:
            raise Unfit("the channels are not known")
        after: tuple[Line, ...] = ()
        if inside.channels != variable:
            after = (Line(f"{variable.name} = {py.written(inside.channels)}", defines=variable.name),)
        chain.parts.append(Nested(header, tuple(inside.parts), before, after))
        # Behind the loop the variable has what its last pass gave, whatever the body was that a column begins with.
        last = {origin: run.result for origin, run in zip(origins, runs, strict=True)}
        if len(last) < len(place.columns):
            raise Unfit("a loop without passes")
        for number, column in enumerate(place.columns):
            self.cls._carried[variable.name][id(column.run)] = column.network.type_of(last[number]).shape[1]
        chain.channels = variable

    def _unrolled(
        self, place: Place, step: tree.Repeat, passes: Sequence[Sequence[StatementRun]], chain: Chain
    ) -> None:
        if len({len(each) for each in passes}) > 1:
            raise Unfit("different counts")
        for number in range(len(passes[0])):
            self._pass(place, step, [each[number] for each in passes], chain)

    def loop(self, place: Place, step: tree.For, runs: Sequence[StatementRun], chain: Chain) -> None:
        """``for i in 1..6 { .. }``: a comprehension where its channels follow a formula, otherwise statements."""
        if all(not run.bodies for run in runs):
            return
        for form in () if self.chains.steps.classes.plain else (self._formula, self._statements):
            kept, channels = list(chain.parts), chain.channels
            with self.chains.steps.attempt(Unfit) as done:
                form(place, step, runs, chain)
            if done:
                return
            chain.parts, chain.channels = kept, channels
        if len({len(run.bodies) for run in runs}) > 1:
            raise Unfit("different counts")
        for number in range(len(runs[0].bodies)):
            bodies = [run.bodies[number] for run in runs]
            there = place.inside(bodies, unrolled_names(place.names, bodies))
            inside = self.chains.body(there, step.body, chain.channels)
            chain.parts += inside.parts
            chain.channels = inside.channels

    def _header(
        self, place: Place, step: tree.For, runs: Sequence[StatementRun], chain: Chain
    ) -> tuple[dict[str, Expression], str, Expression, Expression | None]:
        """The variables of a loop, what it runs over, its first number, and how often it is carried out."""
        names = dict(place.names)
        if isinstance(step.values, tree.Range):
            assert isinstance(step.variable, tree.Identifier)
            first, last = (self._bound(place, one, runs, chain) for one in (step.values.first, step.values.last))
            variable = self.cls.loop_variable(step.variable.name)
            names[step.variable.name] = variable
            stop = py.binary("+", last, py.Literal(1))
            texts = [py.written(stop)] if first == py.Literal(0) else [py.written(first), py.written(stop)]
            return names, f"for {variable.name} in range({', '.join(texts)})", first, py.binary("-", stop, first)
        try:
            values = place.translated(step.values, chain.channels, runs)
        except Inexpressible:
            raise Unfit("what a loop runs over is no list of Python") from None
        if isinstance(step.variable, tree.Identifier):
            variable = self.cls.loop_variable(step.variable.name)
            names[step.variable.name] = variable
            return names, f"for {variable.name} in {_listed(values)}", py.Literal(0), None
        targets: list[str] = []
        for name in step.variable.names:
            if name.name == "_":
                targets.append("_")
                continue
            variable = self.cls.loop_variable(name.name)
            names[name.name] = variable
            targets.append(variable.name)
        return names, f"for {', '.join(targets)} in {_listed(values)}", py.Literal(0), None

    def _bound(self, place: Place, bound: tree.Expression, runs: Sequence[StatementRun], chain: Chain) -> Expression:
        values = [column.value(bound, run.flow) for column, run in zip(place.columns, runs, strict=True)]
        try:
            candidate: Expression | None = place.translated(bound, chain.channels, runs)
        except Inexpressible:
            candidate = None
        found: Expression = self.cls.expression_for(values, place, [candidate], "count", False)
        return found

    def _passes(
        self, place: Place, runs: Sequence[StatementRun], names: dict[str, Expression]
    ) -> tuple[Place, list[BodyRun], list[int]]:
        bodies = [body for run in runs for body in run.bodies]
        origins = [number for number, run in enumerate(runs) for _ in run.bodies]
        return place.inside(bodies, names, origins), bodies, origins

    def _formula(self, place: Place, step: tree.For, runs: Sequence[StatementRun], chain: Chain) -> None:
        names, header, first, count = self._header(place, step, runs, chain)
        added: Expression | None = py.Literal(0)
        flat, _, _ = self._passes(place, runs, names)
        if chain.channels is None or len(step.body.statements) != 1:
            raise Unfit("no formula")
        before = [column.network.type_of(column.run.flow).shape[1] for column in flat.columns]
        start = chain.channels
        if not self.cls.holds(start, flat.columns, before):
            if not isinstance(step.values, tree.Range):
                raise Unfit("no formula")
            # What each pass adds, if it is the same for all: the channels are an arithmetic progression.
            mark = self.cls.carried_variable(
                "mark", {id(column.run): value for column, value in zip(flat.columns, before, strict=True)}
            )
            probe = self.chains.body(flat, step.body, mark)
            added = _added(probe.channels, mark.name)
            if added is None:
                raise Unfit("no formula")
            assert isinstance(step.variable, tree.Identifier)
            passed = py.binary("-", names[step.variable.name], first)
            start = py.binary("+", start, py.binary("*", passed, added))
            if not self.cls.holds(start, flat.columns, before):
                raise Unfit("no formula")
        lines = len(self.chains.steps.lines)
        inside = self.chains.body(flat, step.body, start)
        if len(inside.parts) != 1 or not isinstance(inside.parts[0], One) or len(self.chains.steps.lines) > lines:
            raise Unfit("no single module")
        one = inside.parts[0]
        if one.name and not one.name.isdigit() and not one.key:
            raise Unfit("a name for one pass")
        behind = [column.network.type_of(run.result).shape[1] for column, run in zip(place.columns, runs, strict=True)]
        total = py.binary("*", count, added) if count is not None and added is not None else py.Literal(0)
        chain.channels = self._behind(place, chain.channels, inside.channels, total, behind)
        chain.parts.append(Many(one if one.key else replace(one, name=""), _unused(header, one)))

    def _behind(
        self,
        place: Place,
        start: Expression | None,
        each: Expression | None,
        total: Expression,
        values: Sequence[object],
    ) -> Expression | None:
        """The channels behind the last pass of a loop."""
        candidates = [start, each]
        if start is not None:
            candidates.append(py.binary("+", start, total))
        for candidate in candidates:
            if self.cls.holds(candidate, place.columns, values):
                return candidate
        return py.literal_of(values[0]) if same(values) else None

    def _statements(self, place: Place, step: tree.For, runs: Sequence[StatementRun], chain: Chain) -> None:
        names, header, _, _ = self._header(place, step, runs, chain)
        flat, bodies, origins = self._passes(place, runs, names)
        as_runs = [StatementRun(step.body.statements[0], body.flow, body.result, [body]) for body in bodies]

        def write(inner: Place, inside: Chain) -> None:
            made = self.chains.body(inner, step.body, inside.channels)
            inside.parts, inside.channels = made.parts, made.channels

        before = [column.network.type_of(column.run.flow).shape[1] for column in flat.columns]
        behind = [column.network.type_of(column.run.result).shape[1] for column in flat.columns]
        if self.cls.holds(chain.channels, flat.columns, before) and self.cls.holds(
            chain.channels, flat.columns, behind
        ):
            inside = Chain([], chain.channels)
            lines = self.chains.steps.lines
            own: list[Line] = []
            self.chains.steps.lines = own
            try:
                write(flat, inside)
            finally:
                self.chains.steps.lines = lines
            if own:
                raise Unfit("a loop needs statements")
            chain.parts.append(Nested(_unused_in(header, inside.parts, ()) + ":", tuple(inside.parts)))
            return
        self._carried(place, flat, as_runs, origins, chain, f"{header}:", write)
        made = chain.parts[-1]
        assert isinstance(made, Nested)
        chain.parts[-1] = replace(made, header=_unused_in(header, made.parts, made.after) + ":")


def unrolled_names(names: Mapping[str, Expression], bodies: Sequence[BodyRun]) -> dict[str, Expression]:
    """Loop variables as numbers: names of the text that have none in Python yet."""
    found = dict(names)
    for name in bodies[0].context.variables:
        if name in found:
            continue
        values = [body.context.variables[name].value for body in bodies]
        literal = py.literal_of(values[0]) if same(values) else None
        if literal is not None:
            found[name] = literal
    return found


def _integer(value: object) -> int:
    assert isinstance(value, int)
    return value


def _nodes_between(column: Column, run: StatementRun) -> list[int]:
    assert run.result is not None and run.flow is not None
    nodes, index = column.network.graph.nodes, run.result
    found: list[int] = []
    while index != run.flow:
        found.append(index)
        (index,) = nodes[index].inputs
    return found


def _marked(column: Column, run: StatementRun) -> Column:
    """A column that can be told from others of the same body."""
    body = column.run
    return column.inner(BodyRun(body.body, run.flow, body.context, run.result, body.statements))


def _added(channels: Expression | None, mark: str) -> Expression | None:
    """What is added to a variable, if that is all that is done with it."""
    if channels == py.Variable(mark):
        return py.Literal(0)
    if isinstance(channels, py.Binary) and channels.operator == "+" and channels.left == py.Variable(mark):
        return channels.right if mark not in set(py.names(channels.right)) else None
    return None


def _listed(values: Expression) -> str:
    """What a loop runs over, rows as tuples."""
    text = py.written(values)
    return (
        f"[{text[1:-1].removesuffix(',')}]"
        if text.startswith("(") and text.endswith(")") and not isinstance(values, py.Binary)
        else text
    )


def _unused(header: str, one: One) -> str:
    return _unused_in(header, (one,), ())


def _unused_in(header: str, parts: Sequence[Part], after: Sequence[Line]) -> str:
    """The header of a loop, with ``_`` for a variable that nothing in it reads."""
    names, _, rest = header.removeprefix("for ").partition(" in ")
    texts = [*_texts(parts), *(line.text for line in after)]
    found = []
    for name in names.split(", "):
        is_read = any(re.search(rf"(?<![\w.]){name}\b(?!=[^=])", text) for text in texts)
        found.append(name if is_read else "_")
    if found == ["_"] and rest.startswith("range("):
        return f"for _ in {_shortest(rest)}"
    return f"for {', '.join(found)} in {rest}"


def _shortest(text: str) -> str:
    """``range(6)`` for ``range(1, 7)``: nothing reads the numbers."""
    inner = text[len("range(") : -1]
    first, comma, stop = inner.partition(", ")
    if comma and first.isdigit():
        if stop.isdigit():
            return f"range({int(stop) - int(first)})"
        if stop.endswith(f" + {first}"):
            return f"range({stop.removesuffix(f' + {first}')})"
    return text


def _texts(parts: Sequence[Part]) -> list[str]:
    found: list[str] = []
    for part in parts:
        match part:
            case One():
                found += [part.text, part.key]
            case Many(one, clause):
                found += [one.text, one.key, clause]
            case Nested():
                found += [part.header, *(line.text for line in (*part.before, *part.after))]
                found += [*_texts(part.parts), *_texts(part.otherwise)]
    return found
