"""The file: its docstring, what it imports, and its classes, those that others use first."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from resdsl.ir.graph import Graph
from resdsl.ir.preprocess import Normalize
from resdsl.syntax import tree
from resdsl.tools.export import expressions as py
from resdsl.tools.export.classes import NOTHING, ClassWriter
from resdsl.tools.export.generator import Generator
from resdsl.tools.export.layout import WIDTH, Line, laid_out
from resdsl.untrusted import visible

_PLACEHOLDER = re.compile("\N{CURRENCY SIGN}\\d+\N{CURRENCY SIGN}")
_MOST_LABELS = 20


def file_text(generator: Generator, model: ClassWriter, title: str) -> tuple[str, str]:
    """The text of the file, and the name of the class of the model in it."""
    ordered = list(_ordered(generator, model))
    names = _names(generator, ordered, model)
    kept: dict[str, list[str]] = {}
    for cls in ordered:
        made = names[cls.name]
        if made not in kept:
            kept[made] = list(_class(cls, names, generator, is_model=cls is model))
    classes = ["\n".join(lines) for lines in kept.values()]
    body = "\n\n\n".join(classes)
    graph = generator.networks[0].graph
    constants = list(_constants(graph))
    parts = [f'"""{names[model.name]}, written by `resdsl export` from {title}."""', "\n".join(_imports(body))]
    if constants:
        parts.append("\n".join(constants))
    return "\n\n".join(parts) + f"\n\n\n{body}\n", names[model.name]


def _ordered(generator: Generator, model: ClassWriter) -> Iterator[ClassWriter]:
    """The classes that the model uses, each after those that it uses itself."""
    by_name = {cls.name: cls for cls in generator.made}
    done: set[str] = set()
    stack: list[tuple[ClassWriter, list[str]]] = [(model, _used(model))]
    while stack:
        cls, rest = stack[-1]
        if rest:
            name = rest.pop(0)
            if name not in done:
                done.add(name)
                stack.append((by_name[name], _used(by_name[name])))
            continue
        stack.pop()
        yield cls


def _used(cls: ClassWriter) -> list[str]:
    text = "\n".join([cls.call_super, *_texts(cls.init)])
    return list(dict.fromkeys(_PLACEHOLDER.findall(text)))


def _texts(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        yield line.text
        yield from _texts(line.inside)


def _names(generator: Generator, ordered: Sequence[ClassWriter], model: ClassWriter) -> dict[str, str]:
    """The names of classes. Equal ones share one."""
    names = {model.name: generator.wanted[model.name]}
    known: dict[str, str] = {}
    taken = {names[model.name], "F", "Tensor", "OrderedDict"}
    for cls in ordered:
        if cls is model:
            continue
        wanted = generator.wanted[cls.name]
        content = repr((wanted, [*_class(cls, {**names, cls.name: "Self"}, generator, is_model=False)]))
        if content not in known:
            name, number = wanted, 1
            while name in taken:
                number += 1
                name = f"{wanted}{'_' if wanted[-1].isdigit() else ''}{number}"
            taken.add(name)
            known[content] = name
        names[cls.name] = known[content]
    return names


def _class(cls: ClassWriter, names: dict[str, str], generator: Generator, *, is_model: bool) -> Iterator[str]:
    """The lines of a class."""

    def named(line: Line) -> Line:
        return Line(
            _PLACEHOLDER.sub(lambda found: names.get(found[0], found[0]), line.text), list(map(named, line.inside))
        )

    yield f"class {names[cls.name]}({cls.base}):"
    doc = list(_docstring(cls, generator, is_model=is_model))
    yield from doc
    if doc:
        yield ""
    arguments = [
        f"{one.name}: {one.annotation}" + ("" if one.default is NOTHING else f" = {_default(one.default)}")
        for one in cls.signature
    ]
    init: list[Line] = [Line(f"def __init__({', '.join(['self', *arguments])}) -> None:")]
    body = [Line(cls.call_super), *cls.init]
    if cls.call_super != "super().__init__()":
        body = [*cls.init, Line(cls.call_super)]
    init[0].inside = body
    yield from laid_out(map(named, init), 4)
    if cls.forward:
        yield ""
        inputs = ", ".join(f"{name}: Tensor" for name in cls.inputs)
        yield from laid_out([Line(f"def forward(self, {inputs}) -> {cls.returns}:", cls.forward)], 4)


def _default(value: object) -> str:
    return py.number_text(value)


def _imports(body: str) -> Iterator[str]:
    uses_torch = re.search(r"\btorch\.", body) is not None
    if re.search(r"\bOrderedDict\b", body):
        yield "from collections import OrderedDict"
        yield ""
    if uses_torch:
        yield "import torch"
    if re.search(r"\bF\.", body):
        yield "import torch.nn.functional as F"
    yield f"from torch import {'Tensor, ' if re.search(chr(92) + 'bTensor' + chr(92) + 'b', body) else ''}nn"


def _constants(graph: Graph) -> Iterator[str]:
    """The preprocessing of images and the names of classes, for code around the model."""
    normalize = (
        None
        if graph.preprocess is None
        else next((step for step in graph.preprocess.steps if isinstance(step, Normalize)), None)
    )
    if normalize is not None:
        for name, values in (("MEAN", normalize.mean), ("STD", normalize.std)):
            scaled = tuple(value / normalize.scale if normalize.scale != 1 else value for value in values)
            yield from laid_out([Line(f"{name} = {py.number_text(scaled)}")])
    if graph.labels is not None and len(graph.labels) <= _MOST_LABELS:
        yield from laid_out([Line(f"CLASSES = {py.number_text(graph.labels)}")])


def _docstring(cls: ClassWriter, generator: Generator, *, is_model: bool) -> Iterator[str]:
    if not cls.instances:
        return
    run = cls.instances[0].run
    defined = run.context.frame.definition
    is_block = run.body is defined.tree.body
    paragraphs: list[str] = []
    if is_block:
        gone = set(defined.parameters) - {one.language for one in cls.signature}
        comment = _comment(defined.tree, defined.unit.module.comments)
        text = " ".join(
            sentence
            for sentence in re.split(r"(?<=\.) ", comment)
            if not any(re.search(rf"\b{re.escape(name)}\b", sentence) for name in gone)
        ).strip()
        if text:
            paragraphs.append(text)
    if is_model:
        paragraphs += _model_notes(generator.networks[0].graph)
    if not paragraphs:
        return
    if len(paragraphs) == 1:
        lines = textwrap.wrap(_escaped(paragraphs[0]), WIDTH - 4 - 6, break_on_hyphens=False)
        if len(lines) == 1:
            # A quote at the end is kept apart from those of the docstring.
            yield f'    """{lines[0]}{" " if lines[0].endswith(chr(34)) else ""}"""'
            return
        # So short that the quotes behind it would be on the same line, where they do not fit.
        if len(textwrap.wrap(_escaped(paragraphs[0]), WIDTH - 4 - 3, break_on_hyphens=False)) == 1:
            yield f'    """{lines[0]}'
            yield from (f"    {line}" for line in lines[1:])
            yield '    """'
            return
    first = True
    for number, paragraph in enumerate(paragraphs):
        lines = textwrap.wrap(
            _escaped(paragraph),
            WIDTH - 4,
            initial_indent='"""' if first else "",
            break_on_hyphens=False,
        )
        if number:
            yield ""
        yield from (f"    {line}" for line in lines)
        first = False
    yield '    """'


