"""An error at the start is a diagnostic, and nothing listens."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from serving import NETWORK

import resdsl
from resdsl.cli.app import app
from resdsl.tools.serve.options import ServeOptions


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["serve", *map(str, arguments), "--grpc-port", "0", "--device", "cpu"])


def test_a_folder_without_models(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    done = run(tmp_path, "--port", "0")
    assert done.exit_code == 2 and "E0873" in done.output and "resdsl package" in done.output


def test_a_model_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"no model")
    done = run(tmp_path / "net.onnx", "--port", "0")
    assert done.exit_code == 1 and "error[E08" in done.output


def test_a_specification_with_errors(tmp_path: Path) -> None:
    (tmp_path / "net.res").write_text(NETWORK.replace("linear", "linaer"))
    done = run(tmp_path / "net.res", "--port", "0")
    assert done.exit_code == 1 and "linaer" in done.output


@pytest.mark.skipif(sys.platform == "win32", reason="ports are shared there")
def test_a_port_that_is_taken(model: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run(model, "--port", port)
        assert done.exit_code == 3 and "E0874" in done.output and str(port) in done.output
        done = CliRunner().invoke(app, ["serve", str(model), "--port", "0", "--grpc-port", str(port)])
        assert done.exit_code == 3 and "E0874" in done.output and "--grpc-port" in done.output


@pytest.mark.skipif(sys.platform == "win32", reason="files have no modes there")
def test_tokens_that_others_can_read_or_that_are_missing(model: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    assert run(model, "--port", "0", "--token-file", tokens).exit_code == 2
    tokens.write_text("\n")
    tokens.chmod(0o600)
    assert "no tokens" in run(model, "--port", "0", "--token-file", tokens).output
    tokens.write_text("secret\n")
    tokens.chmod(0o644)
    done = run(model, "--port", "0", "--token-file", tokens)
    assert done.exit_code == 2 and "E0875" in done.output and "chmod 600" in done.output


def test_a_certificate_that_is_none(model: Path, tmp_path: Path) -> None:
    (tmp_path / "pem").write_text("no certificate")
    assert run(model, "--port", "0", "--tls-cert", tmp_path / "pem").exit_code == 2
    done = run(model, "--port", "0", "--tls-cert", tmp_path / "pem", "--tls-key", tmp_path / "pem")
    assert done.exit_code == 2 and "E0875" in done.output


def test_without_the_libraries_the_extra_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    done = run(model, "--port", "0")
    assert done.exit_code == 3 and "resdsl[serve]" in done.output


@pytest.mark.parametrize("options", [{"port": -1}, {"max_batch": 0}, {"timeout": 0}, {"tls_key": Path("key")}])
def test_python_callers_are_told_what_is_out_of_range(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"is not from|needs both"):
        ServeOptions(**options)  # type: ignore[arg-type]


def test_names_are_public() -> None:
    assert resdsl.serve.__doc__ and resdsl.ServeOptions is ServeOptions
