"""Networks in pages that Sphinx and PyMdown Extensions build."""

from __future__ import annotations

import io
import logging
import textwrap
import warnings
from pathlib import Path

import markdown
import pytest

from resdsl.tools.publish import mkdocs_fence
from resdsl.tools.publish.drawing import Drawing, parse_arguments

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Sphinx's own, at import
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace

NET = """\
model net(classes = 10) {
  input image: f32[N, 3, 32, 32]
  conv1: conv(16, 3x3);  bn1: bn;  relu
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""


def build(folder: Path, page: str) -> tuple[str, str]:
    """The page as Sphinx writes it, and the warnings of the build."""
    (folder / "conf.py").write_text('extensions = ["resdsl.tools.publish.sphinx_directive"]\n')
    (folder / "index.rst").write_text(page)
    printed = io.StringIO()
    with warnings.catch_warnings(), docutils_namespace():
        warnings.simplefilter("ignore")
        app = Sphinx(
            folder, folder, folder / "out", folder / "out/doctrees", "html", status=None, warning=printed, freshenv=True
        )
        app.build()
    return (folder / "out/index.html").read_text(), printed.getvalue()


def rst(argument: str = "", options: str = "", text: str = "") -> str:
    body = f"{options}\n\n{text}" if options and text else options or f"\n{text}"
    return f"Title\n=====\n\n.. res:: {argument}\n{textwrap.indent(body, '   ')}\n"


def test_a_directive_draws_its_text(tmp_path: Path) -> None:
    page, warned = build(tmp_path, rst(options=":detail: stage\n:summary:\n:set: classes=3", text=NET))
    assert '<figure class="resdsl"><svg' in page and "515" in page and not warned


def test_a_directive_draws_a_file_and_a_built_in_network(tmp_path: Path) -> None:
    (tmp_path / "net.res").write_text(NET)
    both = rst("net.res", ":source:").rstrip() + "\n\n.. res:: resnet18\n   :detail: stage\n"
    page, warned = build(tmp_path, both)
    assert page.count("<svg") == 2 and "conv1" in page and not warned


def test_an_error_is_a_warning_at_its_line(tmp_path: Path) -> None:
    page, warned = build(tmp_path, rst(text=NET.replace("relu", "rleu")))
    lines = (tmp_path / "index.rst").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "rleu" in text)
    assert f"index.rst:{line}: WARNING:" in warned and "E0202" in warned
    assert "E0202" in page and "<svg" not in page


def test_a_wrong_total_is_a_warning_above_the_picture(tmp_path: Path) -> None:
    page, warned = build(tmp_path, rst(text=NET.replace("}\n", "  expect depth == 3\n}\n")))
    assert "E0502" in warned and page.index("E0502") < page.index("<svg")


@pytest.mark.parametrize(
    ("argument", "options", "problem"),
    [
        ("resnet18", ":detail: much", "is not one of"),
        ("resnet18", ":set: classes", "NAME=VALUE"),
        ("", "", "takes a text"),
        ("no_such_net", "", "no_such_net"),
    ],
)
def test_a_wrong_directive_is_reported(tmp_path: Path, argument: str, options: str, problem: str) -> None:
    _, warned = build(tmp_path, rst(argument, options))
    assert problem in warned


def rendered(text: str) -> str:
    fences = [
        {
            "name": "res-draw",
            "class": "resdsl",
            "format": mkdocs_fence.fence,
            "validator": mkdocs_fence.validate,
        }
    ]
    extensions = ["pymdownx.superfences"]
    return markdown.markdown(text, extensions=extensions, extension_configs={extensions[0]: {"custom_fences": fences}})


def test_a_fence_draws_its_text_or_a_built_in_network() -> None:
    assert rendered(f"```res-draw\n{NET}```\n").count("<svg") == 1
    page = rendered('``` { .res-draw detail="stage" set="classes=3" summary="" }\nresnet18\n```\n')
    assert "<svg" in page and "<pre>" in page


def test_an_error_in_a_fence_is_logged_and_escaped(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        page = rendered(f"```res-draw\n{NET.replace('relu', 'rleu # <script>')}```\n")
    assert "E0202" in page and "<script>" not in page and "E0202" in caplog.text


def test_options_are_those_of_draw() -> None:
    with pytest.raises(ValueError, match="'deep' is not one of"):
        Drawing(detail="deep")
    assert parse_arguments("classes=10, width = 2\nkind=pad") == {"classes": "10", "width": "2", "kind": "pad"}
