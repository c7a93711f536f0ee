"""``resdsl check``."""

from __future__ import annotations

import click

from resdsl.cli.exits import status_of
from resdsl.cli.options import source_of, speaking, specification_files, specification_options
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import CompileError, Diagnostics
from resdsl.driver.specification import load
from resdsl.elaborate import Limits


@click.command("check", short_help="say everything that is wrong with specifications")
@click.argument("paths", metavar="SPEC...", nargs=-1, required=True)
@specification_options
@speaking
def command(
    terminal: Terminal,
    paths: tuple[str, ...],
    model: str | None,
    arguments: dict[str, object],
    input_shape: tuple[int | str, ...] | None,
    limits: Limits,
) -> int:
    """Say everything that is wrong with specifications.

    SPEC is a file, a folder (all .res files in it), a network that resdsl brings along (resnet50), or - for standard
    input. Every model in it is built, without its weights: names, arguments, shapes and claims (`expect`) are checked.

    \b
    A small specification:
      model tiny {
        input image: f32[N, 3, 32, 32]
        conv1: conv(16, 3x3);  bn1: bn;  relu
        avgpool(global);  flatten
        fc: linear(10)
        output logits
      }
    """  # noqa: D301  click's mark for text that it leaves as it is
    found = Diagnostics()
    for path in specification_files(paths):
        try:
            specification = load(source_of(path), model=model, set=arguments, input_shape=input_shape, limits=limits)
            found.extend(specification.check())
        except CompileError as error:
            found.extend(error.diagnostics)
    terminal.report(found)
    if not found.errors:
        terminal.say("fine")
    return status_of(found)
