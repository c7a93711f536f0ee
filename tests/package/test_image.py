"""``resdsl package --for docker``: what is written builds nothing here, but what it says to run is run."""

from __future__ import annotations

import contextlib
import json
import platform
import re
import socket
import subprocess
import sys
import time
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from resdsl.cli.app import app

has_hadolint = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="hadolint is installed on one system"
)
NETWORK = """\
model net(classes = 3) {
  input image: f32[N, 3, 16, 16]
  preprocess { resize(20); crop(16); normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25]) }
  conv1: conv(4, 3x3);  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""


def run(folder: Path, *arguments: str | Path) -> Result:
    spec = folder / "net.res"
    spec.write_text(NETWORK)
    return CliRunner().invoke(app, ["package", str(spec), "--for", "docker", "-o", str(folder / "image"), *arguments])


def instructions(folder: Path) -> dict[str, str]:
    """The instructions of the build file, each of which is there once."""
    text = (folder / "image/Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    found = {name: value for name, value in lines if name != "COPY"}
    assert len(found) == sum(name != "COPY" for name, _ in lines)
    return found


@has_hadolint
def test_hadolint_finds_nothing_and_every_instruction_is_explained(tmp_path: Path) -> None:
    done = run(tmp_path, "--check")
    assert done.exit_code == 0, done.output
    blocks = (tmp_path / "image/Dockerfile").read_text().split("\n\n")
    explained = [block for block in blocks if not block.startswith("WORKDIR")]
    assert all(block.startswith("#") for block in explained)
    assert instructions(tmp_path)["USER"].split(":")[0] not in ("0", "root")
    copied = re.findall(r"^COPY (\S+)", (tmp_path / "image/Dockerfile").read_text(), re.MULTILINE)
    assert copied == ["requirements.txt", "models"] and all((tmp_path / "image" / one).exists() for one in copied)
    assert {f"!{one}" for one in copied} < set((tmp_path / "image/.dockerignore").read_text().split())


@has_hadolint
def test_a_build_file_that_someone_spoilt_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from resdsl.tools.package import package

    made = package.container_files

    def spoilt(*given: object) -> dict[str, str]:
        files = made(*given)  # type: ignore[arg-type]
        return files | {"Dockerfile": files["Dockerfile"] + "RUN cd /tmp && apt-get install curl\n"}

    monkeypatch.setattr(package, "container_files", spoilt)
    done = run(tmp_path, "--check")
    assert done.exit_code == 1 and "E0872" in done.output and not (tmp_path / "image").exists()


def test_every_library_is_pinned_to_what_is_installed(tmp_path: Path) -> None:
    assert run(tmp_path).exit_code == 0
    lines = [
        line for line in (tmp_path / "image/requirements.txt").read_text().splitlines() if not line.startswith("#")
    ]
    assert lines[0] == f"resdsl[serve]=={version('resdsl')}"
    pinned = dict(line.split("==") for line in lines[1:])
    assert all(version(name) == number for name, number in pinned.items())
    assert {"numpy", "starlette", "uvicorn", "tritonclient", "grpcio", "anyio"} <= set(pinned)
    for name in pinned:  # and what these need without an extra
        for text in requires(name) or []:
            if ";" not in text:
                needed = re.match(r"[A-Za-z0-9._-]+", text)
                assert needed and re.sub(r"[-_.]+", "-", needed[0]).lower() in pinned, (name, text)


@has_hadolint
def test_a_wheel_is_copied_and_installed(tmp_path: Path) -> None:
    wheel = tmp_path / "resdsl-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    assert run(tmp_path, "--wheel", wheel, "--check").exit_code == 0
    assert (tmp_path / "image/wheels" / wheel.name).read_bytes() == b"wheel"
    assert f"./wheels/{wheel.name}[serve]\n" in (tmp_path / "image/requirements.txt").read_text()
    assert "COPY wheels ./wheels" in (tmp_path / "image/Dockerfile").read_text()
    wheel = wheel.rename(tmp_path / "other-1.0-py3-none-any.whl")
    assert "no wheel of resdsl" in run(tmp_path, "--wheel", wheel, "--model-version", "2").output


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be asked to end there")
def test_the_command_of_the_image_serves_the_model_and_its_check_says_so(tmp_path: Path) -> None:
    options = ("--max-batch", "8", "--max-delay", "0.5", "--threads", "1", "--accelerator", "cpu")
    assert run(tmp_path, *options).exit_code == 0
    found = instructions(tmp_path)
    program, *start = json.loads(found["ENTRYPOINT"])
    assert program == "resdsl"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(tmp_path / "image/models") if one == "/srv/models" else one for one in json.loads(found["CMD"])]
    _, _, check = found["HEALTHCHECK"].partition("CMD ")
    probe = [word.replace(":8000/", f":{port}/") for word in json.loads(check)]
    process = subprocess.Popen(
        [sys.executable, "-m", program, *start, *command, "--port", str(port), "--grpc-port", "0"],
        stderr=subprocess.DEVNULL,
    )
    with contextlib.ExitStack() as ends:
        ends.callback(process.wait)
        ends.callback(process.kill)
        end = time.monotonic() + 60
        while subprocess.run([sys.executable, *probe[1:]], stderr=subprocess.DEVNULL, check=False).returncode:
            assert process.poll() is None and time.monotonic() < end
        process.terminate()
        assert process.wait(60) == 0
    assert subprocess.run([sys.executable, *probe[1:]], stderr=subprocess.DEVNULL, check=False).returncode


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--accelerator", "tensorrt"), "has no TensorRT"),
        (("--storage", "s3://models"), "--storage is for kserve"),
    ],
)
def test_options_of_other_platforms_are_usage_errors(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done = run(tmp_path, *options)
    assert done.exit_code == 2 and said in done.output and not (tmp_path / "image").exists()
