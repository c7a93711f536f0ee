"""An ONNX file as a network, for every tool that reads one."""

from __future__ import annotations

import dataclasses
import stat
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from resdsl.decompile.attach import with_scopes
from resdsl.decompile.invent import with_modules
from resdsl.decompile.nest import TooDeep
from resdsl.decompile.program import Program, decompile
from resdsl.decompile.text import program_text
from resdsl.diagnostics import CompileError, Diagnostics, Source, catalogue
from resdsl.elaborate.limits import Limits
from resdsl.importer.network import Imported, read_network
from resdsl.importer.tensors import OnnxFile
from resdsl.ir.graph import Graph
from resdsl.specification.revision import Revision
from resdsl.specification.specification import Specification

SUFFIX = ".onnx"

LARGEST_BLOB = 2**31 - 1
"""Bytes of a model in a revision of a repository. No ONNX file is larger."""

MOST_NODES = 10_000
"""Nodes of a network that is written as text: published ones have some hundred to some thousand."""

MOST_WORK = 2_000_000
"""Nodes times outputs of such a network."""


class ModelFile(Specification):
    """A network that was read from an ONNX file. Its weights are read when something needs their numbers.

    ``source`` is the text that the file is imported as, empty where the language cannot express the network.
    """

    is_file = True

    def __init__(self, file: OnnxFile, limits: Limits) -> None:
        """Raises ``CompileError`` if the file is not a network."""
        read = read_network(file)
        graph, placed = with_modules(read.graph, read.placed)
        self.imported: Imported = dataclasses.replace(read, graph=graph, placed=frozenset(placed))
        self.text = self._written()
        super().__init__(
            Source(file.name, self.text, file.path),
            model=None,
            arguments={},
            input_shape=None,
            limits=dataclasses.replace(limits, file_bytes=max(limits.file_bytes, len(self.text.encode()))),
        )
        if self.text and self._of_text is None:
            # The text would be another network, or none: it is not shown.
            self.text = ""
            self.source = Source(file.name, "", file.path)
            self.diagnostics = Diagnostics()
            del self.program

    @property
    def models(self) -> tuple[str, ...]:
        return (self.imported.graph.name,)

    def check(self) -> Diagnostics:
        """Nothing to report: what is wrong with a file is found when it is read."""
        return self.diagnostics

    def format(self) -> str:
        raise CompileError.of(
            catalogue.NOT_TEXT,
            f"`{self.source.name}` is an ONNX model, which has no text to format",
            helps=(f"`resdsl import {self.source.name} -o net.res` writes it as a specification",),
        )

    @cached_property
    def program_tree(self) -> Program | None:
        """The network as the language nests it; ``None`` where it nests deeper than text can, or is too large for one."""
        graph = self.imported.graph
        if len(graph.nodes) > MOST_NODES or len(graph.nodes) * len(graph.outputs) > MOST_WORK:
            return None
        try:
            return decompile(self.imported.graph, placed=self.imported.placed, classes=self.imported.classes)
        except TooDeep:
            return None

    def _written(self) -> str:
        if self.imported.opaque or self.program_tree is None:
            return ""
        return program_text(self.program_tree)

    @cached_property
    def _graph(self) -> Graph | None:
        """The graph of the text, with the file's weights; of a network without text, the graph of the file."""
        if self.text:
            return self._of_text
        return self.imported.graph if self.program_tree is None else with_scopes(self.program_tree)

    @cached_property
    def _of_text(self) -> Graph | None:
        """The graph of the text, with the file's weights; ``None`` where the two do not fit."""
        own = Diagnostics()
        graph = self._elaborated(own)
        weights = self.imported.graph.parameters
        if graph is None or own.errors or self.diagnostics.errors or not _fits(graph, self.imported.graph):
            return None
        stored = {
            name: dataclasses.replace(parameter, source=weights[name].source)
            for name, parameter in graph.parameters.items()
        }
        return dataclasses.replace(graph, parameters=stored)

    def _elaborated(self, diagnostics: Diagnostics) -> Graph | None:
        from resdsl.elaborate.network import elaborate

        return elaborate(
            self.program,
            diagnostics,
            model=None,
            arguments=self.arguments,
            input_shape=None,
            limits=self.limits,
            budget=None,
        )


def _fits(graph: Graph, other: Graph) -> bool:
    """Whether two graphs have the same weights, by names and shapes."""
    return {name: one.shape for name, one in graph.parameters.items()} == {
        name: one.shape for name, one in other.parameters.items()
    }


def open_model(path: Path, written: str, limits: Limits, given: Mapping[str, object]) -> ModelFile:
    """The network in the file ``path``. Raises ``CompileError``."""
    _refuse_options(written, given)
    try:
        if stat.S_ISFIFO(path.stat().st_mode):
            raise OSError(None, "it is a pipe")
        return ModelFile(OnnxFile.open(path, written), limits)
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
    return ModelFile(OnnxFile(name, revision.mapped(path, largest=LARGEST_BLOB)), limits)


def _refuse_options(name: str, given: Mapping[str, object]) -> None:
    for option in ("model", "set", "input_shape"):
        if given.get(option):
            raise CompileError.of(
                catalogue.COMMAND_LINE,
                f"`{name}` is an ONNX model: it has one network, without parameters",
                helps=(f"omit the option, or `resdsl import {name} -o net.res` and use it on the text",),
            )
