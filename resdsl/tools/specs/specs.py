"""What resdsl brings along, at a glance: for every specification its paper and its size."""

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
    """A specification that resdsl brings along.

    ``paper`` is whom its header names first (``He et al. 2015``), ``arxiv`` that paper's identifier. The counts are
    those of the network as the file has it, ``macs`` for one image; they are symbolic where the input's size is.
    """

    name: str
    paper: str
    arxiv: str
    input: tuple[Dim, ...]
    parameters: int
    macs: Dim


def specs(*names: str) -> Iterator[BuiltinSpec]:
    """The specifications that ``load`` takes by these names, in this order, each as it is elaborated.

    Without names it is all of them, in alphabetical order. Raises ``CompileError`` for a name that is none.
    """
    return map(_spec, names or builtin.names())


def _spec(name: str) -> BuiltinSpec:
    specification = load(name)
    graph = specification.graph
    cited = _CITATION.search(_comments(specification.source.text))
    # A test holds every header to this form.
    assert cited is not None, f"the header of {name} cites no paper"
    return BuiltinSpec(name, cited["authors"], cited["id"], graph.input.type.shape, graph.parameter_count, graph.macs)


def _comments(text: str) -> str:
    """The comments that stand on lines of their own, joined as one text."""
    return " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
