"""A specification on its way from text to artefact. Each stage is done when somebody asks for it, and once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO

from resdsl.diagnostics import CompileError, Diagnostics, Source
from resdsl.elaborate.limits import Budget, Limits
from resdsl.elaborate.program import Program, Reader, load_program, read_file
from resdsl.ir.operator import OPSET
from resdsl.ir.types import DType
from resdsl.specification.text import read_source

if TYPE_CHECKING:
    from resdsl.analysis.summary import Summary
    from resdsl.compiler.compile import AfterPass, Compiled, Progress
    from resdsl.ir.graph import Graph
    from resdsl.syntax.tree import Module
    from resdsl.tools.draw.draw import Picture
    from resdsl.weights.checkpoint import Checkpoint


def load(
    path: str | os.PathLike[str] | Source,
    *,
    model: str | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    input_shape: tuple[int | str, ...] | None = None,
    limits: Limits | None = None,
    read: Reader = read_file,
) -> Specification:
    """The specification in the file ``path``, or the one that resdsl ships by that name (``resnet50``).

    ``model`` chooses among several models of a file, ``set`` gives arguments to the model's parameters
    (``{"classes": 10}``), ``input_shape`` replaces the shape that the file writes after ``input`` (an integer, or a
    name for a symbolic size). ``limits`` bounds what the text may ask for. ``read`` is how the files are read that it
    uses (such as those of another revision).

    Raises ``CompileError`` if the file cannot be read. Mistakes in it are found by the stages that meet them.
    """
    limits = limits or Limits()
    source = path if isinstance(path, Source) else read_source(path, largest=limits.file_bytes)
    return Specification(source, model=model, arguments=set, input_shape=input_shape, limits=limits, read=read)


def loads(
    text: str,
    *,
    name: str = "<text>",
    model: str | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    input_shape: tuple[int | str, ...] | None = None,
    limits: Limits | None = None,
) -> Specification:
    """The specification that ``text`` is; ``name`` is what messages call it. The rest is as for ``load``."""
    return load(Source(name, text), model=model, set=set, input_shape=input_shape, limits=limits)


class Specification:
    """A text of the language and what becomes of it.

    Mistakes are collected in ``diagnostics`` by every stage that has been asked for; a stage that cannot give its
    result because of them raises ``CompileError`` with all of them.
    """

    def __init__(
        self,
        source: Source,
        *,
        model: str | None,
        arguments: Mapping[str, object],
        input_shape: tuple[int | str, ...] | None,
        limits: Limits,
        read: Reader = read_file,
    ) -> None:
        self.source = source
        self.model = model
        self.arguments = dict(arguments)
        self.input_shape = input_shape
        self.limits = limits
        self.read = read
        self.diagnostics = Diagnostics()
        """What has been found so far."""

    def __repr__(self) -> str:
        return f"<Specification {self.source.name}>"

    @cached_property
    def program(self) -> Program:
        """The syntax tree of the text and of all that it uses, as far as it could be read."""
        return load_program(self.source, self.diagnostics, limits=self.limits, read=self.read)

    @property
    def module(self) -> Module:
        """The syntax tree of the text. Where the text has mistakes, ``Broken`` nodes stand in their places."""
        return self.program.main.module

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models that the text defines, in order."""
        return tuple(found.name for found in self.program.main.models)

    @cached_property
    def _graph(self) -> Graph | None:
        return self._elaborate(self.model)

    @property
    def graph(self) -> Graph:
        """The network, with every shape inferred and every claim of the text verified."""
        graph = self._graph
        if graph is None or self.diagnostics.errors:
            raise CompileError(self.diagnostics)
        return graph

    @property
    def smallest_input(self) -> Mapping[str, int | None]:
        """For each open size of the input (``H``), the smallest with which no layer's result is empty.

        ``None`` where nothing up to a million is large enough.
        """
        from resdsl.analysis.smallest_input import smallest_input  # not needed to compile

        return smallest_input(self.graph)

    def check(self) -> Diagnostics:
        """Everything that is wrong with the text: every model in it, unless one was chosen.

        A text without models is a library: its syntax and the names that it uses are checked.
        """
        if self.model is not None or len(self.models) == 1:
            _ = self._graph
        else:
            budget = Budget()
            for model in self.models:
                self._elaborate(model, budget)
        return self.diagnostics

    def format(self) -> str:
        """The text laid out the one way, comments kept. Raises ``CompileError`` where it cannot be parsed."""
        from resdsl.syntax.formatter import format_source  # not needed to compile

        found = Diagnostics()
        text = format_source(self.source, found)
        if text is None:
            raise CompileError(found)
        return text

    def summary(self, *, depth: int | None = 1, explicit: bool = False) -> Summary:
        """What the network is made of, stage by stage; ``explicit`` writes out every argument.

        ``depth`` is how many levels of rows there are: 1 has the stages, 2 their blocks, ``None`` all down to the ops.
        """
        from resdsl.analysis.summary import summarize  # not needed to compile

        return summarize(self.graph, depth=depth, explicit=explicit)

    def draw(
        self, *, detail: str = "layer", repeats: str = "auto", direction: str = "down", theme: str = "light"
    ) -> Picture:
        """The network as a picture, which a notebook shows and ``save("net.svg")`` writes.

        ``detail`` is how much of it is opened, ``repeats`` whether equal blocks in a row are drawn once; see
        ``resdsl.draw``, which also draws several networks side by side.
        """
        from resdsl.tools.draw.draw import draw  # not needed to compile

        return draw(self, detail=detail, repeats=repeats, direction=direction, theme=theme)

    def view(self, other: Specification | None = None) -> str:
        """An HTML page to explore the network on; with an ``other``, the two side by side and what changed.

        The page needs nothing else: write it to a file and open that.
        """
        from resdsl.tools.view.view import view  # not needed to compile

        return view(self, other)

    def _repr_html_(self) -> str:
        """What a notebook shows: picture and summary, or the mistakes in the text."""
        from resdsl.tools.notebook.card import card  # not needed to compile

        return card(self)

    def _repr_svg_(self) -> str | None:
        """What a notebook shows that knows no HTML; nothing where the text has mistakes."""
        try:
            return self.draw().svg()
        except CompileError:
            return None

    def compile(
        self,
        output: str | os.PathLike[str] | BinaryIO,
        *,
        weights: str | os.PathLike[str] | Checkpoint | None = None,
        partial: bool = False,
        renames: Mapping[str, str] = MappingProxyType({}),
        init: str = "he_normal",
        seed: int = 0,
        zero_init_residual: bool = False,
        optimize: int = 0,
        external_data: bool | None = None,
        opset: int = OPSET,
        keep_preprocess: bool = False,
        embed_preprocess: bool = False,
        precision: str = "f32",
        for_runtime: bool = False,
        progress: Progress | None = None,
        after_pass: AfterPass | None = None,
    ) -> Compiled:
        """Write the network as an ONNX file, whole or not at all; an existing file stays until the new one is done.

        ``weights`` is a file, an address, or a checkpoint that ``resdsl.read_weights`` opened. Its tensors are found by
        name, after ``renames`` (``{"backbone.body": "", "norm1": "bn1"}``: parts of its names, and what the network
        calls them). All must fit, unless ``partial``: then what does not fit keeps its initial value, with a warning.

        ``init`` is how kernels are drawn (see ``resdsl.weights.initial.Scheme``), from ``seed`` and each tensor's own
        name; with ``zero_init_residual`` every residual block starts as the identity. ``optimize`` is the level: 0 is
        the graph as written, from 1 on what computes nothing is dropped and batch norms are folded. With
        ``external_data`` the weights go to a file beside the model; ``None`` does that for models of more than 2 GB.
        ``opset`` is the ONNX operator set (see ``resdsl.ir.operator.OPSET``). Preprocessing and labels that come with
        the weights (timm's ``config.json`` beside them) take the place of the specification's, unless
        ``keep_preprocess``.

        With ``embed_preprocess`` the model takes raw images, bytes ``[N, rows, columns, channels]``, and does its own
        preprocessing. ``precision`` is ``f32``, ``f16`` or ``bf16``: what weights are rounded to and what is computed
        in; inputs and outputs stay 32-bit floats. With ``for_runtime`` ONNX Runtime optimises the model for this
        machine's processor: it starts at once, here alone, and has its weights in a file beside it.

        ``progress`` is told how many bytes of weights are done, of how many; ``after_pass`` the name and the result
        of each pass. Raises ``CompileError`` where the text or the weights have mistakes, or the file cannot be
        written, ``ValueError`` for an ``init`` or a ``precision`` that is not known.
        """
        from resdsl.compiler.compile import Options, compile_specification  # onnx is not needed to check
        from resdsl.weights.initial import Scheme

        options = Options(
            weights,
            partial,
            renames,
            Scheme(init),
            seed,
            zero_init_residual,
            optimize,
            external_data,
            opset,
            keep_preprocess,
            embed_preprocess,
            DType(precision),
            for_runtime,
        )
        return compile_specification(self, output, options, progress=progress, after_pass=after_pass)

    def _elaborate(self, model: str | None, budget: Budget | None = None) -> Graph | None:
        from resdsl.elaborate.network import elaborate  # not needed to find out what models there are

        # A broken program elaborates as well: whatever does not depend on the broken part is checked.
        return elaborate(
            self.program,
            self.diagnostics,
            model=model,
            arguments=self.arguments,
            input_shape=self.input_shape,
            limits=self.limits,
            budget=budget,
        )
