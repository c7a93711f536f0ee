"""Whether source code is the network of a graph: it is run, with values that record what is done with them.

The code is carried out with a stand-in for torch, in which modules know their arguments and values are terms: what
computes them, of which other terms. Equal terms are one object. What ``Operator.in_torch`` says for each node of the
graph is carried out the same way, so that the code is right if its outputs are the same objects, and its modules have
the names and arguments of the nodes. No torch and no numbers are needed, and every constructor argument, name and
operand counts.
"""

from __future__ import annotations

import builtins
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from types import CodeType, SimpleNamespace
from typing import Any

from resdsl.ir.graph import Graph
from resdsl.ir.torch_code import TorchCode
from resdsl.tools.export.operators import default_of

_FUNCTIONS = ("dict", "float", "getattr", "int", "len", "list", "max", "min", "range", "str", "super", "tuple")
_WITHOUT_TENSORS = ("affine", "elementwise_affine")
_OWNERS = re.compile(r"Conv|Linear|Norm|PReLU")


class Mismatch(Exception):
    """The code is not the network; says where."""


class Term:
    """A value: what computes it. ``Terms`` makes one object of equal terms."""

    __slots__ = ("key", "terms")

    def __init__(self, terms: Terms, key: tuple[object, ...]) -> None:
        self.terms, self.key = terms, key

    def __add__(self, other: object) -> Term:
        return self.terms.sum("+", self, other)

    __radd__ = __add__

    def __mul__(self, other: object) -> Term:
        return self.terms.sum("*", self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: object) -> Term:
        return self.terms.made("/", self, other)

    def __getitem__(self, index: object) -> Term:
        return self.terms.made("[]", self, index)

    def __getattr__(self, name: str) -> Term:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.terms.made(".", self, name)

    def __call__(self, *arguments: object, **options: object) -> Term:
        return self.terms.made("()", self, arguments, options)


