"""Residuals: a main path and a shortcut, which may differ between the instances of a block."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from resdsl.elaborate.recording import StatementRun
from resdsl.ir.graph import Node
from resdsl.syntax import tree
from resdsl.tools.export import expressions as py
from resdsl.tools.export.expressions import Expression
from resdsl.tools.export.flow import Flow, reads_taps, texts_of
from resdsl.tools.export.instances import Inexpressible, Place, Unfit, same
from resdsl.tools.export.layout import Line
from resdsl.tools.export.steps import Steps


class Writer(Protocol):
    """Writes bodies with a ``forward``."""

    steps: Steps
    lines: list[Line]
    variables: set[str]
    open: int

    def fresh(self, name: str) -> str: ...

    def branch(self) -> str: ...

    def assigned(self, flow: Flow, variable: str) -> Flow: ...

    def body(self, place: Place, body: tree.Body, flow: Flow, variable: str) -> Flow: ...

    def operator(
        self,
        place: Place,
        nodes: Sequence[Node],
        fields: Mapping[str, Expression],
        flows: Sequence[Flow],
        variable: str,
    ) -> Flow: ...


@dataclass(slots=True)
class Residuals:
    """Residuals: a main path and a shortcut, which may differ between the instances of a block."""

    flows: Writer
    end: Expression | None = None
    """The channels of the main path."""

    def residual(
        self, place: Place, step: tree.Residual, runs: Sequence[StatementRun], flow: Flow, variable: str
    ) -> Flow:
        flows = self.flows
        flow = flows.assigned(flow, variable)
        mains = [run.bodies[0] for run in runs]
        forms = [self._form(column.network, run) for column, run in zip(place.columns, runs, strict=True)]
        kinds = set(forms)
        if kinds == {"none"}:
            return flows.body(place.inside(mains), step.main, flow, variable)
        outer, flows.lines = flows.lines, []
        strides = len(flows.steps.cls.strides)
        flows.open += 1
        inner_variable = variable if kinds != {"none", "identity"} else flows.branch()
        # The main path may overwrite the variable, where the shortcut is kept in another.
        main = flows.body(place.inside(mains), step.main, flow, inner_variable)
        main_lines, flows.lines = flows.lines, outer
        adds = [column.node(run.result) for column, run in zip(place.columns, runs, strict=True)]
        if main.pending and main_lines and main.channels is not None:
            main_lines.append(Line(f"{inner_variable} = {main.text}"))
            main = Flow(inner_variable, main.channels)
        if kinds == {"none", "identity"}:
            flows.lines += main_lines
            flows.open -= 1
            return self._optional_sum(place, step, runs, flow, main, forms, variable, inner_variable)
        self.end = main.channels
        main, scale_lines = self._scaled(place, step, runs, main, adds, inner_variable)
        main_lines += scale_lines
        overwrites = any(re.match(rf"(?:.*\b)?{flow.text}\b(?:, \w+)* = ", text) for text in texts_of(main_lines))
        shortcut = self._shortcut(place, step, runs, flow, forms, adds, overwrites, strides, main_lines, main)
        flows.open -= 1
        result = flows.operator(place, adds, {}, [main, shortcut], variable)
        values = [node.type.shape[1] for node in adds]
        found = result.channels
        for candidate in (main.channels, shortcut.channels):
            if flows.steps.cls.holds(candidate, place.columns, values):
                found = candidate
                break
        return replace(result, channels=found)

    @staticmethod
    def _form(network: Any, run: StatementRun) -> str:
        """What the shortcut of one residual is."""
        if run.result == run.bodies[0].result:
            return "none"
        if len(run.bodies) > 1:
            return "body"
        add = network.graph.nodes[run.result]
        return "identity" if add.inputs[1] == run.flow else "pad"

    def _scaled(
        self,
        place: Place,
        step: tree.Residual,
        runs: Sequence[StatementRun],
        main: Flow,
        adds: Sequence[Node],
        variable: str,
    ) -> tuple[Flow, list[Line]]:
        """The main path times its scale."""
        flows = self.flows
        nodes = [column.node(add.inputs[0]) for column, add in zip(place.columns, adds, strict=True)]
        is_scaled = [node.index != run.bodies[0].result for node, run in zip(nodes, runs, strict=True)]
        if not any(is_scaled):
            return main, []
        if not all(is_scaled):
            raise Unfit("some residuals are scaled")
        fields: dict[str, Expression] = {}
        with suppress(Inexpressible):
            fields["factor"] = place.translated(step.arguments[0].value, main.channels, runs)
        outer, flows.lines = flows.lines, []
        made = flows.operator(place, nodes, fields, [main], variable)
        lines, flows.lines = flows.lines, outer
        return made, lines

    def _optional_sum(
        self,
        place: Place,
        step: tree.Residual,
        runs: Sequence[StatementRun],
        flow: Flow,
        main: Flow,
        forms: Sequence[str],
        variable: str,
        inner: str,
    ) -> Flow:
        """A shortcut that some instances do not have."""
        flows = self.flows
        if any(
            len(column.node(run.result).inputs) > 1 and column.node(run.result).inputs[0] != run.bodies[0].result
            for column, run, form in zip(place.columns, runs, forms, strict=True)
            if form == "identity"
        ):
            raise Unfit("some residuals are scaled")
        main = flows.assigned(main, inner)
        values = [form == "identity" for form in forms]
        candidate: Expression | None = None
        if isinstance(step.kind, tree.Conditional):
            then = step.kind.value
            with suppress(Inexpressible):
                condition = place.translated(step.kind.condition, flow.channels, runs)
                is_then = isinstance(then, tree.Name) and then.name == "identity"
                candidate = condition if is_then else py.negated(condition)
        expression = flows.steps.cls.expression_for(values, place, [candidate], "use_shortcut", False)
        flag = flows.steps.cls.stored(expression, "use_shortcut", flows.steps.lines)
        return Flow(f"{flow.text} + {main.text} if {flag} else {main.text}", main.channels, pending=True, is_sum=True)

    def _shortcut(
        self,
        place: Place,
        step: tree.Residual,
        runs: Sequence[StatementRun],
        flow: Flow,
        forms: Sequence[str],
        adds: Sequence[Node],
        overwrites: bool,
        strides: int,
        main_lines: list[Line],
        main: Flow,
    ) -> Flow:
        """The value that is added to the main path; its lines and those of the main path are written."""
        flows = self.flows
        kinds = set(forms)
        is_late = step.shortcut is not None and "body" in kinds and reads_taps(step.shortcut)
        if kinds == {"identity"}:
            if overwrites:
                name = flows.fresh("shortcut")
                flows.lines.append(Line(f"{name} = {flow.text}"))
                flows.lines += main_lines
                return Flow(name, flow.channels)
            flows.lines += main_lines
            return flow
        if len(kinds) == 1:
            if is_late:
                flows.lines += main_lines
                return self._path(place, step, runs, flow, forms, adds)
            if not overwrites:
                flows.lines += main_lines
                return self._path(place, step, runs, flow, forms, adds)
            name = flows.fresh("shortcut")
            made = self._path(place, step, runs, flow, forms, adds)
            made = flows.assigned(replace(made, pending=True), name)
            flows.lines += main_lines
            return made
        if len(kinds) > 2 or "identity" not in kinds:
            raise Unfit("shortcuts of different kinds")
        return self._some(place, step, runs, flow, forms, adds, strides, main_lines, main, is_late=is_late)

    def _path(
        self,
        place: Place,
        step: tree.Residual,
        runs: Sequence[StatementRun],
        flow: Flow,
        forms: Sequence[str],
        adds: Sequence[Node],
    ) -> Flow:
        """A shortcut with layers."""
        flows = self.flows
        if forms[0] == "body":
            assert step.shortcut is not None
            name = flows.branch()
            made = flows.body(place.inside([run.bodies[1] for run in runs]), step.shortcut, flow, name)
            if all(name not in text for text in texts_of(flows.lines)):
                flows.variables.discard(name)
            return made
        # Option A: nodes that the text does not spell out.
        paths = []
        for column, run, add in zip(place.columns, runs, adds, strict=True):
            path: list[Node] = []
            index = add.inputs[1]
            while index != run.flow:
                path.append(column.node(index))
                (index,) = path[-1].inputs
            paths.append(path[::-1])
        if len({tuple(type(node.operator) for node in path) for path in paths}) > 1:
            raise Unfit("shortcuts of different kinds")
        value = flow
        for number in range(len(paths[0])):
            nodes = [path[number] for path in paths]
            fields = self._found(place, nodes, value, adds)
            value = flows.operator(place, nodes, fields, [value], "shortcut")
        return value

    def _found(self, place: Place, nodes: Sequence[Node], flow: Flow, adds: Sequence[Node]) -> dict[str, Expression]:
        """The arguments of operators of option A as expressions: the stride, and the channels that are new."""
        cls, found = self.flows.steps.cls, dict[str, Expression]()
        operators: list[Any] = [node.operator for node in nodes]
        if nodes[0].operator.name == "maxpool":
            values = [py.literal_of(operator.stride) for operator in operators]
            if None not in values and not same([value.value for value in values if value]):
                numbers = [value.value for value in values if value is not None]
                found["stride"] = cls.expression_for(numbers, place, cls.strides, "stride", 1)
        if nodes[0].operator.name == "pad":
            widths = [add.type.shape[1] for add in adds]
            behind = self.end if cls.holds(self.end, place.columns, widths) else None
            for name in ("before", "after"):
                numbers = [getattr(operator, name) for operator in operators]
                if same(numbers) or behind is None or flow.channels is None:
                    continue
                more = py.binary("-", behind, flow.channels)
                half = py.binary("//", more, py.Literal(2))
                found[name] = cls.expression_for(numbers, place, [more, half, py.binary("-", more, half)], name, 0)
        return found

    def _some(
        self,
        place: Place,
        step: tree.Residual,
        runs: Sequence[StatementRun],
        flow: Flow,
        forms: Sequence[str],
        adds: Sequence[Node],
        strides: int,
        main_lines: list[Line],
        main: Flow,
        *,
        is_late: bool,
    ) -> Flow:
        """A shortcut that is the value itself in some instances, and has layers in others."""
        flows, cls = self.flows, self.flows.steps.cls
        values = [form != "identity" for form in forms]
        changes = (
            py.binary("!=", flow.channels, main.channels)
            if flow.channels is not None and main.channels is not None
            else None
        )
        found = list(dict.fromkeys(cls.strides[strides:]))
        stepped: Expression | None = None
        for stride in found:
            moves = py.binary("!=", stride, py.Literal(1))
            stepped = moves if stepped is None else py.binary("or", stepped, moves)
        both = py.binary("or", stepped, changes) if stepped is not None and changes is not None else None
        condition = cls.expression_for(values, place, [both, changes, stepped], "project", False)
        some = place.some(values)
        chosen = [run for run, value in zip(runs, values, strict=True) if value]
        kept = [add for add, value in zip(adds, values, strict=True) if value]
        init, forward = flows.steps.lines, flows.lines
        flows.steps.lines, flows.lines = [], []
        made = self._path(some, step, chosen, flow, [form for form in forms if form != "identity"], kept)
        own, path = flows.steps.lines, flows.lines
        flows.steps.lines, flows.lines = init, forward
        name = flows.fresh("shortcut")
        module = re.fullmatch(r"(self\.\w+)\((\w+)\)", made.text)
        is_one = (
            module is not None and not path and own and own[-1].text.startswith(f"{module[1]} = ")
            and not any(line.text.startswith("self.") for line in own[:-1])
        )  # fmt: skip
        if is_one:
            assert module is not None
            init.append(Line(f"{module[1]}: nn.Module | None = None"))
            init.append(Line(f"if {py.written(condition)}:", own))
            test = f"{module[1]} is not None"
        else:
            flag = cls.stored(condition, "project", init)
            init.append(Line(f"if {py.written(condition) if flag == py.written(condition) else flag}:", own))
            test = flag
        if is_one and not is_late:
            flows.lines.append(Line(f"{name} = {flow.text} if {test[: -len(' is not None')]} is None else {made.text}"))
            flows.lines += main_lines
        elif is_late:
            flows.lines.append(Line(f"{name} = {flow.text}"))
            flows.lines += main_lines
            flows.lines.append(Line(f"if {test}:", [*path, Line(f"{name} = {made.text}")]))
        else:
            flows.lines.append(Line(f"{name} = {flow.text}"))
            flows.lines.append(Line(f"if {test}:", [*path, Line(f"{name} = {made.text}")]))
            flows.lines += main_lines
        return Flow(name, main.channels)
