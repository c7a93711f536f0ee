"""The colours of pictures."""

from __future__ import annotations

from dataclasses import dataclass

FONT = "Arial, Arimo, 'Liberation Sans', Helvetica, sans-serif"
"""Font families whose widths match the table in ``resdsl.picture.metrics``."""


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours of a box, ``#rrggbb``."""

    fill: str
    stroke: str
    text: str


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a picture, ``#rrggbb``.

    ``stages`` are the paints of layers by resolution: each halving of the input takes the next one. ``plain`` is for
    pools, classifiers and others without a resolution, ``marks`` for comparisons (the values of
    ``resdsl.review.marks.Mark``), ``bars`` for costs (``macs``, ``parameters``, ``activations``, ``field``).
    """

    name: str
    background: str
    ink: str
    muted: str
    line: str
    hairline: str
    panel: str
    plain: Paint
    stages: tuple[Paint, ...]
    marks: dict[str, Paint]
    bars: dict[str, str]

    def stage(self, level: int) -> Paint:
        """The paint of layers after ``level`` halvings of the input."""
        return self.stages[level % len(self.stages)]

    def paint(self, level: int | None, mark: str = "") -> Paint:
        """The paint of a box by its mark in a comparison, or else by its resolution."""
        if mark:
            return self.marks[mark]
        return self.plain if level is None else self.stage(level)


LIGHT = Theme(
    name="light",
    background="#ffffff",
    ink="#1f2328",
    muted="#656d76",
    line="#424a53",
    hairline="#d0d7de",
    panel="#f6f8fa",
    plain=Paint("#f3f4f6", "#8c959f", "#1f2328"),
    stages=(
        Paint("#fff4c8", "#b8901a", "#3d3005"),
        Paint("#ffdfbf", "#c9721c", "#431f00"),
        Paint("#e2dcfa", "#6e5bc4", "#21164f"),
        Paint("#d0ecd3", "#3d8b4c", "#0e3316"),
        Paint("#fcd7d9", "#c4505a", "#4a0d14"),
        Paint("#cfe5f9", "#2f7bbd", "#06294a"),
        Paint("#f0d5ee", "#9a4d98", "#3a0d38"),
        Paint("#cdebe9", "#2b8a85", "#053431"),
    ),
    marks={
        "added": Paint("#d3f3d8", "#1a7f37", "#0b3d1a"),
        "removed": Paint("#ffd9d6", "#cf222e", "#5c0a10"),
        "changed": Paint("#ffefc2", "#9a6700", "#3f2a00"),
        "moved": Paint("#e2dcfa", "#6e5bc4", "#21164f"),
        "renamed": Paint("#cdebe9", "#2b8a85", "#053431"),
        "follows": Paint("#e6effb", "#6b93c4", "#1f2328"),
        "same": Paint("#f6f8fa", "#afb8c1", "#656d76"),
    },
    bars={"macs": "#c9721c", "parameters": "#6e5bc4", "activations": "#3d8b4c", "field": "#2f7bbd"},
)

DARK = Theme(
    name="dark",
    background="#0d1117",
    ink="#e6edf3",
    muted="#9198a1",
    line="#b1bac4",
    hairline="#30363d",
    panel="#151b23",
    plain=Paint("#21262d", "#768390", "#e6edf3"),
    stages=(
        Paint("#3f3410", "#c9a227", "#fbe9ad"),
        Paint("#4a2c10", "#db8a3c", "#ffdcb8"),
        Paint("#2e2657", "#8f7ee7", "#e2dcfa"),
        Paint("#16381f", "#57ab63", "#cdebd0"),
        Paint("#4a1d22", "#e5727b", "#fcd7d9"),
        Paint("#10304d", "#57a0dd", "#cfe5f9"),
        Paint("#3d1c3c", "#c07abe", "#f0d5ee"),
        Paint("#0e3a38", "#4fb3ae", "#cdebe9"),
    ),
    marks={
        "added": Paint("#12361d", "#3fb950", "#d3f3d8"),
        "removed": Paint("#4d171a", "#f85149", "#ffd9d6"),
        "changed": Paint("#3f300c", "#d29922", "#ffefc2"),
        "moved": Paint("#2e2657", "#8f7ee7", "#e2dcfa"),
        "renamed": Paint("#0e3a38", "#4fb3ae", "#cdebe9"),
        "follows": Paint("#182a40", "#5b84b5", "#e6edf3"),
        "same": Paint("#161b22", "#3d444d", "#9198a1"),
    },
    bars={"macs": "#db8a3c", "parameters": "#8f7ee7", "activations": "#57ab63", "field": "#57a0dd"},
)

# For paper: no large coloured areas, and greys that stay distinct on a black-and-white printer.
PRINT = Theme(
    name="print",
    background="#ffffff",
    ink="#000000",
    muted="#444444",
    line="#000000",
    hairline="#999999",
    panel="#ffffff",
    plain=Paint("#ffffff", "#000000", "#000000"),
    stages=(
        Paint("#ffffff", "#000000", "#000000"),
        Paint("#f4f4f4", "#000000", "#000000"),
        Paint("#e8e8e8", "#000000", "#000000"),
        Paint("#dadada", "#000000", "#000000"),
        Paint("#cbcbcb", "#000000", "#000000"),
        Paint("#bcbcbc", "#000000", "#000000"),
    ),
    marks={
        "added": Paint("#d9f2dd", "#146c2e", "#000000"),
        "removed": Paint("#fbdad7", "#a40e26", "#000000"),
        "changed": Paint("#fdf0c8", "#7d5300", "#000000"),
        "moved": Paint("#e8e3f7", "#5a47ad", "#000000"),
        "renamed": Paint("#d6ecea", "#1d6b66", "#000000"),
        "follows": Paint("#eeeeee", "#777777", "#000000"),
        "same": Paint("#ffffff", "#aaaaaa", "#555555"),
    },
    bars={"macs": "#333333", "parameters": "#777777", "activations": "#aaaaaa", "field": "#000000"},
)

THEMES = {theme.name: theme for theme in (LIGHT, DARK, PRINT)}
