"""The command-line program: its commands, its help page and its exit status."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

import click

from resdsl.cli.exits import BROKEN_PIPE, INTERRUPTED, USAGE
from resdsl.cli.terminal import colored
from resdsl.version import __version__

EXAMPLE = """\
  resdsl compile resnet50 -o model.onnx       compile a built-in network, with random weights
  resdsl predict model.onnx photo.jpg         classify an image
  resdsl check my.res                         report every error in your own file"""


_LONGEST_MESSAGE = 2_000


class Entry(NamedTuple):
    """A command on the help page. ``resdsl.tools.NAME.command`` is imported when the command is called.

    ``tool`` is the name of the folder where that of the command is a keyword of Python.
    """

    group: str
    line: str
    tool: str = ""

    def module(self, name: str) -> str:
        """The module of the command ``name``."""
        return f"resdsl.tools.{self.tool or name}.command"


COMMANDS: dict[str, Entry] = {
    "check": Entry("Write and review", "report every error in specifications"),
    "fmt": Entry("Write and review", "format specifications"),
    "summary": Entry("Write and review", "show layers, output shapes, parameters and MACs of a network"),
    "draw": Entry("Write and review", "draw networks as SVG, PNG, PDF, Mermaid or Graphviz"),
    "view": Entry("Write and review", "explore one network, or two side by side, in the browser"),
    "diff": Entry("Write and review", "compare two networks: layers, costs, and whether old weights still load"),
    "verify": Entry("Write and review", "verify that a PyTorch model or an ONNX file is what a specification says"),
    "git": Entry("Write and review", "make git show layers and reviews of specifications"),
    "specs": Entry("Write and review", "list the built-in networks, or print one"),
    "lsp": Entry("Write and review", "run the language server, for editors"),
    "explain": Entry("Write and review", "explain an error code such as E0301, with an example and its fix"),
    "operators": Entry("Write and review", "list the operators of the language and their arguments"),
    "compile": Entry("Build", "compile a specification to an ONNX file"),
    "import": Entry("Build", "write an ONNX file or a PyTorch model as a specification", "import_network"),
    "export": Entry("Build", "write a network as PyTorch source code"),
    "train": Entry("Build", "train a network on labelled images"),
    "quantize": Entry("Build", "convert a model to int8 and report the accuracy cost"),
    "weights": Entry("Build", "convert the weights of a model or checkpoint to .safetensors"),
    "tensors": Entry("Build", "list the tensors of a network, a model or a checkpoint"),
    "package": Entry("Build", "write a folder from which Triton, KServe or a container serves a model"),
    "predict": Entry("Run", "classify images, or extract features"),
    "embed": Entry("Run", "write an embedding of each image: the values of a layer"),
    "evaluate": Entry("Run", "measure accuracy (top-1, top-5) and the confusion matrix of a model"),
    "bench": Entry("Run", "measure latency, throughput and memory of models; profile their layers"),
    "compare": Entry("Run", "compare the values of two models and find the first divergence"),
    "serve": Entry("Run", "serve models over HTTP and gRPC, with dynamic batching"),
    "doctor": Entry("Run", "check ONNX Runtime, devices and libraries, with fixes for problems"),
}
"""Every command, one line each. This is the only place that names them and describes them in one line."""


class App(click.Group):
    """Imports the module of a command only when that command is called, so ``check`` never imports ``predict``."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the program and end with its exit status, which is the result if not ``standalone_mode``."""
        given = list(sys.argv[1:] if args is None else args)
        _escape_surrogates()
        try:
            status = super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except click.ClickException as error:
            _show_usage_error(error, as_json="--json" in given)
            status = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            # On a line of its own: the terminal shows ^C where the cursor is.
            print(file=sys.stderr)
            status = INTERRUPTED
        except BrokenPipeError:
            # The reader of our output has had enough. Python would report another error when it flushes at exit.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = BROKEN_PIPE
        except OSError as error:
            _show_error(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
            status = USAGE
        status = status if isinstance(status, int) else 0
        if standalone_mode:
            sys.exit(status)
        return status

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name].module(cmd_name)).command
        assert isinstance(command, click.Command)
        command.short_help = COMMANDS[cmd_name].line
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise click.UsageError(_unknown_command(name), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        from resdsl.inputs import one_run  # the help page needs none of what it imports

        try:
            with one_run():
                return super().invoke(ctx)
        except BrokenPipeError:
            # click would exit with 1, which means an error in the input.
            raise click.exceptions.Exit(BROKEN_PIPE) from None

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write("\n".join(_help_lines(colored(sys.stdout))) + "\n")


def _escape_surrogates() -> None:
    """Let every text be printed: a file's name may have bytes that are not UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _show_usage_error(error: click.ClickException, *, as_json: bool) -> None:
    message = error.format_message()
    if as_json:
        from resdsl.cli.terminal import Terminal
        from resdsl.diagnostics import Diagnostic, Diagnostics, catalogue

        diagnostics = Diagnostics()
        diagnostics.report(Diagnostic(catalogue.COMMAND_LINE, message))
        Terminal(as_json=True).report(diagnostics)
        return
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        help_option = f"'{context.command_path} --help'"
        print(f"{context.get_usage()}\nTry {help_option} for help.\n", file=sys.stderr)
    _show_error(message, title="Error")


def _show_error(message: str, *, title: str = "error") -> None:
    from resdsl.untrusted import visible

    # It may quote an argument of any length.
    message = message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}..."
    print(f"{title}: {visible(message)}", file=sys.stderr)


def _unknown_command(name: str) -> str:
    from pathlib import Path  # only for an unknown command

    from resdsl.diagnostics.suggest import closest

    near = closest(name, COMMANDS)
    if near:
        return f"there is no command '{name}'. Did you mean '{near}'?"
    if name.endswith(".res") or Path(name).is_file():
        return f"there is no command '{name}'. Did you mean 'resdsl compile {name}'?"
    return f"there is no command '{name}'. The commands are {', '.join(COMMANDS)}."


def _help_lines(color: bool) -> Iterator[str]:
    def strong(text: str) -> str:
        return click.style(text, bold=True) if color else text

    def name(text: str) -> str:
        return click.style(text, fg="cyan") if color else text

    yield f"{strong('resdsl')}: convolutional networks as text: review them, check every shape, compile them to ONNX"
    yield ""
    yield EXAMPLE
    yield ""
    yield f"{strong('Usage:')} resdsl COMMAND [OPTIONS] ...   (`resdsl COMMAND --help` lists the options of a command)"
    for group in dict.fromkeys(entry.group for entry in COMMANDS.values()):
        yield ""
        yield strong(group)
        for command, entry in COMMANDS.items():
            if entry.group == group:
                yield f"  {name(command)}{' ' * (12 - len(command))}{entry.line}"
    yield ""
    yield strong("Options")
    yield f"  {name('--version')}   print the version"
    yield f"  {name('-h, --help')}  print this page"


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="resdsl")
def app() -> None:
    """Convolutional networks as text: review them, check every shape, compile them to ONNX."""


def main() -> NoReturn:
    """Run the program and exit with its status."""
    app.main(prog_name="resdsl")
    raise AssertionError("the program ends by SystemExit")
