"""Bodies with a ``forward`` of their own: joins, residuals, taps, outputs and heads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from resdsl.elaborate.recording import StatementRun
from resdsl.ir.graph import Node
from resdsl.ops import operators
from resdsl.syntax import tree
from resdsl.tools.export import expressions as py
from resdsl.tools.export.chain import Chains, alone, without_label
from resdsl.tools.export.classes import ClassWriter, identifier
from resdsl.tools.export.expressions import Expression
from resdsl.tools.export.flow import Flow, is_identity, line_of
from resdsl.tools.export.instances import Place, Unfit, same
from resdsl.tools.export.layout import WIDTH, Line
from resdsl.tools.export.loops import Loops, unrolled_names
from resdsl.tools.export.operators import INPUT, MODULE, Applied, input_name
from resdsl.tools.export.parts import NoChain, sequential
from resdsl.tools.export.residuals import Residuals
from resdsl.tools.export.steps import Steps

_ROOM = WIDTH - 8
"""Characters of a line in a method."""

_BRANCHES = ("y", "z", "u", "v", "w")


@dataclass(slots=True)
class Flows:
    """Writes bodies with a ``forward``."""

    steps: Steps
    lines: list[Line]
    """Where lines of ``forward`` go."""
    variables: set[str]
    taps: dict[str, Flow] = field(default_factory=dict)
    outputs: dict[str, Flow] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    outer_taps: Mapping[str, Flow] = field(default_factory=dict)
    open: int = 0
    """Joins and residuals whose branches are being written."""
    kept: set[str] = field(default_factory=set)

    @property
    def cls(self) -> ClassWriter:
        return self.steps.cls

    # --- values ---

    def fresh(self, name: str) -> str:
        """A variable of ``forward`` that is not in use."""
        name = identifier(name) if name != "x" else name
        found, number = name, 1
        while found in self.variables:
            number += 1
            found = f"{name}{number}"
        self.variables.add(found)
        return found

    def branch(self) -> str:
        free = next((name for name in _BRANCHES if name not in self.variables), None)
        return self.fresh(free or "y")

    def assigned(self, flow: Flow, variable: str) -> Flow:
        """The value in a variable."""
        if not flow.pending:
            return flow
        self.lines.append(Line(f"{variable} = {flow.text}"))
        if not self.open:
            # Nothing refers to variables of branches any more.
            self.variables &= {"x", *self.kept, variable}
        return Flow(variable, flow.channels)

    def ready(self, flow: Flow, variable: str, statements: Sequence[tree.Tree]) -> Flow:
        """The value as the first of some statements takes it: in a variable if that begins a new line of the text."""
        if not flow.pending:
            return flow
        if len(flow.text) > _ROOM - 20 or (flow.line != line_of(statements[0]) and not self._belongs(statements)):
            return self.assigned(flow, variable)
        return flow

    @staticmethod
    def _belongs(statements: Sequence[tree.Tree]) -> bool:
        """Whether a line has norms and activations alone, which belong to the layer on the line before."""
        line = line_of(statements[0])
        for statement in statements:
            if line_of(statement) != line:
                break
            flow = statement.flow if isinstance(statement, tree.Step) else None
            operator = operators().get(flow.callee.name) if isinstance(flow, tree.Call) else None
            if operator is None or not operator.drawn_inside:
                return False
        return True

    # --- bodies ---

    def body(self, place: Place, body: tree.Body, flow: Flow, variable: str) -> Flow:
        for position, statement in enumerate(body.statements):
            runs = place.statements(position)
            short = self.steps.short(flow.channels, place)
            if short is not flow.channels:
                flow = replace(flow, channels=short)
            match statement:
                case tree.Const():
                    place = self.steps.const(place, statement, flow.channels, runs)
                case tree.Step():
                    flow = self.ready(flow, variable, body.statements[position:])
                    flow = self.step(place, statement, runs, flow, variable)
                    if flow.pending:
                        flow = replace(flow, line=line_of(statement))
                case tree.Tap():
                    flow = self._named(flow, statement.name.name)
                    self.taps[statement.name.name] = flow
                case tree.Output():
                    is_last = position == len(body.statements) - 1 or all(
                        isinstance(one, tree.Expect | tree.Output) for one in body.statements[position + 1 :]
                    )
                    if not (is_last and self.cls.is_model and not self.open):
                        flow = self._named(flow, statement.name.name.lower())
                    self.outputs[statement.name.name] = flow
                case tree.Aux():
                    flow = self.assigned(flow, variable)
                    self._aux(place, statement, runs, flow)
                case tree.Expect() | tree.Labels() | tree.Preprocess() | tree.Input() | tree.Default():
                    pass
                case _:
                    raise Unfit("a statement that cannot be written")
        return flow

    def _named(self, flow: Flow, name: str) -> Flow:
        """The value in a variable of this name, which stays."""
        if not flow.pending and flow.text == identifier(name):
            return flow
        if not flow.pending and flow.text in self.kept:
            return flow
        made = self.fresh(name)
        self.kept.add(made)
        return self.assigned(replace(flow, pending=True), made)

    def step(self, place: Place, step: tree.Step, runs: Sequence[StatementRun], flow: Flow, variable: str) -> Flow:
        inner = step.flow
        if isinstance(inner, tree.Call):
            return self._call(place, step, inner, runs, flow, variable)
        if isinstance(inner, tree.Stage):
            bodies = [run.bodies[0] for run in runs]
            return self._group(
                place.inside(bodies), inner.body, runs, flow, variable, self._label(place, inner.label, runs)
            )
        if step.label is not None:
            label = self._label(place, step.label, runs)
            if isinstance(inner, tree.Group):
                return self._group(
                    place.inside([run.bodies[0] for run in runs]), inner.body, runs, flow, variable, label
                )
            body = tree.Body((without_label(step),), span=step.span)
            return self._group(alone(place, runs, body), body, runs, flow, variable, label)
        match inner:
            case tree.Group():
                return self.body(place.inside([run.bodies[0] for run in runs]), inner.body, flow, variable)
            case tree.Residual():
                return self._residual(place, inner, runs, flow, variable)
            case tree.Join():
                return self._join(place, inner, runs, flow, variable)
            case tree.From():
                return self._from(place, inner, runs, flow, variable)
            case tree.If():
                return self._condition(place, inner, runs, flow, variable)
            case tree.For():
                return self._unrolled(place, [inner.body], runs, flow, variable)
            case tree.Repeat():
                return self._repeat(place, inner, runs, flow, variable)
        raise Unfit("a statement that cannot be written")

    def _label(self, place: Place, label: tree.LabelTree, runs: Sequence[StatementRun]) -> str:
        return self.steps.label(place, label, runs)

    # --- operators and blocks ---

    def _call(
        self, place: Place, step: tree.Step, call: tree.Call, runs: Sequence[StatementRun], flow: Flow, variable: str
    ) -> Flow:
        label = None if step.label is None else self._label(place, step.label, runs)
        if runs[0].bodies:
            made = self.steps.constructed(place, [run.bodies[0] for run in runs], runs, call, flow.channels)
            name = label or self._name(place, [run.bodies[0].context.frame.path for run in runs])
            module = self.cls.add_module(name, made.text, self.steps.lines)
            return Flow(f"{module}({flow.text})", made.channels, pending=True)
        nodes = [column.node(run.result) for column, run in zip(place.columns, runs, strict=True)]
        fields = self.steps.fields(place, call, flow.channels, runs, nodes[0])
        return self.operator(place, nodes, fields, [flow], variable, label)

    @staticmethod
    def _name(place: Place, paths: Sequence[str]) -> str:
        """The name of an unlabelled module: what comes behind the path of the class in its own path."""
        names = [
            path.removeprefix(column.run.context.naming.prefix)
            for column, path in zip(place.columns, paths, strict=True)
        ]
        if not same(names):
            raise Unfit("names differ")
        return names[0]

    def operator(
        self,
        place: Place,
        nodes: Sequence[Node],
        fields: Mapping[str, Expression],
        flows: Sequence[Flow],
        variable: str,
        label: str | None = None,
    ) -> Flow:
        """An operator applied to values."""
        channels = [flow.channels for flow in flows]
        made = self.steps.operator(place, nodes, fields, channels)
        flows = self._simple(made, flows, variable)
        module = ""
        if made.type or (made.tensors and made.tensors[0]):
            module = self._module(place, made, nodes, channels[0], label)
        text = made.expression if not (made.tensors and made.tensors[0]) else f"{MODULE}({INPUT})"
        text = text.replace(MODULE, module)
        for position in reversed(range(len(flows))):
            text = text.replace(input_name(position), flows[position].text)
        is_sum = bool(re.search(r"^[^(\[]*\s[-+*/]\s|\)\s[-+*/]\s", text)) and not text.startswith("torch.cat(")
        result = self.steps.result(place, nodes, fields, channels)
        if text == flows[0].text and len(flows) == 1:
            return replace(flows[0], channels=result)
        return Flow(text, result, pending=True, is_sum=is_sum)

    def _simple(self, made: Applied, flows: Sequence[Flow], variable: str) -> list[Flow]:
        """The inputs as an expression can take them: in a variable where it reads them twice."""
        found: list[Flow] = []
        for position, flow in enumerate(flows):
            name = input_name(position)
            count = (
                made.expression.count(name)
                if position
                else len(re.findall(rf"{INPUT}(?!\d+{INPUT})", re.sub(rf"{INPUT}\d+{INPUT}", "", made.expression)))
            )
            owns = bool(made.tensors and made.tensors[0])
            inside = re.search(rf"[(,\[]\s*{re.escape(name)}[),\]]", made.expression) is not None
            if flow.pending and not owns and (count > 1 or (flow.is_sum and not inside)):
                found.append(self.assigned(flow, variable if len(flows) == 1 else self.branch()))
            else:
                found.append(flow)
        return found

    def _module(
        self, place: Place, made: Applied, nodes: Sequence[Node], channels: Expression | None, label: str | None
    ) -> str:
        owns = bool(made.tensors and made.tensors[0])
        text = self.steps.leaf(place, made, nodes, channels) if owns else self.steps.module(place, made, channels)
        graph = place.columns[0].network.graph
        if label is None and not graph.applications[nodes[0].index].parameters:
            return self.cls.shared_module(nodes[0].operator.name, text, self.steps.lines)
        name = label or self._name(place, [node.path for node in nodes])
        return self.cls.add_module(name, text, self.steps.lines)

    # --- groups ---

    def _group(
        self, place: Place, body: tree.Body, runs: Sequence[StatementRun], flow: Flow, variable: str, label: str
    ) -> Flow:
        """A labelled group: a chain, or a module of a class of its own."""
        with self.steps.attempt(NoChain) as done:
            chain = Chains(self.steps).body(place, body, flow.channels)
            text = sequential(chain.parts, self.cls.variable(label.rpartition(".")[2]), self.steps.lines)
        if not done:
            return self._own_class(place, body, flow, variable, label)
        module = self.cls.add_module(label, text, self.steps.lines)
        channels = self.cls.lasting(chain.channels, place.columns, [run.result for run in runs])
        return Flow(f"{module}({flow.text})", channels, pending=True)

    def _own_class(self, place: Place, body: tree.Body, flow: Flow, variable: str, label: str) -> Flow:
        made = self.steps.classes.group(self.steps, place, body, flow.channels, label)
        module = self.cls.add_module(label, made.text, self.steps.lines)
        given = [flow.text, *(self.read(name).text for name in made.reads)]
        call = f"{module}({', '.join(given)})"
        if not made.gives:
            return Flow(call, made.channels, pending=True)
        names: list[str] = []
        for called, channels in made.gives:
            known = self.fresh(called[-1][1].lower() if called[-1][0] == "output" else called[-1][1])
            self.kept.add(known)
            names.append(known)
            for kind, name in called:
                (self.outputs if kind == "output" else self.taps)[name] = Flow(known, channels)
        if made.flow is None:
            names.append(variable)
        self.lines.append(Line(f"{', '.join(names)} = {call}"))
        return Flow(names[-1 if made.flow is None else made.flow], made.channels)

    def read(self, name: str) -> Flow:
        """The value of a tap; one from outside becomes an argument of ``forward``."""
        if name in self.taps:
            return self.taps[name]
        if name not in self.outer_taps:
            raise Unfit("a tap from elsewhere")
        made = self.fresh(name)
        self.kept.add(made)
        self.reads.append(name)
        outer = self.outer_taps[name]
        channels = None
        if outer.channels is not None:
            channels = outer.channels if isinstance(outer.channels, py.Literal) else None
        self.taps[name] = Flow(made, channels)
        return self.taps[name]

    def _from(self, place: Place, step: tree.From, runs: Sequence[StatementRun], flow: Flow, variable: str) -> Flow:
        start = self.read(step.tap.name)
        if flow.pending:
            # Its value may still be an output or tap, and costs nothing if it is not.
            flow = self.assigned(flow, variable)
        bodies = [run.bodies[0] for run in runs]
        if start.channels is None:
            inner = place.inside(bodies)
            widths = [column.network.type_of(column.run.flow).shape[1] for column in inner.columns]
            if all(isinstance(width, int) for width in widths):
                start = replace(start, channels=self.steps.known(inner, None, widths, "channels"))
        return self.body(place.inside(bodies), step.body, start, variable)

    def _aux(self, place: Place, statement: tree.Aux, runs: Sequence[StatementRun], flow: Flow) -> None:
        if not self.cls.is_model:
            raise Unfit("a head in a group")
        label = self._label(place, statement.label, runs)
        inner = place.inside([run.bodies[0] for run in runs])
        reads: Sequence[str] = ()
        with self.steps.attempt(NoChain) as done:
            chain = Chains(self.steps).body(inner, statement.body, flow.channels)
            text = sequential(chain.parts, self.cls.variable(label), self.steps.lines)
        if not done:
            made = self.steps.classes.group(self.steps, inner, statement.body, flow.channels, label)
            if made.gives:
                raise Unfit("a head that gives several values")
            text, reads = made.text, made.reads
        module = self.cls.add_module(label, text, self.steps.lines)
        given = ", ".join([flow.text, *(self.read(name).text for name in reads)])
        path = inner.columns[0].run.context.scope.path
        self.heads.append(path)
        self.lines.append(Line("if self.training:", [Line(f"aux[{py.string_text(path)}] = {module}({given})")]))

    # --- joins ---

    def _join(self, place: Place, step: tree.Join, runs: Sequence[StatementRun], flow: Flow, variable: str) -> Flow:
        flow = self.assigned(flow, variable)
        counts = {len(run.bodies) for run in runs}
        if len(counts) > 1:
            raise Unfit("joins of different branches")
        self.open += 1
        flows: list[Flow] = []
        for number in range(counts.pop()):
            bodies = [run.bodies[number] for run in runs]
            if len({id(body.body.statements[0]) for body in bodies}) > 1:
                raise Unfit("joins of different branches")
            inner = place.inside(bodies, unrolled_names(place.names, bodies))
            statement = bodies[0].body.statements[0]
            if all(body.result == body.flow for body in bodies) and is_identity(statement):
                flows.append(flow)
                continue
            mine = self.branch()
            result = self.body(inner, bodies[0].body, flow, mine)
            if len(flows) + 1 > 1 and result.pending and len(result.text) > _ROOM - 12:
                result = self.assigned(result, mine)
            flows.append(result)
            if all(mine not in line.text for line in self.lines):
                self.variables.discard(mine)
        self.open -= 1
        nodes = [column.node(run.result) for column, run in zip(place.columns, runs, strict=True)]
        flows = self._short(flows)
        return self.operator(place, nodes, {}, flows, variable)

    def _short(self, flows: list[Flow]) -> list[Flow]:
        """Branches that fit into one line together, unless each can have a line of its own."""
        return flows

    def _residual(
        self, place: Place, step: tree.Residual, runs: Sequence[StatementRun], flow: Flow, variable: str
    ) -> Flow:
        return Residuals(self).residual(place, step, runs, flow, variable)

    # --- conditions and loops ---

    def _condition(self, place: Place, step: tree.If, runs: Sequence[StatementRun], flow: Flow, variable: str) -> Flow:
        condition, values = place.condition(step.condition, flow.channels, runs)
        if len(set(values)) == 1:
            taken = step.then if values[0] else step.otherwise
            if taken is None:
                return flow
            return self.body(place.inside([run.bodies[0] for run in runs]), taken, flow, variable)
        condition = self.cls.expression_for(values, place, [condition], "condition", False)
        flow = self.assigned(flow, variable)
        behind = [column.network.type_of(run.result).shape[1] for column, run in zip(place.columns, runs, strict=True)]
        inner = [([run for run, value in zip(runs, values, strict=True) if value], step.then, values)]
        if step.otherwise is not None:
            others = [not value for value in values]
            inner.append(([run for run, value in zip(runs, others, strict=True) if value], step.otherwise, others))
        made: list[tuple[list[Line], list[Line], Expression | None]] = []
        for chosen, body, mask in inner:
            init, forward = self.steps.lines, self.lines
            self.steps.lines, self.lines = [], []
            some = place.some(mask).inside([run.bodies[0] for run in chosen])
            self.open += 1
            result = self.body(some, body, flow, flow.text)
            self.open -= 1
            if result.pending or result.text != flow.text:
                self.lines.append(Line(f"{flow.text} = {result.text}"))
            made.append((self.steps.lines, self.lines, result.channels))
            self.steps.lines, self.lines = init, forward
        otherwise = made[1][2] if len(made) > 1 else flow.channels
        channels = Chains(self.steps).joined(place, condition, made[0][2], otherwise, behind)
        flag = self.cls.stored(condition, "active", self.steps.lines)
        for number, lines, test in ((0, self.steps.lines, py.written(condition)), (1, self.lines, flag)):
            first, second = ([*each[:2]][number] for each in (made if len(made) > 1 else [made[0], ([], [], None)]))
            if first:
                lines.append(Line(f"if {test}:", list(first)))
                if second:
                    lines.append(Line("else:", list(second)))
            elif second:
                lines.append(Line(f"if not {test}:" if " " not in test else f"if not ({test}):", list(second)))
        return Flow(flow.text, channels)

    def _unrolled(
        self, place: Place, bodies: Sequence[tree.Body], runs: Sequence[StatementRun], flow: Flow, variable: str
    ) -> Flow:
        """A loop, pass after pass."""
        if len({len(run.bodies) for run in runs}) > 1:
            raise Unfit("different counts")
        for number in range(len(runs[0].bodies)):
            inner = [run.bodies[number] for run in runs]
            there = place.inside(inner, unrolled_names(place.names, inner))
            flow = self.body(there, bodies[0], flow, variable)
        return flow

    def _repeat(self, place: Place, step: tree.Repeat, runs: Sequence[StatementRun], flow: Flow, variable: str) -> Flow:
        counts = [column.value(step.count, run.flow) for column, run in zip(place.columns, runs, strict=True)]
        if not same(counts):
            raise Unfit("different counts")
        assert isinstance(counts[0], int)
        for number in range(counts[0]):
            passes = [Loops.nth(column, run, number) for column, run in zip(place.columns, runs, strict=True)]
            if isinstance(step.repeated, tree.Call):
                call = tree.Step(None, step.repeated, None, span=step.span)
                flow = self._call(place, call, step.repeated, passes, flow, variable)
                if len(flow.text) > _ROOM - 20:
                    flow = self.assigned(flow, variable)
                continue
            bodies = [run.bodies[0] for run in passes]
            names = [
                body.context.naming.prefix.removeprefix(column.run.context.naming.prefix).removesuffix(".")
                for column, body in zip(place.columns, bodies, strict=True)
            ]
            if not same(names):
                raise Unfit("names differ")
            flow = self.assigned(flow, variable)
            flow = self._group(place.inside(bodies), step.repeated.body, passes, flow, variable, names[0])
        return flow
