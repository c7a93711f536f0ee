"""What commands import: it delays every run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import resdsl

SPECS = Path(resdsl.__file__).parent.parent / "specs"
NET, OTHER = str(SPECS / "resnet152.res"), str(SPECS / "resnet101.res")

PROGRAM = """
import json, sys
from resdsl.cli.app import main
try:
    main()
finally:
    print("\\n" + json.dumps(sorted(sys.modules)))
"""

READS = {"cli", "diagnostics", "elaborate", "inputs", "tools", "untrusted", "version"}
PARSES = {*READS, "gc_pause", "specification", "syntax"}
BUILDS = {*PARSES, "analysis", "ir", "labels", "ops"}


def loaded(*arguments: str) -> list[str]:
    """All modules that are loaded when a command ends."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False, input=""
    )
    assert not done.stderr.startswith("Traceback"), done.stderr
    modules: list[str] = json.loads(done.stdout.splitlines()[-1])
    return modules


def others(modules: list[str]) -> set[str]:
    """Packages of others, less what an environment loads at every start of Python."""
    idle = subprocess.run(
        [sys.executable, "-c", "import json, sys; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    known = {*sys.stdlib_module_names, *json.loads(idle.stdout), "resdsl"}
    return {name.partition(".")[0] for name in modules} - known


def parts(modules: list[str]) -> set[str]:
    """The parts of resdsl that were loaded."""
    return {name.split(".")[1] for name in modules if name.startswith("resdsl.")}


def inside(modules: list[str], part: str) -> set[str]:
    """The modules of one part of resdsl."""
    return {name.removeprefix(f"resdsl.{part}.") for name in modules if name.startswith(f"resdsl.{part}.")}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--version"], {"cli", "untrusted", "version"}),
        (["--help"], {"cli", "untrusted", "version"}),
        (["explain", "E0301"], READS),
        (["operators"], {*READS, "ir", "ops"}),
        (["fmt", "--check", NET], PARSES),
        (["check", NET], BUILDS),
        (["summary", NET], BUILDS),
        (["specs"], BUILDS),
        (["diff", OTHER, NET], {*BUILDS, "files", "review", "weights"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_loads_the_parts_that_it_needs_and_no_other_package_but_click_and_lark(
    arguments: list[str], expected: set[str]
) -> None:
    modules = loaded(*arguments)
    # Lark where something is parsed; nothing that draws, computes or runs networks.
    assert others(modules) == ({"click", "lark"} if "syntax" in expected else {"click"})
    assert parts(modules) == expected


@pytest.mark.parametrize("arguments", [["explain", "E0301"], ["operators"]])
def test_commands_that_read_no_network_load_only_the_limits_of_the_elaborator(arguments: list[str]) -> None:
    assert inside(loaded(*arguments), "elaborate") == {"limits"}


def test_formatting_loads_only_how_files_are_read_of_the_elaborator() -> None:
    assert inside(loaded("fmt", "--check", NET), "elaborate") == {"allowances", "limits", "program"}


def test_a_check_loads_neither_other_operators_nor_explanations_of_errors() -> None:
    modules = loaded("check", NET)
    assert {"conv", "bn", "relu"} <= inside(modules, "ops")
    assert inside(modules, "ops").isdisjoint({"upsample", "channel_shuffle", "lrn", "gelu"})
    assert {name for name in inside(modules, "syntax") if name.startswith("errors.")} == {"errors.semantic"}
    assert inside(modules, "cli") == {"app", "exits", "flags", "options", "terminal"}
    assert inside(modules, "tools") == {"check", "check.command"}


def test_an_error_is_reported_without_other_packages(tmp_path: Path) -> None:
    (tmp_path / "net.res").write_text("model m {\n  conv(64 3x3)\n}\n", encoding="utf-8")
    modules = loaded("check", str(tmp_path / "net.res"))
    assert others(modules) == {"click", "lark"}
    assert {"render"} <= inside(modules, "diagnostics")