def _model_notes(graph: Graph) -> Iterator[str]:
    shape = graph.input.type
    outputs = [output for output in graph.outputs if not output.aux]
    given = [f"`{one.name}`, {graph.nodes[one.node].type}" for one in outputs]
    said = given[0] if len(given) == 1 else f"a dict of {', '.join(given[:-1])} and {given[-1]}"
    heads = [f"`{one.name}`" for one in graph.outputs if one.aux]
    text = f"Takes `{graph.input_name}`, {shape}, and gives {said}"
    yield text + (f"; in training mode also {' and '.join(heads)}." if heads else ".")
    if graph.preprocess is not None:
        yield f"Images: {graph.preprocess}"
    if graph.labels is not None and len(graph.labels) > _MOST_LABELS:
        yield f"Classes: {len(graph.labels):,}, from `{graph.labels[0]}` to `{graph.labels[-1]}`."


def _comment(definition: tree.Definition, comments: Sequence[tree.Comment]) -> str:
    """The comment that stands right above a definition."""
    line = definition.span.position.line
    by_line = {one.span.position.line: one for one in comments if one.own_line}
    found: list[str] = []
    while line - 1 in by_line:
        line -= 1
        found.append(by_line[line].text.lstrip("#").strip())
    return " ".join(one for one in reversed(found) if not one.startswith("resdsl:"))


def _escaped(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace('"""', "'''")
