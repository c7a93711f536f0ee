"""``resdsl view``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
import webbrowser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from reading import Page, leaves

from resdsl.cli.app import app

TINY = "model net { input x: f32[N, 3, 8, 8]; conv1: conv(4, 3x3); relu; output y }\n"


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["view", *arguments], input=text)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was asked for."""
    found: list[str] = []
    monkeypatch.setenv("BROWSER", "a-browser")
    monkeypatch.setattr(webbrowser, "open", lambda url: found.append(url) or True)
    return found


def test_a_page_is_written_and_nothing_is_opened(tmp_path: Path, opened: list[str]) -> None:
    path = tmp_path / "page.html"
    result = run("resnet18", "-o", str(path))
    assert result.exit_code == 0
    assert result.stdout == ""
    assert f"wrote {path}" in result.stderr
    assert Page(path.read_text()).data["networks"][0]["name"] == "resnet18"
    assert opened == []


def test_without_a_file_the_browser_opens_one(opened: list[str]) -> None:
    result = run("resnet18")
    assert result.exit_code == 0
    (url,) = opened
    assert url.startswith("file:///")
    assert url.endswith("/resnet18.html")
    assert Page(Path(url.removeprefix("file://")).read_text()).data["networks"][0]["name"] == "resnet18"


def test_without_a_browser_the_address_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    result = run("resnet18")
    assert result.exit_code == 0
    assert "there is no browser here; open file:///" in result.stderr


def test_quiet_prints_the_path_of_the_page(opened: list[str]) -> None:
    result = run("resnet18", "--quiet", "--no-open")
    assert Page(Path(result.stdout.strip()).read_text()).data["networks"][0]["name"] == "resnet18"
    assert (result.stderr, opened) == ("", [])


def test_a_page_is_not_called_like_a_picture(tmp_path: Path) -> None:
    result = run("resnet18", "-o", str(tmp_path / "net.svg"))
    assert result.exit_code == 2
    assert "`resdsl draw` makes" in result.stderr
    assert not list(tmp_path.iterdir())


def test_standard_input_and_output_will_do(opened: list[str]) -> None:
    result = run("-", "-o", "-", text=TINY)
    assert Page(result.stdout).data["networks"][0]["source"] == "<stdin>"
    assert opened == []


def test_two_networks_are_compared(tmp_path: Path) -> None:
    (tmp_path / "new.res").write_text(TINY.replace("conv(4", "conv(5"))
    result = run("-", str(tmp_path / "new.res"), "-o", "-", text=TINY)
    data = Page(result.stdout).data
    assert [network["name"] for network in data["networks"]] == ["net", "net"]
    assert data["comparison"]["marks"][1][0] == [1, 1, "changed"]


def test_options_of_the_network_count() -> None:
    result = run("resnet18", "--set", "classes=10", "--input", "N,3,64,64", "-o", "-")
    network = Page(result.stdout).data["networks"][0]
    shapes = [network["types"][piece["type"]]["shape"] for _, piece in leaves(network)]
    assert (shapes[0], shapes[-1]) == (["N", "3", "64", "64"], ["N", "10"])


def test_errors_are_reported_and_no_page_is_written(tmp_path: Path, opened: list[str]) -> None:
    (tmp_path / "net.res").write_text(TINY.replace("conv(4", "cnv(4"))
    path = tmp_path / "page.html"
    result = run(str(tmp_path / "net.res"), "-o", str(path))
    assert result.exit_code == 1
    assert "did you mean `conv`" in result.stderr
    assert not path.exists()
    assert opened == []


def test_the_way_to_the_page_is_data(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert json.loads(run("resnet18", "-o", str(path), "--json").stdout)["page"] == str(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-", "--serve"), "standard input is not a file"),
        (("resnet18", "--serve", "-o", "a.html"), "choose one"),
        (("-", "-"), "only one of the networks"),
        (("resnet18", "--serve", "99999"), "99999"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments, text=TINY)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_file_that_is_not_there_is_not_served() -> None:
    result = run("nowhere.res", "--serve", "--no-open")
    assert result.exit_code == 2
    assert "there is no file `nowhere.res`" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing there")
def test_serving_ends_with_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "net.res").write_text(TINY)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "resdsl", "view", "net.res", "--serve", "--no-open", "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        url = json.loads("".join(process.stdout.readline() for _ in range(3)))["url"]
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert "<h1" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()
