"""The recipe for conda has the dependencies of the package."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

import resdsl

ROOT = Path(__file__).parents[2]
RECIPE = yaml.safe_load((ROOT / ".github" / "conda" / "recipe.yaml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_recipe_has_the_version_and_the_license_of_the_package() -> None:
    assert RECIPE["context"]["version"] == resdsl.__version__
    assert RECIPE["about"]["license"] == PROJECT["license"]


def test_the_recipe_has_the_dependencies_of_the_package() -> None:
    # onnxruntime is two packages on PyPI, of which each machine takes one, and one on conda-forge.
    stated = {
        one.partition(";")[0].strip().replace("onnxruntime-gpu", "onnxruntime") for one in PROJECT["dependencies"]
    }
    stated.add(f"python{PROJECT['requires-python']}")
    assert {one.replace(" ", "") for one in RECIPE["requirements"]["run"]} == stated


def test_the_recipe_has_the_commands_of_the_package() -> None:
    commands = {f"{name} = {target}" for name, target in PROJECT["scripts"].items()}
    assert set(RECIPE["build"]["python"]["entry_points"]) == commands
