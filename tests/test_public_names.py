"""The names of the package: what type checkers read and what is loaded lazily are the same."""

import ast
from pathlib import Path

import pytest

import resdsl


def test_type_checkers_and_lazy_loading_know_the_same_names() -> None:
    tree = ast.parse(Path(resdsl.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        (node.module, alias.name) for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert imported == {(module, name) for module, names in resdsl._PUBLIC.items() for name in names}


@pytest.mark.parametrize("name", [name for names in resdsl._PUBLIC.values() for name in names])
def test_a_public_name_can_be_imported_and_is_documented(name: str) -> None:
    value = getattr(resdsl, name)
    assert value.__doc__
    assert name in dir(resdsl)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nosuch"):
        _ = resdsl.nosuch


def test_a_misspelt_option_of_compile_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="seeed"):
        resdsl.compile("resnet18", tmp_path / "m.onnx", seeed=1)
