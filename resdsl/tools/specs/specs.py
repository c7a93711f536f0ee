"""A table of the built-in specifications: paper, input, parameters and MACs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from resdsl.ir.dims import Dim
from resdsl.specification import builtin
from resdsl.specification.load import load

# "Simonyan & Zisserman 2014, arXiv:1409.1556", 'He et al. 2018, "Bag of Tricks", arXiv:1812.01187'.
_CITATION = re.compile(
    r"(?P<authors>[A-Z]\w+(?: et al\.| & [A-Z]\w+)? \d{4}),?(?: \"[^\"]*\",)? \(?arXiv:(?P<id>\d{4}\.\d{4,5})"
)


@dataclass(frozen=True, slots=True)
class BuiltinSpec:
    """A built-in specification.

    ``paper`` is the first paper that its header cites (``He et al. 2015``), ``arxiv`` the identifier of that paper.
    ``macs`` are for one image, and symbolic if the input size is.
    """

    name: str
    paper: str
    arxiv: str
    input: tuple[Dim, ...]
    parameters: int
    macs: Dim


def specs(*names: str) -> Iterator[BuiltinSpec]:
    """The built-in specifications of these names, one after another.

    Without names, all of them in alphabetical order. Raises ``CompileError`` for an unknown name.
    """
    return map(_spec, names or builtin.names())


def _spec(name: str) -> BuiltinSpec:
    specification = load(name)
    graph = specification.graph
    cited = _CITATION.search(_comments(specification.source.text))
    # A test checks that every header has this form.
    assert cited is not None, f"the header of {name} cites no paper"
    return BuiltinSpec(name, cited["authors"], cited["id"], graph.input.type.shape, graph.parameter_count, graph.macs)


def _comments(text: str) -> str:
    """The comments on lines of their own, joined."""
    return " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
