"""Specifications in, pictures out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from resdsl.diagnostics import CompileError, Diagnostic, Option, Source, Text, catalogue
from resdsl.elaborate import Limits
from resdsl.files import write_file
from resdsl.ir.graph import Graph, Scope
from resdsl.picture.build import build
from resdsl.picture.canvas import Direction
from resdsl.picture.cost import arrange_costs, is_fixed
from resdsl.picture.diagram import Detail, Diagram
from resdsl.picture.dot import render_dot
from resdsl.picture.fold import boxes, expanded, folded
from resdsl.picture.mermaid import render_mermaid
from resdsl.picture.outline import outline
from resdsl.picture.pdf import render_pdf, render_png
from resdsl.picture.scene import Scene
from resdsl.picture.sheet import Legend, arrange
from resdsl.picture.svg import render_svg
from resdsl.picture.theme import THEMES, Theme
from resdsl.review.compare import Review
from resdsl.review.told import rows
from resdsl.specification.revision import Reviewed, reviewed
from resdsl.specification.specification import Specification
from resdsl.tools.diff.diff import diff

FORMATS = ("svg", "png", "pdf", "mermaid", "dot")
SUFFIXES = {
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".dot": "dot",
    ".gv": "dot",
}

MOST_WHOLE = 40
"""Boxes up to which a network is drawn whole, as figure 3 draws ResNet-34; of a deeper one, repeats are folded."""

MOST_BOXES = 10_000
"""Boxes of a picture. ResNet-1202 has 1,203 layers and, opened down to its operators, some 4,300."""

MOST_PIXELS = 80_000_000
"""Of a PNG: Pillow takes images from some 89 million on for decompression bombs, and others do likewise."""

DEEPEST = 60
"""Scopes inside of scopes: the layout calls itself for each."""


@dataclass(frozen=True, slots=True, repr=False)
class Picture:
    """A picture, to be written in one of ``FORMATS``. A notebook shows it where it is the last value of a cell."""

    scene: Scene
    diagrams: tuple[Diagram, ...]
    theme: Theme
    direction: Direction

    def svg(self) -> str:
        """The text of an SVG file: the same bytes each time, in text that is text."""
        return render_svg(self.scene)

    def render(self, format: str = "svg", *, scale: float = 2.0) -> bytes:
        """The bytes of a file; ``scale`` is how many pixels of a PNG a point has.

        Raises ``CompileError`` where the format needs the extra ``picture`` and that is not installed, or is one of
        boxes and arrows and the picture is one of costs, or where a PNG would have more than ``MOST_PIXELS``;
        ``ValueError`` for a format that there is not.
        """
        if format not in FORMATS:
            raise ValueError(f"there is no format '{format}'; there are {', '.join(FORMATS)}")
        if format == "svg":
            return self.svg().encode()
        if format in ("mermaid", "dot"):
            return self._text(format).encode()
        pixels = int(self.scene.width * scale) * int(self.scene.height * scale)
        if format == "png" and pixels > MOST_PIXELS:
            raise CompileError(
                Diagnostic(
                    catalogue.NO_PICTURE,
                    f"a PNG of this would have {pixels:,} pixels, and few programs open more than {MOST_PIXELS:,}",
                    helps=(
                        Text("fold its repeats, draw it at a smaller ", Option("scale"), ", or write it as svg or pdf"),
                    ),
                )
            )
        try:
            return render_pdf(self.scene) if format == "pdf" else render_png(self.scene, scale=scale)
        except ImportError as error:
            raise CompileError(
                Diagnostic(
                    catalogue.EXTRA_NEEDED,
                    f"`{format}` needs the package `{(error.name or '?').partition('.')[0]}`, which is not installed",
                    helps=("install it with `pip install 'resdsl[picture]'`", "SVG needs none: `-o net.svg`"),
                )
            ) from None

    def save(self, path: str | os.PathLike[str], format: str | None = None, *, scale: float = 2.0) -> None:
        """Write a file, whole or not at all, in the format that its suffix names, unless ``format`` says another.

        Raises as ``render`` does, ``ValueError`` also for a suffix that names no format.
        """
        write_file(Path(path), self.render(format or format_of(path), scale=scale))

    def _text(self, format: str) -> str:
        if not self.diagrams:
            raise CompileError(
                Diagnostic(
                    catalogue.NO_PICTURE,
                    f"costs are bars, and `{format}` has boxes and arrows alone",
                    helps=("write them as svg, png or pdf",),
                )
            )
        write = render_mermaid if format == "mermaid" else render_dot
        return write(outline(self.diagrams), self.theme, self.direction)

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return f"<Picture, {self.scene.width:.0f} x {self.scene.height:.0f}>"


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that a file's suffix names; SVG where it has none. Raises ``ValueError`` where it names another."""
    suffix = Path(path).suffix.lower()
    if suffix and suffix not in SUFFIXES:
        raise ValueError(f"'{suffix}' is the suffix of no format; there are {', '.join(SUFFIXES)}")
    return SUFFIXES.get(suffix, "svg")


