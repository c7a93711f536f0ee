"""How operators are found: by the names of their files."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from resdsl import ops
from resdsl.ir.operator import Operator
from resdsl.ops import joins, operators
from resdsl.ops.join import Join


def _defined() -> Iterator[type[Operator]]:
    for file in pkgutil.iter_modules(ops.__path__):
        module = importlib.import_module(f"resdsl.ops.{file.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Operator) and value.__module__ == module.__name__:
                yield value


def test_every_operator_is_found_because_its_file_is_called_as_it_is() -> None:
    assert dict(operators()) == {operator.name: operator for operator in _defined() if operator.name}
    assert dict(joins()) == {join.join: join for join in _defined() if issubclass(join, Join) and join.join}
    assert list(operators()) == sorted(operators())


@pytest.mark.parametrize("name", ["signature", "join", "concat", "no_such_operator", "os", "__init__", "../conv"])
def test_what_is_no_operator_is_not_found(name: str) -> None:
    assert name not in operators()
    assert operators().get(name) is None


def test_only_operators_that_are_asked_for_are_imported() -> None:
    program = (
        "import sys; from resdsl.ops import operators; operators()['relu']; operators().get('relu7');"
        "print([name for name in ('conv', 'bn', 'relu') if f'resdsl.ops.{name}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['relu']"
