"""An ONNX file as a network, for every tool that reads one."""

from __future__ import annotations

import dataclasses
import stat
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from resdsl.analysis.same_network import same_network
from resdsl.decompile.attach import with_scopes
from resdsl.decompile.families import Family
from resdsl.decompile.invent import with_modules
from resdsl.decompile.nest import TooDeep, is_large
from resdsl.decompile.program import CONTAINERS, Blocks, Program, decompile
from resdsl.decompile.text import program_text
from resdsl.decompile.words import snake_case
from resdsl.diagnostics import CompileError, Diagnostics, Source, catalogue
from resdsl.elaborate.limits import Budget, Limits
from resdsl.elaborate.program import load_program
from resdsl.importer.network import Imported, read_network
from resdsl.importer.source import NetworkSource
from resdsl.importer.tensors import OnnxFile
from resdsl.ir import metadata
from resdsl.ir.graph import Graph
from resdsl.specification.revision import Revision
from resdsl.specification.specification import Specification

SUFFIX = ".onnx"

LARGEST_BLOB = 2**31 - 1
"""Bytes of a model in a revision of a repository. No ONNX file is larger."""


class Writing(NamedTuple):
    """A network as a text: the program, its text, and the graph that the text gives, with the file's weights."""

    program: Program
    text: str
    graph: Graph


class ModelFile(Specification):
    """A network that was read from an ONNX file. Its weights are read when something needs their numbers.

    ``source`` is the text that the file is imported as, empty where the language cannot express the network.
    """

    is_file = True

    def __init__(self, file: NetworkSource, limits: Limits) -> None:
        """``file`` may be another source than a file. Raises ``CompileError`` if it is not a network."""
        read = read_network(file)
        named = read.graph, read.placed
        self.is_foreign = metadata.NAME.key not in file.model.metadata
        # The names in a file of this package are those of its text.
        graph, placed = with_modules(*named) if self.is_foreign and not file.keeps_names else named
        self.imported: Imported = dataclasses.replace(read, graph=graph, placed=frozenset(placed))
        self._limits = limits
        self._writing = self.written(library=False)
        self.text = "" if self._writing is None else self._writing.text
        super().__init__(
            Source(file.name, self.text, file.path),
            model=None,
            arguments={},
            input_shape=None,
            limits=dataclasses.replace(limits, file_bytes=max(limits.file_bytes, len(self.text.encode()))),
        )

    @property
    def files(self) -> Sequence[Path]:
        path = self.imported.file.path
        return () if path is None else (path,)

    @property
    def models(self) -> tuple[str, ...]:
        return (self.imported.graph.name,)

    @property
    def block_names(self) -> Mapping[str, str]:
        """The classes of modules, as far as the file has them: other names of blocks are made up."""
        return {path: snake_case(name) for path, name in self.imported.classes.items() if name not in CONTAINERS}

    def check(self) -> Diagnostics:
        """Nothing to report: what is wrong with a file is found when it is read."""
        return self.diagnostics

    def format(self) -> str:
        raise CompileError.of(
            catalogue.NOT_TEXT,
            f"`{self.source.name}` is an ONNX model, which has no text to format",
            helps=(f"`resdsl import {self.source.name} -o net.res` writes it as a specification",),
        )

    def written(self, *, library: bool) -> Writing | None:
        """The network as text; ``None`` where the language cannot express it.

        The text is verified: it gives the same network. Where blocks with optional parts would not, blocks of equal
        parts are written, and at last none. ``library`` says whether blocks of the standard library are looked for.
        """
        if self.imported.opaque or is_large(self.imported.graph):
            return None
        for program, text in self._texts(library=library):
            graph = self._graph_of(text)
            if graph is not None:
                return Writing(program, text, graph)
        return None

    def _texts(self, *, library: bool) -> Iterator[tuple[Program, str]]:
        """The programs that the network can be written as, the best one first; none where it nests too deep.

        Blocks of equal parts come first where those with optional parts take more lines.
        """
        program = self._decompiled(Blocks.VARIANTS, library=library)
        if program is None:
            return
        text = program_text(program)
        if not any(_has_optional_parts(block) for block in program.blocks):
            yield program, text
            yield from self._written_as(Blocks.EQUAL, library=library)
        else:
            found = [(program, text), *self._written_as(Blocks.EQUAL, library=library)]
            yield from sorted(found, key=lambda one: one[1].count("\n"))
        yield from self._written_as(Blocks.NONE, library=library)

    def _written_as(self, blocks: Blocks, *, library: bool) -> Iterator[tuple[Program, str]]:
        program = self._decompiled(blocks, library=library)
        if program is not None:
            yield program, program_text(program)

    def _decompiled(self, blocks: Blocks, *, library: bool) -> Program | None:
        """The network as the language nests it; ``None`` where it nests deeper than text can."""
        imported = self.imported
        try:
            return decompile(
                imported.graph, placed=imported.placed, classes=imported.classes, library=library, blocks=blocks
            )
        except TooDeep:
            return None

    @cached_property
    def _graph(self) -> Graph | None:
        """The graph of the text; of a network without text, the graph of the file with the groups that it has."""
        if self._writing is not None:
            return self._writing.graph
        program = None if is_large(self.imported.graph) else self._decompiled(Blocks.VARIANTS, library=False)
        return self.imported.graph if program is None else with_scopes(program)

    def _graph_of(self, text: str) -> Graph | None:
        """The graph of a text, with the file's weights; ``None`` where it is not the file's network."""
        from resdsl.elaborate.network import elaborate

        own = Diagnostics()
        source = Source(self.imported.file.name, text, self.imported.file.path)
        limits = dataclasses.replace(self._limits, file_bytes=max(self._limits.file_bytes, len(text.encode())))
        # Its warnings are not the file's.
        graph = elaborate(load_program(source, own, limits=limits), own, limits=limits, budget=Budget(linted=True))
        weights = self.imported.graph.parameters
        if graph is None or own.errors or graph.parameters.keys() != weights.keys():
            return None
        if not same_network(graph, self.imported.graph):
            return None
        stored = {
            name: dataclasses.replace(parameter, source=weights[name].source)
            for name, parameter in graph.parameters.items()
        }
        return dataclasses.replace(graph, parameters=stored)


