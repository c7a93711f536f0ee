"""The classes of a file: which there are, and the order in which each is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from resdsl.elaborate.program import Defined
from resdsl.elaborate.recording import BodyRun, StatementRun
from resdsl.elaborate.values import ShortcutKind
from resdsl.ir.initializers import Constant
from resdsl.ir.operator import Operator, ParameterSpec
from resdsl.ir.values import format_value
from resdsl.syntax import tree
from resdsl.tools.export import expressions as py
from resdsl.tools.export.chain import Chains
from resdsl.tools.export.classes import NOTHING, ClassWriter, Parameter, named
from resdsl.tools.export.expressions import Expression
from resdsl.tools.export.flow import Flow, nodes_below
from resdsl.tools.export.flows import Flows
from resdsl.tools.export.instances import Column, Inexpressible, Network, Place, Unfit, same
from resdsl.tools.export.layout import Line
from resdsl.tools.export.names import RESERVED, class_name
from resdsl.tools.export.operators import INPUT, MODULE, Applied
from resdsl.tools.export.parts import Many, Nested, NoChain, One, sequential, with_names
from resdsl.tools.export.steps import Group, Steps

Key = tuple[object, ...]


class Generator:
    """Writes the classes of a network from all instances of its blocks, in all ``networks``.

    The networks are one model with different arguments; ``kept`` names those that the class of the model has. With
    ``plain`` there are no loops, and a class for each set of arguments that a block is called with.
    """

    def __init__(self, networks: Sequence[Network], kept: Sequence[str], *, plain: bool = False) -> None:
        self.networks = networks
        self.plain = plain
        self.kept = tuple(kept)
        self.made: list[ClassWriter] = []
        self.wanted: dict[str, str] = {}
        """The name that each class should have, by the placeholder that it has until the file is put together."""
        self._instances: dict[int, tuple[BodyRun, Network]] = {}
        self._writers: dict[Key, ClassWriter] = {}
        self._split: set[Key] = set()
        self._leaves: dict[tuple[object, ...], str] = {}
        for network in networks:
            for run in _definitions(network.root):
                self._instances[id(run)] = (run, network)

    # --- the model ---

    def model(self) -> ClassWriter:
        """The class of the model. Raises ``Unfit`` if its networks differ in what its arguments do not say."""
        columns = [Column(network.root, number, network) for number, network in enumerate(self.networks)]
        defined = self.networks[0].root.context.frame.definition
        cls = self._new(defined.name, columns, is_model=True)
        names = self._parameters(cls, defined, only=self.kept)
        channels = self._declared(cls, columns, names, defined)
        place = Place(tuple(columns), names, channels)
        steps = Steps(cls, self, cls.init)
        flows = Flows(steps, cls.forward, {"x"})
        flow = flows.body(place, defined.tree.body, Flow("x", channels), "x")
        self._results(cls, flows, flow)
        cls.tidy()
        cls.finish()
        return cls

    def _declared(
        self, cls: ClassWriter, columns: Sequence[Column], names: Mapping[str, Expression], defined: Defined
    ) -> Expression:
        """The channels of the input of a model, which it declares itself."""
        values = [column.network.type_of(column.run.flow).shape[1] for column in columns]
        place = Place(tuple(columns), names, py.Literal(0))
        line = next(one for one in defined.tree.body.statements if isinstance(one, tree.Input))
        candidate: Expression | None = None
        if len(line.shape.dims) > 1:
            try:
                candidate = place.translated(line.shape.dims[1], None, ())
            except Inexpressible:
                candidate = None
        if candidate is None and not all(isinstance(value, int) for value in values):
            return py.Literal(0)
        return cls.expression_for(values, place, [candidate], "in_channels", NOTHING)

    def _results(self, cls: ClassWriter, flows: Flows, flow: Flow) -> None:
        """What the ``forward`` of the model gives: one value itself, several by name, heads in training."""
        graph = self.networks[0].graph
        outputs = [output for output in graph.outputs if not output.aux]
        pairs = [(output.name, flows.outputs[output.name].text) for output in outputs]
        said = [f"{py.string_text(name)}: {text}" for name, text in pairs]
        everything = f"{{{', '.join([*said, '**aux'] if flows.heads else said)}}}"
        alone = pairs[0][1] if len(pairs) == 1 else ""
        if flows.heads:
            cls.forward.insert(0, Line("aux: dict[str, Tensor] = {}"))
            if alone:
                single = self._returned(cls, flows.outputs[outputs[0].name])
                everything = f"{{{py.string_text(outputs[0].name)}: {single}, **aux}}"
                cls.forward.append(Line("if self.training:", [Line(f"return {everything}")]))
                cls.forward.append(Line(f"return {single}"))
                cls.returns = "Tensor | dict[str, Tensor]"
                return
            cls.forward.append(Line(f"return {everything}"))
            cls.returns = "dict[str, Tensor]"
        elif alone:
            cls.forward.append(Line(f"return {self._returned(cls, flows.outputs[outputs[0].name])}"))
        else:
            cls.forward.append(Line(f"return {everything}"))
            cls.returns = "dict[str, Tensor]"

    def _returned(self, cls: ClassWriter, flow: Flow) -> str:
        """The value as a typed expression; what a module gives is of any type until it is in a typed variable."""
        is_sum = flow.text == "x + shortcut" and any(line.text == "shortcut = x" for line in cls.forward)
        is_typed = is_sum or (flow.text.startswith(("torch.", "F.")) and not flow.is_sum)
        if flow.text in cls.inputs or (flow.pending and is_typed):
            return flow.text
        cls.forward.append(Line(f"x = {flow.text}"))
        return "x"

    # --- blocks ---

    def class_of(self, runs: Sequence[BodyRun]) -> ClassWriter:
        keys = {self._key(run) for run in runs}
        if len(keys) > 1:
            # Each may be split by what is written below it.
            for key in keys:
                self._class(key)
            keys = {self._key(run) for run in runs}
            if len(keys) > 1:
                raise Unfit("blocks of different classes")
        writer = self._class(keys.pop())
        keys = {self._key(run) for run in runs}
        if len(keys) > 1:
            raise Unfit("blocks of different classes")
        return writer if writer.root_of.keys() >= {id(run) for run in runs} else self._class(keys.pop())

    def _key(self, run: BodyRun) -> Key:
        """What instances of one class have in common: the block, and arguments that are no numbers."""
        defined = run.context.frame.definition
        values = [run.context.variables[name].value for name in defined.parameters]
        key: Key = (
            defined,
            tuple(
                format_value(value) if isinstance(value, ShortcutKind) else value
                for value in values
                if isinstance(value, ShortcutKind | Defined)
                or (isinstance(value, type) and issubclass(value, Operator))
            ),
        )
        if self.plain or key in self._split:
            _, network = self._instances[id(run)]
            key = (*key, str(network.type_of(run.flow)), tuple(map(format_value, values)))
        if key in self._split:
            key = (*key, id(run))
        return key

    def _class(self, key: Key) -> ClassWriter:
        if key in self._writers:
            return self._writers[key]
        members = [(run, network) for run, network in self._instances.values() if self._key(run) == key]
        try:
            self._writers[key] = self._block(members)
        except Unfit:
            if len(members) == 1 or key in self._split:
                raise
            self._split.add(key)
            for run, _ in members:
                self._class(self._key(run))
            raise (
                Unfit("a block of several classes")
                if len({self._key(run) for run, _ in members}) > 1
                else Unfit("a block")
            ) from None
        return self._writers[key]

    def _block(self, members: Sequence[tuple[BodyRun, Network]]) -> ClassWriter:
        columns = [Column(run, number, network) for number, (run, network) in enumerate(members)]
        defined = members[0][0].context.frame.definition
        cls = self._new(defined.name, columns)
        is_model = defined.tree.kind == "model"
        channels: Expression
        if is_model:
            names = self._parameters(cls, defined)
            channels = self._declared(cls, columns, names, defined)
        else:
            channels = self._in_channels(cls, columns)
            names = self._parameters(cls, defined)
        self._write(cls, Place(tuple(columns), names, channels), defined.tree.body, channels, is_chain=not is_model)
        cls.tidy()
        cls.finish()
        return cls

    def _in_channels(self, cls: ClassWriter, columns: Sequence[Column]) -> Expression:
        values = [column.network.type_of(column.run.flow).shape[1] for column in columns]
        if not all(isinstance(value, int) for value in values):
            return py.Literal(0)
        return cls.add_parameter(Parameter("in_channels", list(values)))

    def _parameters(
        self, cls: ClassWriter, defined: Defined, only: Sequence[str] | None = None
    ) -> dict[str, Expression]:
        """The arguments of a block or model as names; those that are always left out are numbers."""
        names: dict[str, Expression] = {}
        for parameter in defined.tree.parameters:
            name = parameter.name.name
            values = [py.literal_of(column.run.context.variables[name].value) for column in cls.instances]
            literals = [value.value for value in values if value is not None and not isinstance(value.value, str)]
            if len(literals) < len(values):
                continue
            default = self._default(parameter.default)
            if only is not None:
                if name in only:
                    names[name] = cls.add_parameter(Parameter(name, literals, literals[0], name))
                elif same(literals):
                    names[name] = py.Literal(literals[0])
                continue
            is_given = any(name in column.run.context.scope.given for column in cls.instances)
            if not is_given and same(literals):
                names[name] = py.Literal(literals[0])
            else:
                names[name] = cls.add_parameter(Parameter(name, literals, default, name))
        return names

    @staticmethod
    def _default(expression: tree.Expression | None) -> object:
        """The default of a parameter, where that is a number."""
        match expression:
            case tree.Number() | tree.Boolean():
                return expression.value
            case tree.SizeLiteral(height, width):
                return height if height == width else (height, width)
            case tree.ListLiteral(items) if all(isinstance(one, tree.Number) for one in items):
                return tuple(one.value for one in items if isinstance(one, tree.Number))
        return NOTHING

    def _write(
        self,
        cls: ClassWriter,
        place: Place,
        body: tree.Body,
        channels: Expression,
        *,
        is_chain: bool,
        taps: Mapping[str, Flow] | None = None,
    ) -> Flows | None:
        """The body of a class: a chain, or one with a ``forward``."""
        if is_chain:
            with Steps(cls, self, cls.init).attempt(NoChain) as done:
                self._chain(cls, place, body, channels)
            if done:
                return None
        steps = Steps(cls, self, cls.init)
        flows = Flows(steps, cls.forward, {"x"}, outer_taps=taps or {})
        flow = flows.body(place, body, Flow("x", channels), "x")
        cls.result = flow.channels
        if flows.heads:
            raise Unfit("a head in a block")
        gives = self._gives(place, body, flows)
        cls.inputs = ["x", *(flows.taps[name].text for name in flows.reads)]
        if not gives:
            cls.forward.append(Line(f"return {self._returned(cls, flow)}"))
            return flows
        texts = list(gives)
        if flow.pending or flow.text not in texts:
            flow = flows.assigned(flow, "x")
            texts.append(flow.text)
        else:
            cls.end = texts.index(flow.text)
        cls.forward.append(Line(f"return {', '.join(texts)}"))
        cls.returns = f"tuple[{', '.join(['Tensor'] * len(texts))}]"
        if len(texts) == 1:
            cls.forward[-1] = Line(f"return {self._returned(cls, Flow(texts[0], None))}")
            cls.returns = "Tensor"
        return flows

    @staticmethod
    def _gives(place: Place, body: tree.Body, flows: Flows) -> dict[str, list[tuple[str, str]]]:
        """What a group gives beside its result, by variable: outputs, and taps that others read."""
        definition = place.columns[0].run.context.frame.definition.tree
        found: dict[str, list[tuple[str, str]]] = {}
        if body is definition.body:
            return found
        inside = {id(node) for node in nodes_below(body)}
        outside = {
            node.tap.name
            for node in nodes_below(definition.body)
            if isinstance(node, tree.From) and id(node) not in inside
        }
        for name, flow in flows.outputs.items():
            found.setdefault(flow.text, []).append(("output", name))
        for name, flow in flows.taps.items():
            if name in outside and name not in flows.reads:
                found.setdefault(flow.text, []).append(("tap", name))
        return found

    def _chain(self, cls: ClassWriter, place: Place, body: tree.Body, channels: Expression) -> None:
        steps = Steps(cls, self, cls.init)
        chain = Chains(steps).body(place, body, channels)
        parts, is_named = with_names(chain.parts)
        if not parts:
            raise NoChain
        cls.result = chain.channels
        cls.base = "nn.Sequential"
        lines = list(cls.init)
        if is_named and all(isinstance(part, One) for part in parts):
            ones = [part for part in parts if isinstance(part, One)]
            if len({one.name for one in ones}) < len(ones) or any(one.name in RESERVED for one in ones):
                raise NoChain
            if not all(one.name.isidentifier() for one in ones):
                cls.call_super = f"super().__init__(OrderedDict({named([(one.name, one.text) for one in ones])}))"
                return
            cls.init[:] = [*lines, *(Line(f"self.{one.name} = {one.text}") for one in ones)]
            return
        if is_named or any(isinstance(part, Nested | Many) for part in parts):
            made = sequential(chain.parts, cls.variable("layers"), cls.init)
            cls.call_super = made.replace("nn.Sequential(", "super().__init__(", 1)
            return
        cls.call_super = f"super().__init__({', '.join(part.text for part in parts if isinstance(part, One))})"

    # --- groups ---

    def group(self, steps: Steps, place: Place, body: tree.Body, channels: Expression | None, label: str) -> Group:
        outer = steps.cls
        columns = [Column(column.run, number, column.network) for number, column in enumerate(place.columns)]
        cls = self._new(label.rpartition(".")[2].rstrip("0123456789_") or "block", columns)
        inputs = self._in_channels(cls, columns)
        names: dict[str, Expression] = {}
        given = dict(place.names)
        renamed: dict[Expression, Expression] = {}
        for name, expression in [*given.items(), ("", place.inputs)]:
            if isinstance(expression, py.Literal):
                made: Expression = expression
            elif expression in renamed:
                made = renamed[expression]
            else:
                try:
                    values = outer.values(expression, place.columns)
                except (Unfit, LookupError):
                    continue
                wanted = name or "channels_in"
                made = renamed[expression] = cls.add_parameter(
                    Parameter(wanted, values, outer=expression, language=name)
                )
            if name:
                names[name] = made
            else:
                place_inputs = made
        taps = self._read_outside(body)
        inner = Place(tuple(columns), names, place_inputs)
        has_outputs = any(isinstance(node, tree.Output | tree.Tap) for node in nodes_below(body))
        flows = self._write(
            cls, inner, body, inputs, is_chain=not has_outputs, taps={name: Flow(name, None) for name in taps}
        )
        cls.tidy()
        cls.finish()
        parts: list[str] = []
        passed: dict[str, Expression] = {}

        def pass_(parameter: Parameter) -> Expression:
            if parameter.name not in passed:
                candidate = channels if parameter.name == "in_channels" else parameter.outer
                passed[parameter.name] = outer.expression_for(
                    parameter.values, place, [candidate], parameter.name, parameter.default
                )
            return passed[parameter.name]

        for parameter in cls.signature:
            expression = pass_(parameter)
            if expression == py.Literal(parameter.default):
                continue
            text = py.written(expression)
            parts.append(text if parameter.default is NOTHING else f"{parameter.name}={text}")
        values = [column.network.type_of(column.run.result).shape[1] for column in place.columns]
        result = steps._behind(place, cls, values, pass_)
        gives = self._gives(inner, body, flows) if flows is not None else {}
        text = f"{cls.name}({', '.join(parts)})"
        if not gives or flows is None:
            return Group(text, tuple(flows.reads) if flows else (), (), None, result)
        known = {flow.text: flow for flow in (*flows.outputs.values(), *flows.taps.values())}
        found = tuple((tuple(called), self._channels(cls, known[text_], pass_)) for text_, called in gives.items())
        return Group(text, tuple(flows.reads), found, cls.end, result)

    def _channels(self, cls: ClassWriter, flow: Flow, pass_: Callable[[Parameter], Expression]) -> Expression | None:
        expression = flow.channels
        if expression is None or isinstance(expression, py.Literal):
            return expression
        if not all(name in cls.parameters for name in py.names(expression)):
            return None
        names = dict.fromkeys(py.names(expression))
        return py.substituted(expression, {name: pass_(cls.parameters[name]) for name in names})

    @staticmethod
    def _read_outside(body: tree.Body) -> list[str]:
        inside = {node.name.name for node in nodes_below(body) if isinstance(node, tree.Tap)}
        reads = [node.tap.name for node in nodes_below(body) if isinstance(node, tree.From)]
        return [name for name in dict.fromkeys(reads) if name not in inside]

    # --- operators that own their tensors ---

    def leaf(self, call: Applied, channels: Sequence[object]) -> tuple[str, bool]:
        """A class for tensors that no class of ``torch.nn`` has, and what is computed with them."""
        text = call.expression.replace(INPUT, "x").replace(MODULE, "self")
        takes = all(
            spec.shape == (width,) for specs, width in zip(call.tensors, channels, strict=True) for spec in specs
        )
        specs = call.tensors[0]
        if not takes and not same([tuple(spec.shape for spec in each) for each in call.tensors]):
            raise Unfit("tensors of different shapes")
        values = tuple(
            (spec.name, str(spec.initializer), spec.trainable, "" if takes else spec.shape) for spec in specs
        )
        key = (text, values)
        if key not in self._leaves:
            cls = self._new(type(call.operator).__name__, [])
            if takes:
                cls.add_parameter(Parameter("channels", [1]))
            for spec in specs:
                cls.init.append(Line(_tensor(spec, takes)))
            cls.forward.append(Line(f"return {text}"))
            cls.finish()
            self._leaves[key] = cls.name
        return self._leaves[key], takes

    # --- names ---

    def _new(self, name: str, columns: Sequence[Column], *, is_model: bool = False) -> ClassWriter:
        placeholder = f"\N{CURRENCY SIGN}{len(self.made)}\N{CURRENCY SIGN}"
        cls = ClassWriter(placeholder, columns, _labels(columns), is_model=is_model)
        self.wanted[placeholder] = class_name(name)
        self.made.append(cls)
        return cls


def _definitions(root: BodyRun) -> Iterator[BodyRun]:
    """The bodies of blocks and models that are called."""
    stack = [root]
    while stack:
        run = stack.pop()
        for statement in reversed(run.statements):
            stack.extend(reversed(statement.bodies))
        if run is not root and run.body is run.context.frame.definition.tree.body:
            yield run


def _labels(columns: Sequence[Column]) -> list[str]:
    """The names of the modules of a class, as far as their tensors or the text name them."""
    found: dict[str, None] = {}
    for column in columns:
        prefix = column.run.context.naming.prefix
        stack = [column.run]
        while stack:
            body = stack.pop()
            for run in body.statements:
                name, inner = _named(column.inner(body), run, prefix)
                if name:
                    found.setdefault(name)
                stack.extend(inner)
    return list(found)


def _named(column: Column, run: StatementRun, prefix: str) -> tuple[str, list[BodyRun]]:
    """The name that a statement gives a module, or else the bodies in which others may be."""
    statement = run.statement
    label: tree.LabelTree | None = None
    if isinstance(statement, tree.Aux):
        label = statement.label
    elif isinstance(statement, tree.Step):
        label = statement.flow.label if isinstance(statement.flow, tree.Stage) else statement.label
    else:
        return "", []
    if label is not None:
        return column.run.context.naming.prefix.removeprefix(prefix) + Steps.label_of(column, label, run), []
    flow = statement.flow if isinstance(statement, tree.Step) else None
    if isinstance(flow, tree.Call):
        if run.bodies:
            return run.bodies[0].context.frame.path.removeprefix(prefix), []
        graph = column.network.graph
        if run.result is None or run.result == run.flow or not graph.applications[run.result].parameters:
            return "", []
        return graph.nodes[run.result].path.removeprefix(prefix), []
    if isinstance(flow, tree.Repeat) and run.bodies:
        first = run.bodies[0]
        path = first.context.frame.path if isinstance(flow.repeated, tree.Call) else first.context.naming.prefix
        return path.removeprefix(prefix).removesuffix("."), []
    return "", list(run.bodies)


def _tensor(spec: ParameterSpec, takes_channels: bool) -> str:
    """The statement that makes a tensor."""
    value = spec.initializer.value if isinstance(spec.initializer, Constant) else 0.0
    shape = "channels" if takes_channels else ", ".join(map(str, spec.shape))
    made = f"torch.full(({shape},), {value!r})"
    if value in (0, 1):
        made = f"torch.{'ones' if value else 'zeros'}({shape})"
    if spec.trainable:
        return f"self.{spec.name} = nn.Parameter({made})"
    return f'self.register_buffer("{spec.name}", {made})'
