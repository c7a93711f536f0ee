"""``%load_ext resdsl``: cells in the language, ``%%res``."""

from __future__ import annotations

import argparse
import shlex
from typing import Any, NoReturn

from resdsl.diagnostics import Source
from resdsl.specification.load import load
from resdsl.tools.notebook.notebook import error_card
from resdsl.untrusted import bounded_int


def register(shell: Any) -> None:
    """Add the magic ``%%res`` to a running IPython."""

    def res(line: str, cell: str) -> None:
        _run(shell, line, cell)

    res.__doc__ = _parser().format_help()
    shell.register_magic_function(res, "cell", "res")


class _Parser(argparse.ArgumentParser):
    """Raises instead of ending the kernel."""

    def error(self, message: str) -> NoReturn:
        from IPython.core.error import UsageError

        raise UsageError(f"%%res: {message}")


def _parser() -> _Parser:
    parser = _Parser(
        "%%res",
        description="Check the network in the cell: show its picture, or its errors.",
        add_help=False,
    )
    parser.add_argument("name", nargs="?", help="the variable that becomes the specification")
    parser.add_argument(
        "--set", dest="arguments", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the model"
    )
    parser.add_argument("--model", help="the model, if the cell has several")
    parser.add_argument("--input", dest="shape", metavar="SHAPE", help="replaces the input shape: N,3,H,W")
    parser.add_argument("--check", action="store_true", help="show errors and warnings only")
    return parser


def _run(shell: Any, line: str, cell: str) -> None:
    from IPython.display import display

    parser = _parser()
    given = parser.parse_args(shlex.split(line))
    if given.name is not None and not given.name.isidentifier():
        parser.error(f"'{given.name}' is not the name of a variable")
    specification = load(
        Source("<cell>", cell),
        set=dict(_argument(parser, one) for one in given.arguments),
        model=given.model,
        input_shape=_shape(parser, given.shape),
    )
    diagnostics = specification.check()
    if diagnostics:
        display(error_card(diagnostics), raw=True)  # type: ignore[no-untyped-call]
    if given.name and not diagnostics.errors:
        shell.user_ns[given.name] = specification
    # Of blocks, or of several models, there is no one picture. Of a network whose totals are not as expected, there is.
    shown = specification.unexpected_graph is not None or not diagnostics.errors
    if shown and not given.check and (given.model or len(specification.models) == 1):
        display(specification.as_built())  # type: ignore[no-untyped-call]


def _argument(parser: _Parser, given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals or not name.strip():
        parser.error(f"--set takes NAME=VALUE, such as classes=10, and not '{given}'")
    return name.strip(), value.strip()


def _shape(parser: _Parser, given: str | None) -> tuple[int | str, ...] | None:
    if given is None:
        return None
    sizes: list[int | str] = []
    for text in given.split(","):
        size = bounded_int(text.strip())
        if size is None and not text.strip().isidentifier():
            parser.error(f"--input takes a shape such as N,3,H,W, and not '{given}'")
        sizes.append(text.strip() if size is None else size)
    return tuple(sizes)