def _has_optional_parts(block: Family) -> bool:
    """Whether some calls of a block have what others lack."""
    return any(one.kind == "shortcut" or isinstance(one.default, bool) for one in block.fit.parameters)


def open_model(path: Path, written: str, limits: Limits, given: Mapping[str, object]) -> ModelFile:
    """The network in the file ``path``. Raises ``CompileError``."""
    _refuse_options(written, given)
    try:
        if stat.S_ISFIFO(path.stat().st_mode):
            raise OSError(None, "it is a pipe")
        return ModelFile(OnnxFile.open(path, written, _shape(given)), limits)
    except FileNotFoundError:
        message = f"there is no file `{written}`"
        raise CompileError.of(catalogue.FILE_NOT_FOUND, message) from None
    except IsADirectoryError:
        raise CompileError.of(catalogue.NOT_A_FILE, f"`{written}` is a folder") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CompileError.of(catalogue.UNREADABLE_FILE, f"`{written}` cannot be read: {reason}") from None


def model_of(revision: Revision, path: str, limits: Limits, given: Mapping[str, object]) -> ModelFile:
    """The network in a file as it was in a revision. Raises ``CompileError``."""
    name = f"{revision.name}:{path}"
    _refuse_options(name, given)
    return ModelFile(OnnxFile(name, revision.mapped(path, largest=LARGEST_BLOB), given_shape=_shape(given)), limits)


def _shape(given: Mapping[str, object]) -> tuple[int | str, ...] | None:
    shape = given.get("input_shape")
    return tuple(shape) if isinstance(shape, tuple | list) else None


def _refuse_options(name: str, given: Mapping[str, object]) -> None:
    for option in ("model", "set"):
        if given.get(option):
            raise CompileError.of(
                catalogue.COMMAND_LINE,
                f"`{name}` is an ONNX model: it has one network, without parameters",
                helps=(f"omit the option, or `resdsl import {name} -o net.res` and use it on the text",),
            )
