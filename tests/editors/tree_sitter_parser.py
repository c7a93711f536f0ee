"""Parse with the grammar in ``editors/tree-sitter``, into the syntax tree that ``resdsl.syntax`` gives.

What the two make of a text can then be compared with ``==``: positions are not compared.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from tree_sitter import Language, Node, Parser

from resdsl.diagnostics import Source
from resdsl.diagnostics.source import Span
from resdsl.syntax import tree

GRAMMAR = Path(__file__).parents[2] / "editors" / "tree-sitter"

_SPAN = Span(Source("", ""), 0, 0)


def compiler() -> str | None:
    """A C compiler, if the machine has one."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def language(folder: Path) -> Language:
    """The grammar, compiled into this folder."""
    library = folder / "res.so"
    sources = [GRAMMAR / "src" / "parser.c", GRAMMAR / "src" / "scanner.c"]
    command = [compiler() or "cc", "-shared", "-fPIC", "-O0", f"-I{GRAMMAR / 'src'}", *sources, "-o", library]
    subprocess.run(command, check=True, capture_output=True)
    function = ctypes.CDLL(str(library)).tree_sitter_res
    function.restype = ctypes.c_void_p
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype, capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return Language(capsule(function(), b"tree_sitter.Language", None))


class TreeSitter:
    """The parser of ``editors/tree-sitter``."""

    def __init__(self, language: Language) -> None:
        self._parser = Parser(language)

    def root(self, text: str) -> Node:
        """The tree of tree-sitter; ``has_error`` says whether the grammar has no such text."""
        return self._parser.parse(text.encode()).root_node

    def module(self, text: str) -> tree.Module:
        """The tree of a text without errors, as ``resdsl.syntax`` would build it; without comments."""
        items = tuple(_item(child) for child in _named(self.root(text)))
        return tree.Module(source=_SPAN.source, items=items, comments=(), span=_SPAN)


def _item(node: Node) -> tree.Item:
    match node.type:
        case "use":
            return tree.Use(_expression(_field(node, "path")), _identifiers(node, "imported"), span=_SPAN)
        case "constant":
            return _statement(node)
        case kind:
            parameters = node.child_by_field_name("parameters")
            made = tuple(_parameter(child) for child in _named(parameters)) if parameters else ()
            return tree.Definition(kind, _identifier(_field(node, "name")), made, _body(node), span=_SPAN)


def _parameter(node: Node) -> tree.Parameter:
    annotation = None
    if written := node.child_by_field_name("type"):
        if written.type == "enumeration":
            annotation = tree.TypeAnnotation("", _identifiers(written, "word"), span=_SPAN)
        else:
            annotation = tree.TypeAnnotation(_text(written), span=_SPAN)
    initial = node.child_by_field_name("initial")
    return tree.Parameter(
        _identifier(_field(node, "name")), annotation, _expression(initial) if initial else None, span=_SPAN
    )


# --- statements ------------------------------------------------------------------------------------------------------


def _body(node: Node, field: str = "body") -> tree.Body:
    return tree.Body(tuple(_statement(child) for child in _named(_field(node, field))), span=_SPAN)


def _statement(node: Node) -> tree.Statement:
    return _STATEMENTS[node.type](node)


def _step(node: Node) -> tree.Step:
    label, shape = node.child_by_field_name("label"), node.child_by_field_name("shape")
    (flow,) = (child for child in _named(node) if child not in (label, shape))
    return tree.Step(_label(label) if label else None, _flow(flow), _shape(shape) if shape else None, span=_SPAN)


def _preprocess(node: Node) -> tree.Preprocess:
    calls = tuple(statement.flow for statement in _body(node).statements if isinstance(statement, tree.Step))
    return tree.Preprocess(calls, span=_SPAN)


_STATEMENTS: dict[str, Callable[[Node], tree.Statement]] = {
    "step": _step,
    "aux": lambda node: tree.Aux(_label(_field(node, "name")), _body(node), span=_SPAN),
    "input": lambda node: tree.Input(
        _identifier(_field(node, "name")), _identifier(_field(node, "type")), _shape(_field(node, "shape")), span=_SPAN
    ),
    "tap": lambda node: tree.Tap(_identifier(_field(node, "name")), span=_SPAN),
    "output": lambda node: tree.Output(_identifier(_field(node, "name")), span=_SPAN),
    "constant": lambda node: tree.Const(
        _identifier(_field(node, "name")), _expression(_field(node, "value")), span=_SPAN
    ),
    "default": lambda node: tree.Default(_identifier(_field(node, "operator")), _arguments(node), span=_SPAN),
    "preprocess": _preprocess,
    "labels": lambda node: tree.Labels(_expression(_field(node, "labels")), span=_SPAN),
    "expect": lambda node: tree.Expect(
        _identifier(_field(node, "quantity")), _text(_field(node, "relation")), _expression(_field(node, "value")),
        span=_SPAN,
    ),
}  # fmt: skip


def _flow(node: Node) -> tree.Flow:
    return _FLOWS[node.type](node)


def _residual(node: Node) -> tree.Residual:
    shortcut = node.child_by_field_name("shortcut")
    kind = shortcut.child_by_field_name("kind") if shortcut else None
    return tree.Residual(
        _arguments(node),
        _body(node),
        _expression(kind) if kind else None,
        _body(shortcut) if shortcut and shortcut.child_by_field_name("body") else None,
        _SPAN,
        None,
        span=_SPAN,
    )


def _loop(node: Node) -> tree.For:
    variables, first = _field(node, "variables"), _expression(_field(node, "from"))
    variable: tree.Identifier | tree.Row = (
        tree.Row(tuple(_identifier(child) for child in _named(variables)), span=_SPAN)
        if variables.type == "row"
        else _identifier(variables)
    )
    last = node.child_by_field_name("to")
    return tree.For(
        variable, tree.Range(first, _expression(last), span=_SPAN) if last else first, _body(node), span=_SPAN
    )


