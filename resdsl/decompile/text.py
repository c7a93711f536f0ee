"""The text of a program, as a person would write it and the formatter leaves it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence as Several
from dataclasses import dataclass, field

from resdsl.decompile.families import Family
from resdsl.decompile.fit import Parameter, value_text
from resdsl.decompile.loops import with_loops
from resdsl.decompile.program import Program
from resdsl.decompile.tree import Group, Item, Join, Op, Residual, Sequence, all_sequences, join_name, sequences_of
from resdsl.elaborate.values import ShortcutKind
from resdsl.ir.graph import Graph
from resdsl.ir.preprocess import Preprocess, step_text
from resdsl.ir.values import format_value
from resdsl.labels import label_sets, read_labels
from resdsl.ops import operators
from resdsl.ops.bn import BatchNorm
from resdsl.ops.linear import Linear
from resdsl.ops.softmax import Softmax

WIDTH = 110
"""Columns that a statement may take on one line, before it is written on several."""


def program_text(program: Program, *, comment: Several[str] = ()) -> str:
    """The specification: blocks in the order in which they need each other, then the model."""
    return _Writer(program).text(comment)


@dataclass(slots=True)
class _Scope:
    """Where statements stand: in the model, or in a block with expressions for what its instances differ in."""

    texts: Mapping[tuple[int, str], str] = field(default_factory=dict)
    family: Family | None = None
    joined: bool = False
    """Whether this is in a join, where no output can stand."""
    ends: frozenset[int] = frozenset()
    """The values at the ends of the groups around: taps and outputs of them stand behind the groups."""


class _Writer:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.graph = program.graph
        self.families = program.families
        self.defaults = _usual_eps(program.graph)
        self.classifier = _classifier(program)
        self.taps = {node: f"t{place}" for place, node in enumerate(sorted(program.nest.taps), start=1)}
        self.users: dict[int, list[Sequence]] = {}
        for top in (program.top, *program.nest.sides):
            for sequence in all_sequences(top):
                if sequence.source is not None:
                    self.users.setdefault(sequence.source, []).append(sequence)

    def text(self, comment: Several[str]) -> str:
        parts = ["\n".join(f"# {line}" for line in comment)] if comment else []
        parts += self._uses()
        parts += [self._block(block) for block in self._own_blocks()]
        parts.append(self._model())
        return "\n\n".join(parts) + "\n"

    def _own_blocks(self) -> list[Family]:
        """The blocks to define: not those of the library, nor what only these call."""
        needed: dict[int, Family] = {}
        waiting = [self.program.top, *self.program.nest.sides]
        while waiting:
            for item in self._written(waiting.pop()):
                family = self.families.get(id(item))
                if family is not None and family.library is None and family.number not in needed:
                    needed[family.number] = family
                    waiting.append(family.shape.body)
        return [block for block in self.program.blocks if block.number in needed]

    def _written(self, body: Sequence) -> list[Item]:
        found: list[Item] = []
        waiting = [body]
        while waiting:
            for item in waiting.pop().items:
                found.append(item)
                if id(item) not in self.families:
                    waiting += sequences_of(item)
        return found

    def _uses(self) -> list[str]:
        names: dict[str, list[str]] = {}
        for body in (self.program.top, *self.program.nest.sides, *(block.shape.body for block in self._own_blocks())):
            for item in self._written(body):
                family = self.families.get(id(item))
                if family is not None and family.library is not None:
                    known = names.setdefault(family.library.file, [])
                    if family.name not in known:
                        known.append(family.name)
        return (
            ["\n".join(f'use "std/{file}" ({", ".join(some)})' for file, some in sorted(names.items()))]
            if names
            else []
        )

    # --- definitions ---------------------------------------------------------------------------------------------

    def _block(self, block: Family) -> str:
        scope = _Scope(block.fit.texts, block)
        body = self._tap(block.shape.body.start, scope, inside=block.shape.body) + self._body(block.shape.body, scope)
        parameters = _parameters(block.fit.parameters)
        return f"block {block.name}{parameters} " + _braces(body, always_open=True)

    def _model(self) -> str:
        graph = self.graph
        lines = [f"input {graph.input_name}: {graph.input.type.dtype}{graph.input.type}"]
        if graph.preprocess is not None:
            lines.append(_preprocess(graph.preprocess))
        if graph.labels is not None and (labels := _labels(graph.labels)):
            lines.append(f"labels {labels}")
        for operator, values in self.defaults.items():
            given = ", ".join(f"{name} = {format_value(value)}" for name, value in values.items())
            lines.append(f"default {operator}({given})")
        scope = _Scope()
        body = self._tap(0, scope) + self._outputs(0) + self._body(self.program.top, scope)
        for side in self.program.nest.sides:
            assert side.source is not None
            inner = self._body(side, scope) or self._outputs(side.end)
            body.append(f"from {self.taps[side.source]} " + _braces(inner))
        ends = [f"expect parameters == {graph.parameter_count:_}"]
        if isinstance(graph.macs, int):
            ends.append(f"expect macs == {graph.macs:_}")
        arguments = "(classes = " + str(self.classifier.node.operator.features) + ")" if self.classifier else "()"  # type: ignore[attr-defined]
        return f"model {graph.name}{arguments} " + _open([*lines, "", *_packed(body), "", *ends])

    # --- statements ----------------------------------------------------------------------------------------------

    def _body(self, sequence: Sequence, scope: _Scope) -> list[str]:
        statements: list[str] = []
        items = sequence.items
        place = 0
        while place < len(items):
            condition = scope.texts.get((id(items[place]), "present"), "true")
            stop = place + 1
            if condition != "true":
                run = self._present(items, place, scope)
                inner = [one for item in run for one in self._item(item, scope)]
                statements.append(f"if {condition} " + _braces(inner))
                place += len(run)
                continue
            count = self._repeats(items, place, scope)
            if count > 1:
                group = items[place]
                assert isinstance(group, Group)
                statements.append(f"{count} x {self._call(group, scope)}")
                stop = place + count
                last = items[stop - 1]
                assert isinstance(last, Group)
                statements += self._after(last.body.end, scope)
            else:
                statements += self._item(items[place], scope)
            place = stop
        return with_loops(statements)

    def _present(self, items: list[Item], place: int, scope: _Scope) -> list[Item]:
        """The run of items that a condition is for: the next ones that the same instances lack."""
        assert scope.family is not None
        lacking = [id(items[place]) in binding.items for binding in scope.family.bindings]
        run = [items[place]]
        for item in items[place + 1 :]:
            if [id(item) in binding.items for binding in scope.family.bindings] != lacking:
                break
            run.append(item)
        return run

    def _repeats(self, items: list[Item], place: int, scope: _Scope) -> int:
        """How many calls from here on are the same, and named by their place."""
        first = items[place]
        if not isinstance(first, Group) or id(first) not in self.families or first.label:
            return 1
        text = self._call(first, scope)
        count = 1
        for item in items[place + 1 :]:
            before = items[place + count - 1]
            assert isinstance(before, Group)
            if (
                not isinstance(item, Group)
                or self.families.get(id(item)) is not self.families[id(first)]
                or item.label
                or self._call(item, scope) != text
                or before.body.end in self.taps
                or before.body.end in self.program.nest.outputs
                or (id(item), "present") in scope.texts
            ):
                break
            count += 1
        return count

    def _item(self, item: Item, scope: _Scope) -> list[str]:
        if isinstance(item, Op):
            label = f"{item.label}: " if item.label else ""
            return [label + self._operator(item, scope), *self._after(item.node.index, scope)]
        if isinstance(item, Group):
            return self._group(item, scope)
        if isinstance(item, Join):
            inner = dataclasses.replace(scope, joined=True)
            branches = [self._branch(branch, inner) for branch in item.branches]
            keyword = join_name(item.node)
            return [f"{keyword} " + _braces(branches, branches=True), *self._after(item.node.index, scope)]
        return [self._residual(item, scope), *self._after(item.node.index, scope)]

    def _group(self, item: Group, scope: _Scope) -> list[str]:
        label = f"{item.label}: " if item.label else ""
        if id(item) in self.families:
            return [label + self._call(item, scope), *self._after(item.body.end, scope)]
        stage = self._stage(item, scope)
        if stage:
            return [stage, *self._after(item.body.end, scope)]
        inner = dataclasses.replace(scope, ends=scope.ends | {item.body.end})
        return [label + _braces(self._body(item.body, inner)), *self._after(item.body.end, scope)]

    def _branch(self, branch: Sequence, scope: _Scope) -> str:
        statements = self._body(branch, scope)
        if branch.source is not None:
            # An empty body is the tapped value itself; `identity` in it would be a node.
            return f"from {self.taps[branch.source]} " + (_braces(statements) if statements else "{}")
        if not statements:
            return "identity"
        # In a join, a loop without braces is a branch for each of its passes, and `identity` no operator.
        alone = len(statements) == 1 and not statements[0].startswith(("if ", "for ")) and statements != ["identity"]
        return statements[0] if alone else _braces(statements)

    def _residual(self, item: Residual, scope: _Scope) -> str:
        scope = dataclasses.replace(scope, joined=True)
        kind = scope.texts.get((id(item), "shortcut"))
        has_body = not item.zeros and (bool(item.shortcut.items) or item.shortcut.source is not None)
        if kind is None:
            kind = (
                str(ShortcutKind("pad", item.zeros)) if item.zeros else "projection_always" if has_body else "identity"
            )
        factor = scope.texts.get((id(item), "scale")) or (format_value(item.factor) if item.scale is not None else "")
        head = f"residual(scale = {factor})" if factor else "residual"
        text = f"{head} " + _braces(self._body(item.main, scope), always_open=True)
        if kind == "identity":
            return text
        text += " shortcut" + ("" if kind == "projection_always" else f" {kind}")
        if has_body:
            inner = self._body(item.shortcut, scope)
            if item.shortcut.source is not None:
                inner = [f"from {self.taps[item.shortcut.source]} " + (_braces(inner) if inner else "{}")]
            text += " " + _braces(inner)
        return text

    def _stage(self, item: Group, scope: _Scope) -> str:
        """A list of calls of one block, of which the first may differ from the others: a stage."""
        calls = [one for one in item.body.items if isinstance(one, Group) and id(one) in self.families]
        if scope.family is not None or len(calls) < 2 or len(calls) != len(item.body.items):
            return ""
        family = self.families[id(calls[0])]
        if any(self.families[id(one)] is not family or one.label for one in calls) or self._marked(item.body):
            return ""
        first, *rest = [self._arguments(one, scope) for one in calls]
        if any(one != rest[0] for one in rest):
            return ""
        own = {name: text for name, text in first.items() if rest[0].get(name) != text}
        if any(name in rest[0] for name in own) or any(name not in first for name in rest[0]):
            return ""
        count = len(calls)
        arguments = ", ".join(f"{name} = {text}" for name, text in own.items())
        label = item.label or item.path.rpartition(".")[2]
        head = f"stage {label}" + (f"({arguments})" if arguments else "")
        call = family.name + _call_text(family.fit.parameters, rest[0])
        return f"{head} {{ {count} x {call} }}{self._shape(item.body.end)}"

    def _marked(self, body: Sequence) -> bool:
        """Whether a value inside is tapped or an output, so that statements must stand between the calls."""
        ends = [one.body.end for one in body.items[:-1] if isinstance(one, Group)]
        return any(end in self.taps or end in self.program.nest.outputs for end in ends)

    def _shape(self, node: int) -> str:
        shape = self.graph.nodes[node].type
        return f" -> {shape}" if shape.rank == 4 else ""

    # --- calls ---------------------------------------------------------------------------------------------------

    def _call(self, item: Group, scope: _Scope) -> str:
        family = self.families[id(item)]
        return family.name + _call_text(family.fit.parameters, self._arguments(item, scope))

    def _arguments(self, item: Group, scope: _Scope) -> dict[str, str]:
        """The arguments of a call that are not the defaults, as text."""
        family = self.families[id(item)]
        values = family.call(item).values
        arguments: dict[str, str] = {}
        for parameter in family.fit.parameters:
            text = scope.texts.get((id(item), f"argument:{parameter.name}"))
            if text is None:
                text = value_text(parameter.name, values[parameter.name])
            if parameter.default is None or text != value_text(parameter.name, parameter.default):
                arguments[parameter.name] = text
        return arguments

    def _operator(self, item: Op, scope: _Scope) -> str:
        operator = item.node.operator
        positional: list[str] = []
        named: list[str] = []
        for one in dataclasses.fields(operator):
            text = scope.texts.get((id(item), one.name))
            if text is None:
                value = getattr(operator, one.name)
                text = value_text(one.name, value)
                if item is self.classifier and one.name == "features":
                    text = "classes"
            default = self.defaults.get(operator.name, {}).get(one.name, one.default)
            if one.default is dataclasses.MISSING:
                positional.append(text)
            elif text != value_text(one.name, default):
                named.append(f"{one.name} = {text}")
        arguments = ", ".join([*positional, *named])
        return f"{operator.name}({arguments})" if arguments else operator.name

    # --- taps and outputs ----------------------------------------------------------------------------------------

    def _after(self, node: int, scope: _Scope) -> list[str]:
        if node in scope.ends:
            return []
        return self._tap(node, scope) + ([] if scope.joined or scope.family is not None else self._outputs(node))

    def _tap(self, node: int, scope: _Scope, inside: Sequence | None = None) -> list[str]:
        """A tap of a value, where someone in the same block or model starts from it."""
        if node not in self.taps:
            return []
        body = inside if inside is not None else scope.family.shape.body if scope.family is not None else None
        below = None if body is None else {id(one) for one in all_sequences(body)}
        if below is not None and not any(id(user) in below for user in self.users.get(node, ())):
            return []
        return [f"tap {self.taps[node]}"]

    def _outputs(self, node: int) -> list[str]:
        return [f"output {name}" for name in self.program.nest.outputs.get(node, ())]


def _parameters(parameters: Several[Parameter]) -> str:
    return f"({', '.join(str(one) for one in parameters)})" if parameters else ""


def _call_text(parameters: Several[Parameter], arguments: Mapping[str, str]) -> str:
    """``(64, stride = 2)``: those without a default by position."""
    texts = [
        text if parameter.default is None else f"{parameter.name} = {text}"
        for parameter in parameters
        if (text := arguments.get(parameter.name)) is not None
    ]
    return f"({', '.join(texts)})" if texts else ""


def _usual_eps(graph: Graph) -> dict[str, dict[str, object]]:
    """The ``eps`` of batch norms, where all have the same and it is not the default."""
    values = Counter(node.operator.eps for node in graph.nodes if isinstance(node.operator, BatchNorm))
    if len(values) != 1 or values.total() < 2:
        return {}
    (eps,) = values
    return {} if eps == BatchNorm().eps else {"bn": {"eps": eps}}


def _classifier(program: Program) -> Op | None:
    """The layer whose features are the classes: the last one, whose value or its softmax is an output."""
    graph = program.graph
    ends = {output.node for output in graph.outputs}
    ends |= {graph.nodes[end].inputs[0] for end in ends if isinstance(graph.nodes[end].operator, Softmax)}
    found = [
        item
        for sequence in all_sequences(program.top)
        for item in sequence.items
        if isinstance(item, Op) and isinstance(item.node.operator, Linear) and item.node.index in ends
    ]
    inside = {node for family in program.families.values() for member in family.members for node in (member.body.end,)}
    return found[0] if len(found) == 1 and found[0].node.index not in inside else None


def _preprocess(preprocess: Preprocess) -> str:
    return "preprocess " + _braces([step_text(step) for step in preprocess.steps])


def _labels(labels: Several[str]) -> str:
    """The name of a bundled set, or the names themselves; empty where the language cannot write these."""
    for name in label_sets():
        if read_labels(name) == tuple(labels):
            return format_value(name)
    if len(labels) > LONGEST or any(not label.isprintable() or len(label) > LONGEST for label in labels):
        return ""
    return format_value(tuple(labels))


LONGEST = 1_000
"""Items of a list and characters of a string in the language."""


def _braces(statements: list[str], *, always_open: bool = False, branches: bool = False) -> str:
    """A body: on one line if it is short, else with packed lines; each of several ``branches`` has its own."""
    flat = "; ".join(statements)
    if not statements:
        return "{ identity }"
    if not always_open and "\n" not in flat and len(flat) < WIDTH - 30 and len(statements) <= 6:
        return f"{{ {flat} }}"
    return _open(statements if branches else _packed(statements))


def _open(lines: list[str]) -> str:
    inner = "\n".join(f"  {line}" if line else "" for text in lines for line in text.split("\n"))
    return "{\n" + inner + "\n}"


def _packed(statements: list[str]) -> list[str]:
    """Norms and activations, which pictures draw inside the box of a layer, on the line of the layer before them."""
    lines: list[str] = []
    for statement in statements:
        operator = operators().get(statement.split("(")[0].split(": ")[-1])
        follows = operator is not None and operator.drawn_inside
        starts = lines and lines[-1].startswith(("tap ", "output ", "from ", "for ", "if ", "concat ", "add ", "mul "))
        if lines and follows and not starts and "\n" not in lines[-1] and len(lines[-1]) + len(statement) + 3 <= WIDTH:
            lines[-1] += f";  {statement}"
        else:
            lines.append(statement)
    return lines
