"""The Python side of the playground, outside a browser. ``tests/with_browser.sh`` tries the page."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.foreign_onnx import write_all

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "site" / "playground"
TEXT = (ROOT / "specs" / "resnet18.res").read_text()
URI = "file:///playground/network.res"


def _module(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"playground_{name}", FOLDER / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def playground() -> Any:
    return _module("playground").Playground(print)


@pytest.fixture(scope="module")
def panel(playground: Any) -> Callable[..., dict[str, Any]]:
    def ask(panel: str, text: str, **more: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(
            playground.panel(json.dumps({"panel": panel, "text": text, "theme": "light", **more}))
        )
        return answer

    return ask


def test_panels_show_a_network(panel: Callable[..., dict[str, Any]]) -> None:
    assert panel("picture", TEXT)["svg"].startswith("<svg")
    assert "<!doctype html>" in panel("explorer", TEXT)["html"].lower()
    summary = panel("summary", TEXT)
    # He et al. 2015, table 1, as torchvision counts its parameters.
    assert ["parameters", "11,689,512 (and 9,600 running statistics)"] in summary["totals"]
    assert {len(row) for row in summary["rows"]} == {len(summary["columns"])}


def test_an_onnx_file_is_read_without_the_onnx_library(
    playground: Any, panel: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_process(*_: object, **__: object) -> None:
        raise OSError("emscripten does not support processes")

    files = write_all(tmp_path)
    monkeypatch.setattr(subprocess, "run", no_process)
    for name, found in files.items():
        opened = json.loads(playground.opened(str(found)))
        request = {"file": opened["file"]} if "file" in opened else {}
        assert panel("picture", opened["text"], **request)["svg"].startswith("<svg"), name
        assert panel("summary", opened["text"], **request)["rows"], name
        assert "html" in panel("explorer", TEXT, old=TEXT, **request), name
    assert "conv(" in json.loads(playground.opened(str(files["convolutions"])))["text"]
    assert "`NonMaxSuppression`" in json.loads(playground.opened(str(files["detector"])))["text"].replace("\n# ", " ")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    problem = json.loads(playground.opened(str(tmp_path / "bad.onnx")))["problem"]
    assert "`bad.onnx`" in problem and "not an ONNX model" in problem


def test_panels_compare_two_texts(panel: Callable[..., dict[str, Any]]) -> None:
    new = TEXT.replace("maxpool(3x3", "avgpool(3x3")
    picture = panel("picture", new, old=TEXT)["svg"]
    assert "3x3 max pool" in picture and "3x3 avg pool" in picture
    assert "avgpool" in panel("explorer", new, old=TEXT)["html"]


def test_a_changed_layer_is_shown_although_shapes_and_totals_are_stated_otherwise(
    panel: Callable[..., dict[str, Any]],
) -> None:
    new = TEXT.replace("2 x basic(64", "3 x basic(80")
    assert "layer1.2.conv2" in panel("picture", new)["svg"] and "layer1.2.conv2" not in panel("picture", TEXT)["svg"]
    assert "-> [N, 80, 56, 56]" not in new and "3 x basic(80" in panel("explorer", new, old=TEXT)["html"]
    assert "11,689,512" not in json.dumps(panel("summary", new))
    assert set(panel("summary", new.replace("avgpool", "avgpol"))) == {"problem"}


@pytest.mark.parametrize(
    "text", ["", "model a {", TEXT.replace("basic(64", "basik(64"), "model a { input x: f32[N, 3, 8, 8] }"]
)
@pytest.mark.parametrize("name", ["picture", "summary", "explorer"])
def test_a_text_with_errors_is_a_problem_and_no_traceback(
    panel: Callable[..., dict[str, Any]], name: str, text: str
) -> None:
    assert set(panel(name, text)) == {"problem"}


def test_a_text_of_two_models_shows_the_first(panel: Callable[..., dict[str, Any]]) -> None:
    body = "(classes = 10) { input x: f32[N, 3, 8, 8]; avgpool(global); flatten; fc: linear(classes); output y }"
    assert panel("summary", f"model first{body}\nmodel second{body}\n")["heading"].startswith("first")


def test_the_language_server_answers_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "emscripten")
    sent: list[dict[str, Any]] = []

    async def talk() -> None:
        playground = _module("playground").Playground(lambda text: sent.append(json.loads(text)))

        def say(method: str, params: object, number: int | None = None) -> None:
            identity = {} if number is None else {"id": number}
            playground.message(json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **identity}))

        say("initialize", {"processId": None, "rootUri": None, "capabilities": {}}, 1)
        say("initialized", {})
        document = {"uri": URI, "languageId": "res", "version": 1, "text": TEXT.replace("avgpool", "avgpol")}
        say("textDocument/didOpen", {"textDocument": document})
        await asyncio.sleep(0.5)
        whole = {"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}}
        say("textDocument/inlayHint", {"textDocument": {"uri": URI}, "range": whole}, 2)
        say("resdsl/picture", {"uri": URI, "theme": "light"}, 3)
        await asyncio.sleep(0.5)

    asyncio.run(talk())
    answers = {message["id"]: message for message in sent if "id" in message and "method" not in message}
    published = [one["params"] for one in sent if one.get("method") == "textDocument/publishDiagnostics"]
    assert "hoverProvider" in answers[1]["result"]["capabilities"]
    assert published[-1]["diagnostics"][0]["code"] == "E0202"
    assert any("[N, 64, 56, 56]" in json.dumps(hint) for hint in answers[2]["result"])
    assert answers[3]["result"] == {"problem": "the text has errors"}


def test_the_packages_of_the_page_are_all_that_it_imports(tmp_path: Path) -> None:
    archive = tmp_path / "packages.zip"
    _module("build")._pack(archive)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "packages")
        names = packed.namelist()
    assert len(names) == len(set(names))
    # Without the packages of this environment, and with the panels' lazy imports.
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path / "packages")!r})
import json, playground
page = playground.Playground(lambda text: None)
for panel in ("picture", "summary", "explorer"):
    answer = page.panel(json.dumps({{"panel": panel, "text": {TEXT!r}, "old": {TEXT!r}, "theme": "dark"}}))
    assert "problem" not in json.loads(answer), answer
loaded = {{getattr(module, "__file__", None) or "" for module in sys.modules.values()}}
assert not [file for file in loaded if "site-packages" in file]
"""
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True, timeout=120)


def test_the_page_names_its_files_and_the_script_of_the_explorer() -> None:
    page = (FOLDER / "index.html").read_text()
    assert "script-src 'self' 'wasm-unsafe-eval' EXPLORER_SCRIPT;" in page
    assert _module("build")._explorer_script().startswith("'sha256-")
    assert "http" not in page.replace("http-equiv", "")
