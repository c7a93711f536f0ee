"""The picture beside a text: drawn by the server, with a way from each box to its line and back."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from tests.lsp.conftest import Editor

pytestmark = pytest.mark.asyncio(loop_scope="module")

NET = """\
use "std/residual.res" (basic)

model net {
  input image: f32[N, 3, 32, 32]
  conv1: conv(16, 3x3);  bn1: bn;  relu
  stage layer1 { 2 x basic(16) }
  avgpool(global);  flatten
  fc: linear(10)
  output logits
}
"""


async def ask(editor: Editor, method: str, **params: Any) -> Any:
    return await editor.client.protocol.send_request_async(method, {"uri": editor.uri("net.res"), **params})


async def test_a_box_of_the_picture_leads_to_its_line(editor: Editor) -> None:
    await editor.open("net.res", NET)
    drawn = await ask(editor, "resdsl/picture", theme="dark")
    tips = re.findall(r"<title>([^<:]+):", drawn.svg)
    assert {"conv1", "fc"} <= set(tips)
    lines = {}
    for path in tips:
        place = await ask(editor, "resdsl/place", path=path)
        lines[path] = place.range.start.line
    assert lines["conv1"] == 4 and lines["fc"] == 7
    assert {line for path, line in lines.items() if path.startswith("layer1")} == {5}


async def test_a_line_leads_to_its_boxes(editor: Editor) -> None:
    await editor.open("net.res", NET)
    assert (await ask(editor, "resdsl/paths", line=7, character=4))[0] == "fc"
    paths = await ask(editor, "resdsl/paths", line=5, character=20)
    assert "layer1.0.conv1" in paths and "layer1" in paths
    for character in (26, 36):  # bn1 and relu, in the box of conv1
        assert "conv1" in await ask(editor, "resdsl/paths", line=4, character=character)


async def test_there_is_no_picture_of_an_error(editor: Editor) -> None:
    await editor.open("net.res", NET.replace("relu", "rleu"))
    assert (await ask(editor, "resdsl/picture")).problem == "the text has errors"


async def test_other_shapes_and_totals_do_not_hide_the_picture(editor: Editor) -> None:
    stated = NET.replace("2 x basic(16) }", "2 x basic(16) } -> [N, 16, 32, 32]").replace(
        "}\n", "  expect depth == 6\n}\n"
    )
    await editor.open("net.res", stated.replace("2 x basic(16)", "3 x basic(24)"))
    drawn = await ask(editor, "resdsl/picture")
    assert "24" in drawn.svg and len(drawn.unexpected) == 2
    assert any("`depth` is 8" in sentence for sentence in drawn.unexpected)  # 3 * 2 convolutions, conv1 and fc
    assert (await ask(editor, "resdsl/paths", line=5, character=20))[0].startswith("layer1")
    editor.replace("net.res", stated)
    assert (await ask(editor, "resdsl/picture")).unexpected == []


async def test_the_picture_of_what_changed_since_a_revision(editor: Editor) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=editor.folder, check=True, capture_output=True)

    await editor.open("net.res", NET)
    git("init")
    git("add", "net.res")
    git("commit", "-m", "first")
    editor.replace("net.res", NET.replace("linear(10)", "linear(100)"))
    drawn = await ask(editor, "resdsl/picture", compare="HEAD")
    assert "old: " in drawn.svg and "new: " in drawn.svg
