"""Draw networks, comparisons and costs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Unpack

from resdsl.diagnostics import CompileError, Diagnostic, Option, Source, Text, catalogue
from resdsl.files import write_file
from resdsl.inputs import as_one_run, record_input
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
from resdsl.review.figures import count as counted
from resdsl.review.marks import Mark
from resdsl.review.review import Review
from resdsl.review.sentences import totals_table
from resdsl.specification.load import Network, NetworkOptions, load
from resdsl.specification.specification import Specification
from resdsl.tools.diff.diff import diff
from resdsl.untrusted import printable

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
"""Maximum number of boxes of a network that is drawn in full, such as ResNet-34; repeats of larger ones are folded."""

MOST_BOXES = 10_000
"""Maximum number of boxes. ResNet-1202 has 1,203 layers and about 4,300 operators."""

MOST_PIXELS = 80_000_000
"""Maximum size of a PNG. Pillow rejects images above 89 million pixels as decompression bombs."""

DEEPEST = 60
"""Maximum nesting of scopes, because layout is recursive."""

_MEANINGS = {
    Mark.REMOVED: "removed",
    Mark.ADDED: "added",
    Mark.CHANGED: "changed",
    Mark.MOVED: "moved",
    Mark.RENAMED: "renamed",
    Mark.FOLLOWS: "follows: as written before, other shapes",
}


@dataclass(frozen=True, slots=True, repr=False)
class Picture:
    """A picture that can be written in any of ``FORMATS``. Notebooks display it.

    ``files`` are those that the networks were read from, which no picture replaces.
    """

    scene: Scene
    diagrams: tuple[Diagram, ...]
    theme: Theme
    direction: Direction
    files: tuple[Path, ...] = ()

    def svg(self) -> str:
        """The text of an SVG file, deterministic and with selectable text."""
        return render_svg(self.scene)

    def render(self, format: str = "svg", *, scale: float = 2.0) -> bytes:
        """The bytes of a file. ``scale`` is the number of pixels per point of a PNG.

        Raises ``CompileError`` if the format needs the extra ``picture`` and it is not installed, if a cost picture is
        requested as Mermaid or Graphviz, or if a PNG would have more than ``MOST_PIXELS``; ``ValueError`` for an
        unknown format.
        """
        if format not in FORMATS:
            raise ValueError(f"there is no format '{format}'; the formats are {', '.join(FORMATS)}")
        if format == "svg":
            return self.svg().encode()
        if format in ("mermaid", "dot"):
            return self._text(format).encode()
        pixels = int(self.scene.width * scale) * int(self.scene.height * scale)
        if format == "png" and pixels > MOST_PIXELS:
            raise CompileError(
                Diagnostic(
                    catalogue.NO_PICTURE,
                    f"the PNG would have {pixels:,} pixels; at most {MOST_PIXELS:,} are possible",
                    helps=(Text("fold repeats, use a smaller ", Option("scale"), ", or write svg or pdf"),),
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

    @as_one_run
    def save(self, path: str | os.PathLike[str], format: str | None = None, *, scale: float = 2.0) -> None:
        """Write a file atomically, in ``format`` or else in the format of its suffix.

        Raises like ``render``, ``OutputError`` for a file that the networks were read from, and ``ValueError`` for an
        unknown suffix.
        """
        for file in self.files:
            record_input(file)
        write_file(Path(path), self.render(format or format_of(path), scale=scale))

    def _text(self, format: str) -> str:
        if not self.diagrams:
            raise CompileError(
                Diagnostic(
                    catalogue.NO_PICTURE,
                    f"costs are drawn as bars, and `{format}` has only boxes and arrows",
                    helps=("write svg, png or pdf",),
                )
            )
        write = render_mermaid if format == "mermaid" else render_dot
        return write(outline(self.diagrams), self.theme, self.direction)

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return f"<Picture, {self.scene.width:.0f} x {self.scene.height:.0f}>"


def format_of(path: str | os.PathLike[str]) -> str:
    """The format of a file by its suffix; SVG without one. Raises ``ValueError`` for an unknown suffix."""
    suffix = Path(path).suffix.lower()
    if suffix and suffix not in SUFFIXES:
        raise ValueError(f"unknown suffix '{suffix}'; the suffixes are {', '.join(SUFFIXES)}")
    return SUFFIXES.get(suffix, "svg")


def draw(
    specs: Network | Sequence[Network],
    *,
    detail: str = Detail.LAYER,
    repeats: str = "auto",
    direction: str = Direction.DOWN,
    theme: str = "light",
    **network: Unpack[NetworkOptions],
) -> Picture:
    """A picture of a network, or of several side by side (He et al. 2015, figure 3).

    Each is given as for ``resdsl.load``, whose options ``network`` are. ``detail`` is the level of detail: ``model``,
    ``stage``, ``block``, ``layer`` (as in papers) or ``op``. ``repeats`` are folded (``fold``), expanded (``expand``),
    or folded if a network has more than ``MOST_WHOLE`` boxes (``auto``). ``direction`` is ``down`` or ``right``,
    ``theme`` is ``light``, ``dark`` or ``print``.

    Raises ``CompileError`` if a specification has errors or a picture would have more than ``MOST_BOXES`` boxes, and
    ``ValueError`` for an unknown option value.
    """
    given = [specs] if isinstance(specs, str | os.PathLike | Source | Specification) else specs
    loaded = [load(one, **network) for one in given]
    diagrams = [_diagram(one.graph, Detail(detail)) for one in loaded]
    picture = _arranged(diagrams, Detail(detail), repeats, Direction(direction), _theme(theme))
    return _of(loaded, picture)


def compared(
    old: Network,
    new: Network,
    *,
    detail: str = Detail.LAYER,
    repeats: str = "auto",
    direction: str = Direction.DOWN,
    theme: str = "light",
    **network: Unpack[NetworkOptions],
) -> Picture:
    """Two networks side by side, with their differences in colours and the totals of both.

    An ONNX file is drawn in the form of the other network, and the differences of form are stated below.

    The networks are given as for ``resdsl.load``, the options are those of ``draw``.
    """
    loaded = [load(one, **network) for one in (old, new)]
    review = diff(*loaded)
    sides = zip(
        ("old", "new"), (review.old, review.new), review.graphs, (review.marks.old, review.marks.new), strict=True
    )
    diagrams = [
        replace(diagram, facts=(f"{when}: {printable(side.source)}", *diagram.facts))
        for when, side, diagram in (
            (when, side, _diagram(graph, Detail(detail), marks)) for when, side, graph, marks in sides
        )
    ]
    legend = _legend(review)
    return _of(loaded, _arranged(diagrams, Detail(detail), repeats, Direction(direction), _theme(theme), legend))


def cost_picture(
    spec: Network,
    *,
    detail: str | None = None,
    theme: str = "light",
    **network: Unpack[NetworkOptions],
) -> Picture:
    """MACs, weights and activations as bars along the depth of a network, and how its receptive field grows.

    ``detail`` selects what a row is; the default is the finest level with few enough rows to read. The other options
    are those of ``draw``. Raises ``CompileError`` also for a symbolic input size, whose costs are formulas.
    """
    loaded = load(spec, **network)
    graph = loaded.graph
    if not is_fixed(graph):
        raise CompileError(
            Diagnostic(
                catalogue.NO_PICTURE,
                f"the costs of `{graph.name}` depend on the size of its input, which is {graph.input.type}",
                helps=(Text("fix its size: ", Option("input_shape", ("N", 3, 224, 224))),),
            )
        )
    scene = arrange_costs(graph, _theme(theme), detail=None if detail is None else Detail(detail))
    return _of([loaded], Picture(scene, (), _theme(theme), Direction.DOWN))


def _of(networks: Sequence[Specification], picture: Picture) -> Picture:
    """The picture with the files that its networks were read from."""
    return replace(picture, files=tuple(file for one in networks for file in one.files))


def _theme(name: str) -> Theme:
    if name not in THEMES:
        raise ValueError(f"there is no theme '{name}'; the themes are {', '.join(THEMES)}")
    return THEMES[name]


def _diagram(graph: Graph, detail: Detail, marks: Mapping[int, str] = MappingProxyType({})) -> Diagram:
    if _is_deeper(graph.root, DEEPEST):
        raise CompileError(
            Diagnostic(
                catalogue.NO_PICTURE,
                f"`{graph.name}` has blocks nested more than {DEEPEST} deep",
                helps=("draw an inner block as a model of its own",),
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
                f"the picture would have {count:,} boxes; at most {MOST_BOXES:,} are possible",
                helps=(Text("draw less detail (", Option("detail", "block"), "), or leave repeats folded"),),
            )
        )
    return shown


# --- comparison -----------------------------------------------------------------------------------------------------


def _legend(review: Review) -> Legend:
    """The colours with their meanings and numbers of layers, and the totals of both networks."""
    entries = tuple((str(mark), _entry(review, mark)) for mark in _MEANINGS if mark in review.marks.present)
    table = [("", "old", "new", "difference")]
    table += [(row.name, row.old, row.new, row.difference) for row in totals_table(review) if row.name != "outputs"]
    notes = tuple(f"in another form: {form}" for form in review.forms)
    return Legend(entries or ((str(Mark.SAME), _no_layer_differs(review)),), notes, tuple(table))


def _entry(review: Review, mark: Mark) -> str:
    side = 0 if mark is Mark.REMOVED else 1
    nodes, marks = review.graphs[side].nodes, (review.marks.old, review.marks.new)[side]
    count = sum(one is mark and nodes[index].operator.counts_as_layer for index, one in marks.items())
    return f"{_MEANINGS[mark]} ({counted(count, 'layer')})" if count else _MEANINGS[mark]


def _no_layer_differs(review: Review) -> str:
    if review.is_empty:
        return "the same network, in another form" if review.forms else "nothing changed"
    return f"no layer changed; changed: {', '.join(change.what for change in review.changes)}"