class Terms:
    """All terms of one comparison."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Term] = {}
        self.overwriting: set[int] = set()
        """The identities of what modules computed in place."""

    def made(self, name: str, *arguments: object) -> Term:
        key = (name, *(_frozen(argument) for argument in arguments))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Term(self, key)
        return found

    def sum(self, sign: str, first: object, second: object) -> Term:
        """An operation whose order does not matter to the last bit."""
        return self.made(sign, *sorted((first, second), key=lambda one: (isinstance(one, Term), id(one))))


def _frozen(value: object) -> object:
    """A value that can be part of a key."""
    if isinstance(value, slice):
        return ("slice", value.start, value.stop, value.step)
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, Mapping):
        return tuple(sorted((name, _frozen(item)) for name, item in value.items()))
    return value


class Parameter:
    """A tensor that a module owns; its shape."""

    def __init__(self, shape: tuple[object, ...]) -> None:
        self.shape = shape


class Module:
    """What ``nn.Module`` does, as far as the code uses it."""

    def __init__(self) -> None:
        self.__dict__["_modules"] = OrderedDict()
        self.__dict__["_tensors"] = {}
        self.__dict__["training"] = True
        self.__dict__["place"] = None

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, Module):
            self._modules[name] = value
        elif isinstance(value, Parameter):
            self._tensors[name] = value
        else:
            self.__dict__[name] = value
            return
        self.__dict__.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("_modules", {}):
            return self._modules[name]
        if name in self.__dict__.get("_tensors", {}):
            terms, path = self.__dict__["place"]
            return terms.made("tensor", f"{path}.{name}")
        raise AttributeError(name)

    def add_module(self, name: str, module: Module) -> None:
        self._modules[name] = module

    def register_buffer(self, name: str, value: Parameter) -> None:
        self._tensors[name] = value

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return iter(self._modules.items())

    def __call__(self, *values: Any) -> Any:
        return self.forward(*values)

    def forward(self, *values: Any) -> Any:
        raise Mismatch("a module without forward is called")


class _Sequential(Module):
    def __init__(self, *items: Any) -> None:
        super().__init__()
        pairs = items[0].items() if items and isinstance(items[0], dict) else enumerate(items)
        for name, module in pairs:
            self._modules[str(name)] = module

    def forward(self, *values: Any) -> Any:
        (value,) = values
        for module in self._modules.values():
            value = module(value)
        return value

    def __getitem__(self, index: int) -> Module:
        found: Module = list(self._modules.values())[index]
        return found


class _ModuleList(_Sequential):
    def __init__(self, items: list[Module]) -> None:
        super().__init__(*items)

    forward = Module.forward


class _ModuleDict(Module):
    def __init__(self, items: dict[str, Module]) -> None:
        super().__init__()
        self._modules.update(items)

    def __getitem__(self, name: str) -> Module:
        found: Module = self._modules[name]
        return found


class _Leaf(Module):
    """A module of ``torch.nn`` that computes: its class and the arguments that it was made with."""

    def __init__(self, type: str, arguments: tuple[object, ...], options: dict[str, object]) -> None:
        super().__init__()
        self.__dict__["made"] = described(type, arguments, options)
        self.__dict__["inplace"] = options.get("inplace") is True
        self.__dict__["owns"] = owns_tensors(type, options)

    def forward(self, *values: Any) -> Any:
        (value,) = values
        terms, path = self.__dict__["place"]
        made = self.__dict__["made"]
        if made[0] == "Identity":
            return value
        if made[0] == "Flatten":
            return terms.made("torch.flatten", (value, 1), {})
        if made[0] == "Softmax":
            return terms.made("torch.softmax", (value, *made[1]), {})
        result = terms.made("module", made, path if self.__dict__["owns"] else "", value)
        if self.__dict__["inplace"]:
            terms.overwriting.add(id(result))
        return result


def described(type: str, arguments: tuple[object, ...], options: Mapping[str, object]) -> tuple[object, ...]:
    """A module as what can be compared: without options at their defaults, squares as one number."""
    kept = {
        name: _square(value)
        for name, value in options.items()
        if name != "inplace" and _square(value) != _square(default_of(type, arguments, name))
    }
    return (type, tuple(map(_square, arguments)), tuple(sorted(kept.items())))


def _square(value: object) -> object:
    if isinstance(value, tuple) and len(value) == 2 and value[0] == value[1]:
        return value[0]
    return value


def owns_tensors(type: str, options: Mapping[str, object]) -> bool:
    """Whether a module of ``torch.nn`` has tensors."""
    if not _OWNERS.search(type) or type == "LocalResponseNorm":
        return False
    if type.startswith("InstanceNorm"):
        return options.get("affine") is True
    return type.startswith("BatchNorm") or all(options.get(name) is not False for name in _WITHOUT_TENSORS)


class _Namespace:
    """``torch``, ``torch.nn`` or ``torch.nn.functional``: every name is a function, or a class of modules."""

    def __init__(self, terms: Terms, name: str, known: Mapping[str, object]) -> None:
        self._terms, self._name, self._known = terms, name, known

    def __getattr__(self, name: str) -> Any:
        if name in self._known:
            return self._known[name]
        if name.startswith("__"):
            raise AttributeError(name)
        if self._name == "nn":
            return lambda *arguments, **options: _Leaf(name, arguments, options)
        return _Namespace(self._terms, f"{self._name}.{name}", {})

    def __call__(self, *arguments: object, **options: object) -> Term:
        return self._terms.made(self._name, arguments, options)


def _torch(terms: Terms) -> SimpleNamespace:
    def filled(*shape: Any) -> Parameter:
        return Parameter(tuple(shape))

    known = {"ones": filled, "zeros": filled, "full": lambda shape, _value: Parameter(tuple(shape))}
    functional = _Namespace(terms, "F", {})
    modules = {
        "Module": Module,
        "Sequential": _Sequential,
        "ModuleList": _ModuleList,
        "ModuleDict": _ModuleDict,
        "Parameter": lambda value: value,
    }
    nn = _Namespace(terms, "nn", {**modules, "functional": functional})
    return SimpleNamespace(torch=_Namespace(terms, "torch", {**known, "nn": nn, "Tensor": Term}), nn=nn, F=functional)


def run_source(code: CodeType, terms: Terms) -> dict[str, Any]:
    """The names that a file defines, with the stand-in for torch."""
    stand_in = _torch(terms)

    def imported(name: str, _globals: object, _locals: object, names: tuple[str, ...] | None, _level: int) -> object:
        if name == "collections":
            return SimpleNamespace(OrderedDict=OrderedDict)
        if name == "torch.nn.functional":
            return stand_in.torch if names is None else stand_in.F
        if name != "torch":
            raise Mismatch(f"the code imports `{name}`")
        if names:
            return SimpleNamespace(Tensor=Term, nn=stand_in.nn)
        return stand_in.torch

    space: dict[str, Any] = {
        "__builtins__": {
            "__import__": imported,
            "__build_class__": builtins.__build_class__,
            **{name: getattr(builtins, name) for name in _FUNCTIONS},
        },
        "__name__": "exported",
    }
    exec(code, space)
    return space


def require_network(
    source: str, name: str, graph: Graph, arguments: Mapping[str, object], overwriting: frozenset[int]
) -> None:
    """Raise ``Mismatch`` unless the class ``name``, called with the arguments, is the network of the graph."""
    terms = Terms()
    space = run_source(compile(source, "<exported>", "exec"), terms)
    model: Module = space[name](**arguments)
    leaves = dict(_placed(model, terms))
    expected = _expected_modules(graph)
    for path in sorted(leaves.keys() | expected.keys()):
        if leaves.get(path) != expected.get(path):
            raise Mismatch(f"`{path}` is {leaves.get(path)} and should be {expected.get(path)}")
    values = _expected_values(graph, terms)
    for training in (False, True):
        for module in _every(model):
            module.__dict__["training"] = training
        found = model(terms.made("input"))
        _require_outputs(found, graph, values, training=training)
    computed = {id(value): index for index, value in values.items()}
    for identity in terms.overwriting:
        index = computed.get(identity)
        if index is not None and index not in overwriting:
            raise Mismatch(f"`{graph.nodes[index].path}` overwrites what others read")


def _require_outputs(found: object, graph: Graph, values: Mapping[int, object], *, training: bool) -> None:
    wanted = [output for output in graph.outputs if training or not output.aux]
    inference = [output for output in graph.outputs if not output.aux]
    if len(inference) == 1 and len(wanted) == 1:
        found = {inference[0].name: found}
    if not isinstance(found, dict) or list(found) != [output.name for output in wanted]:
        raise Mismatch("other outputs")
    for output in wanted:
        if found[output.name] is not values[output.node]:
            raise Mismatch(f"the output `{output.name}` is computed differently")


def _every(model: Module) -> Iterator[Module]:
    stack = [model]
    while stack:
        module = stack.pop()
        yield module
        stack.extend(module._modules.values())


def _placed(model: Module, terms: Terms) -> Iterator[tuple[str, object]]:
    """Give every module its path; yields those that own tensors, and the tensors of our own modules."""
    stack: list[tuple[str, Module]] = [("", model)]
    while stack:
        path, module = stack.pop()
        if module.__dict__["place"] is None:
            module.__dict__["place"] = (terms, path)
        if isinstance(module, _Leaf):
            if module.__dict__["owns"]:
                yield path, module.__dict__["made"]
            continue
        for name, tensor in module._tensors.items():
            yield f"{path}.{name}", tensor.shape
        stack.extend((f"{path}.{name}" if path else name, inner) for name, inner in module._modules.items())


def _expected_modules(graph: Graph) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in graph.nodes[1:]:
        applied = graph.applications[node.index]
        code = TorchCode(applied.inputs, node.type, ("x",) * len(node.inputs), "self")
        node.operator.in_torch(code)
        if code.made is not None and owns_tensors(code.made.type, code.made.options):
            found[node.path] = described(code.made.type, code.made.arguments, code.made.options)
        elif code.owns_tensors:
            for spec in applied.parameters:
                found[f"{node.path}.{spec.name}"] = tuple(spec.shape)
    return found


def _expected_values(graph: Graph, terms: Terms) -> dict[int, Any]:
    """The term of every node."""
    stand_in = _torch(terms)
    values: dict[int, Any] = {0: terms.made("input")}
    compiled: dict[str, CodeType] = {}
    for node in graph.nodes[1:]:
        applied = graph.applications[node.index]
        names = tuple(f"i{number}" for number in range(len(node.inputs)))
        code = TorchCode(applied.inputs, node.type, names, "own")
        text = node.operator.in_torch(code)
        if text not in compiled:
            compiled[text] = compile(text, "<operator>", "eval")
        space: dict[str, Any] = {name: values[index] for name, index in zip(names, node.inputs, strict=True)}
        space |= {"torch": stand_in.torch, "F": stand_in.F, "float": float, "__builtins__": {}}
        if code.made is not None:
            leaf = _Leaf(code.made.type, code.made.arguments, code.made.options)
            leaf.__dict__["place"] = (terms, node.path)
            space["own"] = leaf
        elif code.owns_tensors:
            owner = Module()
            for spec in applied.parameters:
                owner._tensors[spec.name] = Parameter(spec.shape)
            owner.__dict__["place"] = (terms, node.path)
            space["self"] = owner
        values[node.index] = eval(compiled[text], space)
    return values
