"""Shared by commands: error handling, and options that several commands have."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import Diagnostics, ResdslError
from resdsl.diagnostics.suggest import closest
from resdsl.elaborate.limits import DEEPEST, Limits
from resdsl.untrusted import bounded_int, printable

Function = TypeVar("Function", bound=Callable[..., Any])

_LIMITS = tuple(field.name for field in dataclasses.fields(Limits) if field.name != "outside")
_DIGITS = 15


def command_options(function: Callable[..., int | None]) -> Callable[..., None]:
    """``--json``, ``--quiet`` and ``--color``, for every command.

    The command gets a ``Terminal`` first and returns its exit status; an error that ends it is reported.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print results and diagnostics as JSON on stdout.")
    @click.option("-q", "--quiet", is_flag=True, help="Print nothing but results and errors.")
    @click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        help="When to use colours; auto: on a terminal (NO_COLOR and FORCE_COLOR are respected).",
    )
    @click.pass_context
    @wraps(function)
    def command(ctx: click.Context, /, color: str, quiet: bool, as_json: bool, **arguments: Any) -> None:
        terminal = Terminal(color, quiet, as_json)
        try:
            status = function(terminal, **arguments)
        except ResdslError as error:
            terminal.report(error.diagnostics)
            status = error.exit_status
        ctx.exit(status or 0)

    return command


def limit_option(function: Function) -> Function:
    """``--limit``: the command gets the changed limits as ``raised``."""
    return click.option(
        "--limit",
        "raised",
        metavar="NAME=NUMBER",
        multiple=True,
        callback=_limits,
        help=f"Change a limit on the size of a specification: {', '.join(_LIMITS)}. Repeatable.",
    )(function)


def network_options(function: Function) -> Function:
    """``--model``, ``--set``, ``--input``, ``--limit`` and ``--allow-outside``, which select and configure a network.

    The command gets them as one ``network: NetworkOptions``.
    """
    decorators = (
        click.option("--model", metavar="NAME", help="The model to use, if the file has several."),
        click.option(
            "--set",
            "arguments",
            metavar="NAME=VALUE",
            multiple=True,
            callback=_arguments,
            help="Set a parameter of the model, such as classes=10. Repeatable.",
        ),
        click.option(
            "--input",
            "input_shape",
            metavar="SHAPE",
            callback=shape_value,
            help="Replace the input shape, such as 'N,3,H,W' or '1,3,320,320'.",
        ),
        limit_option,
        click.option(
            "--allow-outside", is_flag=True, help="Allow `use` and `labels` to read files outside the folder of SPEC."
        ),
    )

    @wraps(function)
    def command(
        *given: Any,
        model: str | None,
        arguments: dict[str, object],
        input_shape: tuple[int | str, ...] | None,
        raised: dict[str, int],
        allow_outside: bool,
        **others: Any,
    ) -> Any:
        from resdsl.specification.load import NetworkOptions  # `explain` reads no network

        limits = Limits(**raised, outside=allow_outside)
        network = NetworkOptions(model=model, set=arguments, input_shape=input_shape, limits=limits)
        return function(*given, network=network, **others)

    decorated: Any = command
    for decorator in reversed(decorators):
        decorated = decorator(decorated)
    return cast("Function", decorated)


def require_one_stdin(networks: Iterable[str | None]) -> None:
    """Raise a usage error if more than one network is standard input."""
    if sum(network == "-" for network in networks) > 1:
        raise click.UsageError("only one of the networks can be standard input")


def specification_files(paths: Iterable[str]) -> list[str]:
    """The paths, with each folder replaced by all ``.res`` files below it in alphabetical order."""
    files: list[str] = []
    for path in paths:
        # The empty path is the current folder, but an empty argument is an unset variable.
        if path in ("", "-") or not _is_folder(path):
            files.append(path)
            continue
        inside = sorted(str(file) for file in Path(path).rglob("*.res"))
        if not inside:
            raise click.UsageError(f"there is no .res file in the folder '{path}'")
        files += inside
    return files


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False  # reading it reports the reason


def _arguments(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, object]:
    if not values:
        return {}
    from resdsl.elaborate import parse_value  # only for --set

    arguments: dict[str, object] = {}
    for given in values:
        name, equals, text = (part.strip() for part in given.partition("="))
        if not equals or not name.isidentifier() or not text:
            raise click.BadParameter(f"'{given}' is not of the form NAME=VALUE, such as classes=10", ctx, option)
        if name in arguments:
            raise click.BadParameter(f"'{name}' is set twice", ctx, option)
        problems = Diagnostics()
        if parse_value(text, problems) is None:
            raise click.BadParameter(f"'{text}' is not a valid value: {_first(problems)}", ctx, option)
        arguments[name] = text
    return arguments


def _limits(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    changed: dict[str, int] = {}
    for given in values:
        name, _, text = (part.strip() for part in given.partition("="))
        number = text.replace("_", "")
        if name not in _LIMITS:
            near = closest(name, _LIMITS)
            known = f"Did you mean '{near}'?" if near else f"The limits are {', '.join(_LIMITS)}."
            raise click.BadParameter(f"there is no limit '{name}'. {known}", ctx, option)
        if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS and int(number) > 0):
            raise click.BadParameter(f"'{given}' is not of the form {name}=NUMBER, such as {name}=5000", ctx, option)
        if name == "depth" and int(number) > DEEPEST:
            raise click.BadParameter(f"depth can be at most {DEEPEST:,}, not {int(number):,}", ctx, option)
        changed[name] = int(number)
    return changed


def _first(problems: Diagnostics) -> str:
    return problems.errors[0].message if problems.errors else "it contains more than one"


def shape_value(ctx: click.Context, option: click.Parameter, value: str | None) -> tuple[int | str, ...] | None:
    """The shape that ``--input`` states."""
    if value is None:
        return None
    dims: list[int | str] = []
    for part in value.strip().removeprefix("[").removesuffix("]").split(","):
        size = part.strip()
        number = bounded_int(size, least=1)
        if number is not None:
            dims.append(number)
        elif size.isascii() and size.isidentifier() and size[0].isupper():
            dims.append(size)
        else:
            raise click.BadParameter(
                f"'{printable(size)}' is neither a positive integer nor a symbolic size, which begins with a capital "
                "letter; write the shape as 'N,3,224,224' or 'N,3,H,W'",
                ctx,
                option,
            )
    return tuple(dims)