def _choice(node: Node) -> tree.If:
    otherwise = None
    if alternative := node.child_by_field_name("alternative"):
        (child,) = _named(alternative)
        if child.type == "choice":
            step = tree.Step(None, _choice(child), None, span=_SPAN)
            otherwise = tree.Body((step,), span=_SPAN)
        else:
            otherwise = _body(alternative)
    return tree.If(_expression(_field(node, "condition")), _body(node), otherwise, span=_SPAN)


_FLOWS: dict[str, Callable[[Node], tree.Flow]] = {
    "call": lambda node: tree.Call(_identifier(_field(node, "operator")), _arguments(node), span=_SPAN),
    "group": lambda node: tree.Group(_body(node), span=_SPAN),
    "repeat": lambda node: tree.Repeat(
        _expression(_field(node, "count")), _flow(_field(node, "repeated")), span=_SPAN
    ),
    "stage": lambda node: tree.Stage(_label(_field(node, "name")), _arguments(node), _body(node), span=_SPAN),
    "residual": _residual,
    "join": lambda node: tree.Join(_text(_field(node, "kind")), _body(node), _SPAN, span=_SPAN),
    "resume": lambda node: tree.From(_identifier(_field(node, "tap")), _body(node), span=_SPAN),
    "loop": _loop,
    "choice": _choice,
}  # fmt: skip


def _label(node: Node) -> tree.LabelTree:
    parts: list[str | tree.Expression] = []
    for child in _named(node):
        if child.type == "hole":
            # A point before a hole is a part of its own to tree-sitter.
            parts.append(_expression(_field(child, "value")))
        elif parts and isinstance(parts[-1], str):
            parts[-1] += _text(child)
        else:
            parts.append(_text(child))
    return tree.LabelTree(tuple(parts), span=_SPAN)


# --- expressions -----------------------------------------------------------------------------------------------------


def _shape(node: Node) -> tree.Shape:
    return tree.Shape(tuple(_dim(child) for child in _named(node)), span=_SPAN)


def _dim(node: Node) -> tree.Expression:
    return tree.Wildcard(span=_SPAN) if node.type == "name" and _text(node) == "_" else _expression(node)


def _arguments(node: Node) -> tuple[tree.Argument, ...]:
    written = node.child_by_field_name("arguments")
    return tuple(_argument(child) for child in _named(written)) if written else ()


def _argument(node: Node) -> tree.Argument:
    if node.type == "named_argument":
        return tree.Argument(_identifier(_field(node, "name")), _expression(_field(node, "value")), span=_SPAN)
    return tree.Argument(None, _expression(node), span=_SPAN)


def _number(node: Node) -> tree.Number:
    text = _text(node)
    if node.type == "integer":
        return tree.Number(int(text), text, span=_SPAN)
    scale = {"K": 10**3, "k": 10**3, "M": 10**6, "G": 10**9}.get(text[-1])
    if scale is None:
        return tree.Number(float(text), text, span=_SPAN)
    value = Fraction(text[:-1].replace("_", "")) * scale
    return tree.Number(int(value) if value.denominator == 1 else float(value), text, span=_SPAN)


def _size(node: Node) -> tree.SizeLiteral:
    height, width = _text(node).split("x")
    return tree.SizeLiteral(int(height), int(width), span=_SPAN)


def _string(node: Node) -> tree.String:
    return tree.String(_text(node)[1:-1].replace('\\"', '"').replace("\\\\", "\\"), span=_SPAN)


def _binary(node: Node) -> tree.Binary:
    left, right = (child for child in _named(node))
    return tree.Binary(_text(_field(node, "operator")), _expression(left), _expression(right), span=_SPAN)


def _unary(node: Node) -> tree.Unary:
    (operand,) = _named(node)
    return tree.Unary(_text(_field(node, "operator")), _expression(operand), span=_SPAN)


def _expression(node: Node) -> tree.Expression:
    return _EXPRESSIONS[node.type](node)


_EXPRESSIONS: dict[str, Callable[[Node], tree.Expression]] = {
    "integer": _number,
    "float": _number,
    "size": _size,
    "string": _string,
    "boolean": lambda node: tree.Boolean(_text(node) == "true", span=_SPAN),
    "name": lambda node: tree.Name(_text(node), span=_SPAN),
    "function_call": lambda node: tree.FunctionCall(
        _identifier(_field(node, "function")), _arguments(node), span=_SPAN
    ),
    "list": lambda node: tree.ListLiteral(tuple(_dim(child) for child in _named(node)), span=_SPAN),
    "parenthesised": lambda node: _expression(_named(node)[0]),
    "index": lambda node: tree.Index(
        _expression(_field(node, "list")), _expression(_field(node, "index")), span=_SPAN
    ),
    "binary": _binary,
    "comparison": _binary,
    "unary": _unary,
    "conditional": lambda node: tree.Conditional(
        _expression(_field(node, "then")), _expression(_field(node, "condition")), _expression(_field(node, "else")),
        span=_SPAN,
    ),
}  # fmt: skip


# --- nodes of tree-sitter --------------------------------------------------------------------------------------------


def _named(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]


def _field(node: Node, name: str) -> Node:
    child = node.child_by_field_name(name)
    assert child is not None, (node.type, name)
    return child


def _text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def _identifier(node: Node) -> tree.Identifier:
    return tree.Identifier(_text(node), span=_SPAN)


def _identifiers(node: Node, field: str) -> tuple[tree.Identifier, ...]:
    return tuple(_identifier(child) for child in node.children_by_field_name(field))
