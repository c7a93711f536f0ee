"""Curves as a picture: axes have round numbers, and names stand where no line is."""

from __future__ import annotations

import re

import pytest

from resdsl.tools.train.curves import Chart, Curve, charts_svg


def _svg(right: float) -> str:
    points = [(right * part / 7, 100.0 - part) for part in range(8)]
    curves = [Curve("test", points, "#111"), Curve("", points, "#222", dashed=True), Curve("other", points, "#333")]
    return charts_svg([Chart("Error", "epoch", "%", curves)])


@pytest.mark.parametrize(
    ("right", "ticks"),
    [
        (10.0, "0 2 4 6 8 10"),
        (55.0, "0 10 20 30 40 50"),
        (90.0, "0 20 40 60 80"),
        (3.0, "0 0.5 1 1.5 2 2.5 3"),
        (0.7, "0 0.2 0.4 0.6"),
    ],
)
def test_ticks_are_round(right: float, ticks: str) -> None:
    assert re.findall(r'text-anchor="middle">([^<]*)<', _svg(right)) == ticks.split()


def test_names_stand_beside_the_lines() -> None:
    svg = _svg(10.0)
    ends = [float(place.split(",")[0]) for line in re.findall(r'points="([^"]*)"', svg) for place in line.split()]
    names = [(float(x), float(y)) for x, y in re.findall(r'<text x="([\d.]+)" y="([\d.]+)">(?:test|other)<', svg)]
    assert len(names) == 2 and all(x > max(ends) for x, _ in names)
    # Those that follow each other leave no gap for a line without a name.
    assert names[1][1] - names[0][1] == 16
