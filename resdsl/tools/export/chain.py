"""Bodies whose modules are applied one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from resdsl.elaborate.recording import BodyRun, StatementRun
from resdsl.syntax import tree
from resdsl.tools.export import expressions as py
from resdsl.tools.export.classes import ClassWriter
from resdsl.tools.export.expressions import Expression
from resdsl.tools.export.instances import Column, Inexpressible, Place, Unfit, same
from resdsl.tools.export.loops import Loops
from resdsl.tools.export.parts import Chain, Nested, NoChain, One, sequential
from resdsl.tools.export.steps import Steps


@dataclass(slots=True)
class Chains:
    """Writes bodies as chains."""

    steps: Steps

    @property
    def cls(self) -> ClassWriter:
        return self.steps.cls

    def body(self, place: Place, body: tree.Body, channels: Expression | None) -> Chain:
        """The modules of a body. Raises ``NoChain``, or ``Unfit`` where its columns differ."""
        chain = Chain([], channels)
        for position, statement in enumerate(body.statements):
            runs = place.statements(position)
            chain.channels = self.steps.short(chain.channels, place)
            match statement:
                case tree.Const():
                    place = self.steps.const(place, statement, chain.channels, runs)
                case tree.Step():
                    self._step(place, statement, runs, chain)
                case tree.Expect() | tree.Labels() | tree.Preprocess() | tree.Input() | tree.Default():
                    pass
                case _:
                    raise NoChain
        return chain

    def _step(self, place: Place, step: tree.Step, runs: Sequence[StatementRun], chain: Chain) -> None:
        flow = step.flow
        if isinstance(flow, tree.Call):
            self.call(place, step, flow, runs, chain)
        elif isinstance(flow, tree.Stage):
            self._group(place, flow.label, flow.body, runs, chain)
        elif step.label is not None:
            inner = flow.body if isinstance(flow, tree.Group) else None
            self._group(place, step.label, inner, runs, chain, step)
        elif isinstance(flow, tree.Group):
            inside = self.body(place.inside([run.bodies[0] for run in runs]), flow.body, chain.channels)
            chain.parts += inside.parts
            chain.channels = inside.channels
        else:
            self.flow(place, flow, runs, chain)

    def flow(self, place: Place, flow: tree.Flow, runs: Sequence[StatementRun], chain: Chain) -> None:
        """A loop or a condition without a label."""
        match flow:
            case tree.Repeat():
                Loops(self).repeat(place, flow, runs, chain)
            case tree.For():
                Loops(self).loop(place, flow, runs, chain)
            case tree.If():
                self._condition(place, flow, runs, chain)
            case _:
                raise NoChain

    def call(self, place: Place, step: tree.Step, call: tree.Call, runs: Sequence[StatementRun], chain: Chain) -> None:
        names = [self._name(column, step, run) for column, run in zip(place.columns, runs, strict=True)]
        key = "" if same(names) else self._key(place, step.label)
        name = names[0] if same(names) else ""
        if not same(names) and not key and not all(one.isdigit() for one in names):
            raise Unfit("names differ")
        if "." in name:
            raise NoChain
        if runs[0].bodies:
            made = self.steps.constructed(place, [run.bodies[0] for run in runs], runs, call, chain.channels)
            chain.parts.append(One(name, made.text, key))
            chain.channels = made.channels
            return
        self._operator(place, call, runs, chain, name, key)

    def _operator(
        self, place: Place, call: tree.Call, runs: Sequence[StatementRun], chain: Chain, name: str, key: str
    ) -> None:
        if any(run.result == run.flow for run in runs):
            raise NoChain
        nodes = [column.node(run.result) for column, run in zip(place.columns, runs, strict=True)]
        fields = self.steps.fields(place, call, chain.channels, runs, nodes[0])
        made = self.steps.operator(place, nodes, fields, [chain.channels])
        weighs = bool(made.tensors[0]) if made.tensors and made.tensors[0] else self._weighs(place, nodes)
        if made.type and made.is_called:
            text = self.steps.module(place, made, chain.channels)
        elif made.item:
            text = f"nn.{made.item}"
        elif made.tensors and made.tensors[0]:
            text = self.steps.leaf(place, made, nodes, chain.channels)
        else:
            raise NoChain
        chain.parts.append(One(name, text, key, weighs, nodes[0].operator.name))
        chain.channels = self.steps.result(place, nodes, fields, [chain.channels])

    @staticmethod
    def _weighs(place: Place, nodes: Sequence[Any]) -> bool:
        graph = place.columns[0].network.graph
        return bool(graph.applications[nodes[0].index].parameters)

    def _name(self, column: Column, step: tree.Step, run: StatementRun) -> str:
        """The name of a module: its label, or what it is called by its place."""
        if step.label is not None:
            return self.steps.label_of(column, step.label, run)
        prefix = column.run.context.naming.prefix
        path = run.bodies[0].context.frame.path if run.bodies else column.node(run.result).path
        return path.removeprefix(prefix)

    @staticmethod
    def _key(place: Place, label: tree.LabelTree | None) -> str:
        """A label with values in it, as a string of Python."""
        if label is None or all(isinstance(part, str) for part in label.parts):
            return ""
        texts: list[str] = []
        for part in label.parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            try:
                made = place.translated(part, None, ())
            except Inexpressible:
                raise NoChain from None
            texts.append(f"{{{py.written(made)}}}" if not isinstance(made, py.Literal) else str(made.value))
        text = "".join(texts)
        if "." in text or '"' in text:
            raise NoChain
        return f'f"{text}"' if "{" in text else py.string_text(text)

    def _group(
        self,
        place: Place,
        label: tree.LabelTree,
        body: tree.Body | None,
        runs: Sequence[StatementRun],
        chain: Chain,
        step: tree.Step | None = None,
    ) -> None:
        """A labelled group in a chain: a chain in it, or a module of a class of its own."""
        names = [self.steps.label_of(column, label, run) for column, run in zip(place.columns, runs, strict=True)]
        key = "" if same(names) else self._key(place, label)
        if not key and not same(names):
            raise Unfit("labels differ")
        if "." in names[0]:
            raise NoChain
        if body is not None:
            inner = place.inside([run.bodies[0] for run in runs])
        else:
            assert step is not None
            body = tree.Body((without_label(step),), span=step.span)
            inner = alone(place, runs, body)
        text, channels = self.module(inner, body, chain.channels, names[0] if same(names) else "layers")
        chain.parts.append(One(names[0] if same(names) else "", text, key))
        chain.channels = channels

    def module(
        self, place: Place, body: tree.Body, channels: Expression | None, label: str, *, inline: bool = False
    ) -> tuple[str, Expression | None]:
        """A body as one module: a ``Sequential``, or one of a class of its own; and the channels behind it.

        With ``inline`` no statements may stand before it. Raises ``NoChain`` if it takes or gives several values.
        """
        with self.steps.attempt(NoChain) as done:
            count = len(self.steps.lines)
            inside = self.body(place, body, channels)
            text = sequential(inside.parts, self.cls.variable(label.rpartition(".")[2]), self.steps.lines)
            if inline and len(self.steps.lines) > count:
                raise NoChain
        if done:
            return text, inside.channels
        made = self.steps.classes.group(self.steps, place, body, channels, label)
        if made.reads or made.gives:
            raise NoChain
        return made.text, made.channels

    def _condition(self, place: Place, step: tree.If, runs: Sequence[StatementRun], chain: Chain) -> None:
        condition, values = place.condition(step.condition, chain.channels, runs)
        if len(set(values)) == 1:
            taken = step.then if values[0] else step.otherwise
            if taken is not None:
                inside = self.body(place.inside([run.bodies[0] for run in runs]), taken, chain.channels)
                chain.parts += inside.parts
                chain.channels = inside.channels
            return
        condition = self.cls.expression_for(values, place, [condition], "condition", False)
        then = self._branch(place, step.then, runs, values, chain.channels)
        otherwise = Chain([], chain.channels)
        if step.otherwise is not None:
            otherwise = self._branch(place, step.otherwise, runs, [not value for value in values], chain.channels)
        first, second = then.parts, otherwise.parts
        behind = [column.network.type_of(run.result).shape[1] for column, run in zip(place.columns, runs, strict=True)]
        chain.channels = self.joined(place, condition, then.channels, otherwise.channels, behind)
        if len(first) == len(second) == 1 and isinstance(first[0], One) and isinstance(second[0], One):
            one, other = first[0], second[0]
            if (one.name, one.key) == (other.name, other.key):
                text = f"{one.text} if {py.written(condition)} else {other.text}"
                chain.parts.append(replace(one, text=text, weighs=one.weighs or other.weighs))
                return
        if not first:
            condition, first, second = py.negated(condition), second, first
        chain.parts.append(Nested(f"if {py.written(condition)}:", tuple(first), otherwise=tuple(second)))

    def _branch(
        self,
        place: Place,
        body: tree.Body,
        runs: Sequence[StatementRun],
        taken: Sequence[bool],
        channels: Expression | None,
    ) -> Chain:
        some = place.some(taken)
        inner = [run.bodies[0] for run, is_taken in zip(runs, taken, strict=True) if is_taken]
        count = len(self.steps.lines)
        chain = self.body(some.inside(inner), body, channels)
        if len(self.steps.lines) > count:
            del self.steps.lines[count:]
            raise NoChain
        return chain

    def joined(
        self,
        place: Place,
        condition: Expression,
        then: Expression | None,
        otherwise: Expression | None,
        values: Sequence[object],
    ) -> Expression | None:
        """The channels behind a condition."""
        candidates = [then, otherwise]
        if then is not None and otherwise is not None:
            candidates.append(py.choice(then, condition, otherwise))
        for candidate in candidates:
            if self.cls.holds(candidate, place.columns, values):
                return candidate
        return py.literal_of(values[0]) if same(values) else None


def without_label(step: tree.Step) -> tree.Step:
    """A step without its label, which is that of the group around it."""
    return tree.Step(None, step.flow, None, span=step.span)


def alone(place: Place, runs: Sequence[StatementRun], body: tree.Body) -> Place:
    """The place in a body that has one statement, which stands in the body around it with a label."""
    made: list[BodyRun] = []
    for column, run in zip(place.columns, runs, strict=True):
        inner = BodyRun(body, run.flow, _context_of(column, run), run.result)
        inner.statements.append(replace_run(run, body))
        made.append(inner)
    return place.inside(made)


def replace_run(run: StatementRun, body: tree.Body) -> StatementRun:
    return StatementRun(body.statements[0], run.flow, run.result, run.bodies)


def _context_of(column: Column, run: StatementRun) -> Any:
    """The context in a labelled group: that of the body in it, whose names are those of the group."""
    step: Any = run.statement
    label = Steps.label_of(column, step.label, run)
    context = column.run.context
    naming = replace(context.naming, prefix=f"{context.naming.prefix}{label}.", numbered=True, position=0, counts={})
    return replace(context, naming=naming)
