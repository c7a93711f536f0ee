"""One page for each public name of the Python API, made from its docstring and signature."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping

import griffe

from pages.page import ROOT, Page, Part, code, fence, first_sentence, table

_LONGEST = 88
_STARS = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
_UNPACKED = re.compile(r"Unpack\[(\w+)\]")
_CLASS = re.compile(r"``([A-Z]\w+)``")


def part() -> Part:
    """The pages of ``resdsl`` and of ``resdsl.torch``, after a table of all names."""
    package = griffe.load("resdsl", search_paths=[str(ROOT)], resolve_aliases=True)
    assert isinstance(package, griffe.Module)
    torch = package["torch"]
    names = {**_public(package, "resdsl"), **_public(torch, "resdsl.torch")}
    pages = [Page("api/index.md", "Overview", _overview(package, torch, names))]
    pages += [
        Page(f"api/{_file(name, described)}", name.removeprefix("resdsl."), _text(name, described, names))
        for name, described in names.items()
    ]
    return Part("Python API", tuple(pages))


def _file(name: str, described: griffe.Object) -> str:
    # `Transform` and `transform` would be one file where case is ignored.
    kind = "classes" if isinstance(described, griffe.Class) else "functions"
    return f"{kind}/{name.removeprefix('resdsl.')}.md"


def _public(module: griffe.Object | griffe.Alias, prefix: str) -> dict[str, griffe.Object]:
    """What a package imports for its users, which it does below ``if TYPE_CHECKING``."""
    return {
        f"{prefix}.{name}": member.final_target
        for name, member in sorted(module.members.items(), key=lambda item: item[0].lower())
        if isinstance(member, griffe.Alias) and member.target_path.startswith("resdsl.") and not name.startswith("_")
    }


def _overview(
    package: griffe.Object | griffe.Alias, torch: griffe.Object | griffe.Alias, names: Mapping[str, griffe.Object]
) -> str:
    def rows(prefix: str) -> Iterator[tuple[str, str]]:
        for name, described in names.items():
            if name.rpartition(".")[0] == prefix:
                yield f"[`{name}`]({_file(name, described)})", _summary(described)

    return (
        f"# Python API\n\n{_doc(package).partition(chr(10))[0]}\n\n{_after_first_line(package)}\n\n"
        f"{table(('name', 'what it is'), rows('resdsl'))}\n"
        f"## resdsl.torch\n\n{_doc(torch)}\n\n{table(('name', 'what it is'), rows('resdsl.torch'))}"
    )


def _doc(described: griffe.Object | griffe.Alias) -> str:
    return inspect.cleandoc(described.docstring.value) if described.docstring else ""


def _after_first_line(described: griffe.Object | griffe.Alias) -> str:
    """The rest of a docstring, whose literal block (``::``) becomes a fence."""
    rest = _doc(described).partition("\n")[2].strip()
    lead, colons, after = rest.partition("::\n\n")
    if not colons:
        return rest
    block = _indented(after)
    return f"{lead}\n\n{fence(inspect.cleandoc(chr(10) + block), 'python')}\n{after.removeprefix(block).strip()}"


def _indented(text: str) -> str:
    lines = text.splitlines(keepends=True)
    end = next((index for index, line in enumerate(lines) if line.strip() and not line.startswith(" ")), len(lines))
    return "".join(lines[:end])


def _summary(described: griffe.Object) -> str:
    return first_sentence(_doc(described).replace("``", "`"))


def _text(name: str, described: griffe.Object, names: Mapping[str, griffe.Object]) -> str:
    lines = [f"# {name}", "", *_lines(name, described)]
    links = {
        public.rpartition(".")[2]: f"../{_file(public, target)}" for public, target in names.items() if public != name
    }

    def linked(found: re.Match[str]) -> str:
        target = links.get(found[1])
        return f"[`{found[1]}`]({target})" if target else f"`{found[1]}`"

    return _CLASS.sub(linked, "".join(f"{line}\n" for line in lines))


def _lines(name: str, described: griffe.Object) -> Iterator[str]:
    if isinstance(described, griffe.Attribute):
        yield fence(f"{name} = {described.value}", "python")
    elif isinstance(described, griffe.Function | griffe.Class):
        yield fence(_signature(name, described), "python")
    yield f"{_doc(described)}\n"
    if isinstance(described, griffe.Function):
        yield from _unpacked(described, level=2)
    elif isinstance(described, griffe.Class):
        yield from _bases(described)
        yield from _members(described)


def _signature(name: str, described: griffe.Function | griffe.Class) -> str:
    short = name.rpartition(".")[2] if isinstance(described, griffe.Function) else name
    parameters = [one for one in described.parameters if one.name not in ("self", "cls")]
    if isinstance(described, griffe.Class):
        result, head = "", f"class {short}"
        if not parameters:
            return head
    else:
        result = f" -> {described.returns}" if described.returns is not None else ""
        head = f"{'async ' if 'async' in described.labels else ''}{short}"
    written = list(_written(parameters))
    one_line = f"{head}({', '.join(written)}){result}"
    if len(one_line) <= _LONGEST:
        return one_line
    inner = "".join(f"    {one},\n" for one in written)
    return f"{head}(\n{inner}){result}"


def _written(parameters: list[griffe.Parameter]) -> Iterator[str]:
    keyword_only = False
    for one in parameters:
        kind = one.kind
        if kind is griffe.ParameterKind.keyword_only and not keyword_only:
            keyword_only = True
            yield "*"
        keyword_only = keyword_only or kind is griffe.ParameterKind.var_positional
        stars = "" if kind is None else _STARS.get(kind, "")
        annotation = f": {one.annotation}" if one.annotation is not None else ""
        default = ""
        if one.default is not None and not stars:
            default = f" = {one.default}" if annotation else f"={one.default}"
        yield f"{stars}{one.name}{annotation}{default}"


def _unpacked(function: griffe.Function, *, level: int) -> Iterator[str]:
    """The options that ``**options: Unpack[..]`` stands for."""
    for parameter in function.parameters:
        found = _UNPACKED.fullmatch(str(parameter.annotation or ""))
        options = None if found is None else _resolved(function, found[1])
        if isinstance(options, griffe.Class):
            yield f"{'#' * level} Options"
            yield ""
            if _doc(options):
                yield f"{_doc(options)}\n"
            yield from _attributes([one for one in options.members.values() if isinstance(one, griffe.Attribute)])


def _resolved(within: griffe.Object, name: str) -> griffe.Object | None:
    member = within.module.members.get(name)
    return member.final_target if isinstance(member, griffe.Alias) else member


def _bases(described: griffe.Class) -> Iterator[str]:
    bases = [str(base) for base in described.bases if not str(base).startswith(("Generic", "object"))]
    if bases:
        yield f"Bases: {', '.join(map(code, bases))}."
        yield ""


def _members(described: griffe.Class) -> Iterator[str]:
    public = [member for name, member in described.members.items() if not name.startswith("_")]
    # What the signature shows is not repeated, unless there is more to say.
    shown = {parameter.name for parameter in described.parameters}
    attributes = [
        member
        for member in public
        if isinstance(member, griffe.Attribute) and (member.name not in shown or member.docstring)
    ]
    if attributes:
        yield "## Attributes"
        yield ""
        yield from _attributes(attributes)
    methods = [member for member in public if isinstance(member, griffe.Function)]
    if methods:
        yield "## Methods"
        yield ""
        for method in methods:
            yield f"### {method.name}"
            yield ""
            yield fence(_signature(method.name, method), "python")
            yield f"{_doc(method)}\n"
            yield from _unpacked(method, level=4)


def _attributes(attributes: Iterable[griffe.Attribute]) -> Iterator[str]:
    for one in attributes:
        written = code(f"{one.name}: {one.annotation}" if one.annotation is not None else one.name)
        doc = _doc(one)
        yield f"{written}\n\n:   {_indent(doc)}\n" if doc else f"**{written}**\n"


def _indent(text: str) -> str:
    return text.replace("\n", "\n    ")
