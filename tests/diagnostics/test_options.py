"""A message that names an option shows it as Python in Python and as a flag on the command line."""

from __future__ import annotations

import json

import pytest

from resdsl.cli.flags import as_flags
from resdsl.diagnostics import Diagnostic, Option, Placeholder, ResdslError, Text, catalogue
from resdsl.diagnostics.github import to_github
from resdsl.diagnostics.json import report_data
from resdsl.diagnostics.options import in_python, spelled
from resdsl.diagnostics.render import render
from resdsl.diagnostics.sarif import to_sarif

SPELLINGS = [
    (Option("partial"), "partial", "--partial"),
    (Option("max_pixels"), "max_pixels", "--max-pixels"),
    (Option("embed_preprocess", True), "embed_preprocess=True", "--embed-preprocess"),
    (Option("model", "net"), 'model="net"', "--model net"),
    (Option("batch", 3), "batch=3", "--batch 3"),
    (Option("set", {"classes": 10}), 'set={"classes": 10}', "--set classes=10"),
    (Option("renames", {"a b": "c", "d": "e"}), 'renames={"a b": "c", "d": "e"}', "--rename 'a b=c' --rename d=e"),
    (Option("input_shape", ("N", 3, "H", "W")), 'input_shape=("N", 3, "H", "W")', "--input N,3,H,W"),
    (Option("limits", {"nodes": Placeholder("NUMBER")}), "limits=Limits(nodes=NUMBER)", "--limit nodes=NUMBER"),
    (Option("limits", {"outside": True}), "limits=Limits(outside=True)", "--allow-outside"),
    (Option("precision", "f16"), 'precision="f16"', "--precision fp16"),
    (Option("truth", Placeholder("FILE")), "truth=FILE", "--truth FILE"),
]


@pytest.mark.parametrize(("option", "python", "flags"), SPELLINGS, ids=[flags for _, _, flags in SPELLINGS])
def test_an_option_is_spelled_for_python_and_for_a_command_line(option: Option, python: str, flags: str) -> None:
    assert in_python(option) == python
    assert as_flags(option) == flags
    text = Text("use ", option, " here")
    assert text == f"use `{python}` here"
    assert spelled(text, as_flags) == f"use `{flags}` here"


def test_every_renderer_takes_a_spelling() -> None:
    texts = [Text(f"{word} ", Option("device", "cpu")) for word in ("message", "note", "help")]
    found = [Diagnostic(catalogue.RUN_FAILED, texts[0], notes=(texts[1],), helps=(texts[2],))]
    renderers = (
        lambda **spelling: render(found, **spelling),
        lambda **spelling: json.dumps(report_data(found, **spelling)).replace('\\"', '"'),
        lambda **spelling: to_github(found, **spelling),
        lambda **spelling: json.dumps(to_sarif(found, version="1", **spelling)).replace('\\"', '"'),
    )
    for rendered in renderers:
        for word in ("message", "note", "help"):
            assert f'{word} `device="cpu"`' in rendered()
            assert f"{word} `--device cpu`" in rendered(spelling=as_flags)


def test_an_exception_is_spelled_for_python() -> None:
    error = ResdslError.of(catalogue.RUN_FAILED, Text("leave ", Option("for_runtime"), " out"))
    assert str(error) == "leave `for_runtime` out"


def test_a_text_from_a_user_is_not_changed() -> None:
    assert spelled('a file called `device="cpu"`', as_flags) == 'a file called `device="cpu"`'