def draw(
    specs: Reviewed | Sequence[Reviewed],
    *,
    detail: str = Detail.LAYER,
    repeats: str = "auto",
    direction: str = Direction.DOWN,
    theme: str = "light",
    model: str | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    input_shape: tuple[int | str, ...] | None = None,
    limits: Limits | None = None,
) -> Picture:
    """A picture of a network, or of several side by side (He et al. 2015, figure 3).

    Each is as for ``resdsl.diff``: a file, a network that resdsl ships, ``REV:path``, a ``Source`` or a
    ``Specification``. ``detail`` is how much of them is opened: ``model``, ``stage``, ``block``, ``layer`` (as in
    papers) or ``op``. ``repeats`` are drawn once (``fold``), each time (``expand``), or once where a network has more
    than ``MOST_WHOLE`` boxes (``auto``). ``direction`` is ``down`` or ``right``, ``theme`` ``light``, ``dark`` or
    ``print``. ``model``, ``set``, ``input_shape`` and ``limits`` are as for ``load``.

    Raises ``CompileError`` where one has mistakes or would have more than ``MOST_BOXES`` boxes, and ``ValueError`` for
    a word that is not among those above.
    """
    given = [specs] if isinstance(specs, str | os.PathLike | Source | Specification) else specs
    loaded = [reviewed(one, model=model, set=set, input_shape=input_shape, limits=limits) for one in given]
    diagrams = [_diagram(one.graph, Detail(detail)) for one in loaded]
    return _arranged(diagrams, Detail(detail), repeats, Direction(direction), _theme(theme))


def compared(
    old: Reviewed,
    new: Reviewed,
    *,
    detail: str = Detail.LAYER,
    repeats: str = "auto",
    direction: str = Direction.DOWN,
    theme: str = "light",
    model: str | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    input_shape: tuple[int | str, ...] | None = None,
    limits: Limits | None = None,
) -> Picture:
    """Two networks side by side, with what was removed, added and changed in colours, and the totals of both.

    The two are as for ``resdsl.diff``, the rest is as for ``draw``.
    """
    review = diff(old, new, model=model, set=set, input_shape=input_shape, limits=limits)
    marks = _marks(review)
    sides = (review.old, review.new)
    diagrams = [
        replace(diagram, facts=(f"{when}: {_printable(side.source)}", *diagram.facts))
        for when, side, diagram in zip(
            ("old", "new"),
            sides,
            (_diagram(graph, Detail(detail), one) for graph, one in zip(review.graphs, marks, strict=True)),
            strict=True,
        )
    ]
    legend = _legend(review, marks)
    return _arranged(diagrams, Detail(detail), repeats, Direction(direction), _theme(theme), legend)


def cost_picture(
    spec: Reviewed,
    *,
    detail: str | None = None,
    theme: str = "light",
    model: str | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    input_shape: tuple[int | str, ...] | None = None,
    limits: Limits | None = None,
) -> Picture:
    """MACs, weights and activations as bars along the depth of a network, and how its receptive field grows.

    ``detail`` is what has a row of its own; if not said, the finest that leaves few enough rows to be read. The rest
    is as for ``draw``. Raises ``CompileError`` also for an input of open size, whose costs are formulas.
    """
    graph = reviewed(spec, model=model, set=set, input_shape=input_shape, limits=limits).graph
    if not is_fixed(graph):
        raise CompileError(
            Diagnostic(
                catalogue.NO_PICTURE,
                f"the costs of `{graph.name}` depend on the size of its input, which is {graph.input.type}",
                helps=(Text("fix its size: ", Option("input_shape", ("N", 3, 224, 224))),),
            )
        )
    scene = arrange_costs(graph, _theme(theme), detail=None if detail is None else Detail(detail))
    return Picture(scene, (), _theme(theme), Direction.DOWN)


