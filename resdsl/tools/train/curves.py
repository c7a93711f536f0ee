"""The curves of a run as an SVG: error and loss over epochs, on training and validation images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 480, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 96, 34, 40
"""The margins of a chart; the names of the curves are in the right one, where no line crosses them."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points; ``dashed`` ones are thinner. ``color`` is one of SVG."""

    label: str
    points: Sequence[tuple[float, float]]
    color: str
    dashed: bool = False
    width: float = 1.6


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over common axes. ``top`` bounds the vertical axis; ``None``: the largest value."""

    title: str
    across: str
    up: str
    curves: Sequence[Curve]
    top: float | None = None


def charts_svg(charts: Sequence[Chart], columns: int = 2) -> str:
    """Charts side by side as the text of an SVG file, the same for the same numbers."""
    rows = math.ceil(len(charts) / columns)
    width, height = _WIDTH * min(columns, len(charts)), _HEIGHT * rows
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="11" fill="#222">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, chart in enumerate(charts):
        parts.append(f'<g transform="translate({number % columns * _WIDTH},{number // columns * _HEIGHT})">')
        parts += _chart(chart)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _chart(chart: Chart) -> list[str]:
    points = [point for curve in chart.curves for point in curve.points if math.isfinite(point[1])]
    right = max((x for x, _ in points), default=1.0) or 1.0
    left = min((x for x, _ in points), default=0.0)
    left = 0.0 if left < right / 2 else left
    top = _rounded_up(chart.top if chart.top is not None else max((y for _, y in points), default=1.0))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - left) / (right - left or 1.0)
        up = min(max(y / top, 0.0), 1.0)
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    parts = [f'<text x="{_LEFT}" y="16" font-weight="bold">{escape(chart.title)}</text>']
    for step in range(5):
        value = top * step / 4
        x, y = place(left, value)
        parts.append(f'<path d="M{x:.1f} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd" stroke-width="1"/>')
        parts.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>')
    for value in _ticks(left, right):
        x, y = place(value, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{_number(value)}</text>')
    parts.append(
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end" fill="#666">{escape(chart.across)}</text>'
    )
    parts.append(f'<text x="{_LEFT}" y="28" fill="#666">{escape(chart.up)}</text>')
    named = [curve for curve in chart.curves if curve.label]
    for curve in chart.curves:
        line = " ".join(
            f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in curve.points if math.isfinite(point[1]))
        )
        dashes = ' stroke-dasharray="4 3"' if curve.dashed else ""
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{curve.color}" stroke-width="{curve.width}"{dashes}/>'
        )
        if curve.label:
            y = _TOP + 6 + 16 * next(number for number, one in enumerate(named) if one is curve)
            x = _WIDTH - _RIGHT + 10
            parts.append(
                f'<path d="M{x} {y}h18" stroke="{curve.color}" stroke-width="{curve.width}"{dashes}/>'
                f'<text x="{x + 23}" y="{y + 4}">{escape(curve.label)}</text>'
            )
    return parts


def _rounded_up(value: float) -> float:
    """The next number with one or two digits, as the end of an axis."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10) if step * unit >= value * 0.999)


def _ticks(left: float, right: float) -> list[float]:
    """Three to seven round numbers of an axis."""
    unit = 10.0 ** math.floor(math.log10((right - left) / 6)) if right > left else 1.0
    step = next(one * unit for one in (1, 2, 5, 10) if one * unit * 6 >= (right - left) * 0.999)
    first = math.ceil(left / step - 1e-9)
    return [number * step for number in range(first, math.floor(right / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return f"{value:.3g}"