def _theme(name: str) -> Theme:
    if name not in THEMES:
        raise ValueError(f"there is no theme '{name}'; there are {', '.join(THEMES)}")
    return THEMES[name]


def _diagram(graph: Graph, detail: Detail, marks: Mapping[int, str] = MappingProxyType({})) -> Diagram:
    if _is_deeper(graph.root, DEEPEST):
        raise CompileError(
            Diagnostic(
                catalogue.NO_PICTURE,
                f"`{graph.name}` has blocks inside blocks, more than {DEEPEST} deep",
                helps=("draw the block that matters as a model of its own",),
            )
        )
    return build(graph, detail, marks=marks)


def _is_deeper(root: Scope, most: int) -> bool:
    pending = [(root, 0)]
    while pending:
        scope, depth = pending.pop()
        if depth > most:
            return True
        pending.extend((child, depth + 1) for child in scope.children if isinstance(child, Scope))
    return False


def _arranged(
    diagrams: Sequence[Diagram],
    detail: Detail,
    repeats: str,
    direction: Direction,
    theme: Theme,
    legend: Legend | None = None,
) -> Picture:
    shown = _repeated(diagrams, repeats)
    upright = detail in (Detail.MODEL, Detail.STAGE, Detail.BLOCK)
    return Picture(arrange(shown, theme, direction, upright=upright, legend=legend), shown, theme, direction)


def _repeated(diagrams: Sequence[Diagram], repeats: str) -> tuple[Diagram, ...]:
    if repeats not in ("auto", "fold", "expand"):
        raise ValueError(f"repeats are 'auto', 'fold' or 'expand', not '{repeats}'")
    counts = [boxes(diagram.body) for diagram in diagrams]
    fold = repeats == "fold" or (repeats == "auto" and max(counts, default=0) > MOST_WHOLE)
    shown = tuple(
        replace(diagram, body=folded(diagram.body) if fold else expanded(diagram.body)) for diagram in diagrams
    )
    count = sum(boxes(diagram.body) for diagram in shown)
    if count > MOST_BOXES:
        raise CompileError(
            Diagnostic(
                catalogue.NO_PICTURE,
                f"the picture would have {count:,} boxes, and nobody can read more than {MOST_BOXES:,}",
                helps=(Text("show less detail (", Option("detail", "block"), "), or leave repeats folded"),),
            )
        )
    return shown


# --- what a comparison found -----------------------------------------------------------------------------------------


def _marks(review: Review) -> tuple[dict[int, str], dict[int, str]]:
    """What became of each node of the old network, and what each of the new one is."""
    old, new = review.graphs
    pairs = review.alignment.pairs
    before = {node.index: "removed" for node in old.nodes if node.index not in pairs}
    after = {node.index: "added" for node in new.nodes if node.index not in review.alignment.back}
    for one, other in pairs.items():
        first, second = old.nodes[one], new.nodes[other]
        if first.operator != second.operator or other in review.alignment.moved:
            mark = "changed"
        elif first.type != second.type or old.input_types(first) != new.input_types(second):
            mark = "follows"
        else:
            mark = "same"
        before[one] = after[other] = mark
    return before, after


def _printable(path: str) -> str:
    """A file's name, which need not be text, as text."""
    return path.encode(errors="replace").decode()


def _legend(review: Review, marks: tuple[dict[int, str], dict[int, str]]) -> Legend:
    def count(side: int, mark: str) -> int:
        return sum(
            found == mark and review.graphs[side].nodes[node].operator.counts_as_layer
            for node, found in marks[side].items()
        )

    told = (
        ("removed", "removed", count(0, "removed")),
        ("added", "added", count(1, "added")),
        ("changed", "changed", count(1, "changed")),
        ("follows", "as written before, with other shapes", count(1, "follows")),
    )
    present = {mark for side in marks for mark in side.values()}
    entries = tuple(
        (mark, f"{words} ({number} {'layer' if number == 1 else 'layers'})" if number else words)
        for mark, words, number in told
        if mark in present
    )
    table = [("", "old", "new", "difference")]
    table += [(row.name, row.old, row.new, row.difference) for row in rows(review) if row.name != "outputs"]
    return Legend(entries or (("same", "nothing changed"),), tuple(table))
