"""``resdsl compile``."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click

from resdsl.analysis.quantities import short, size
from resdsl.cli.options import command_options, network_options
from resdsl.cli.progress import bar
from resdsl.cli.terminal import Terminal
from resdsl.cli.types import PRECISIONS
from resdsl.compiler.compile import Compiled, compile, prepare
from resdsl.compiler.lower import AfterPass
from resdsl.compiler.options import CompileOptions
from resdsl.diagnostics import CompileError
from resdsl.files import write_file
from resdsl.ir.graph import Graph
from resdsl.ir.operator import NEWEST_OPSET, OPSET
from resdsl.ir.print import print_graph
from resdsl.ir.types import DType
from resdsl.passes import PASSES
from resdsl.specification.load import NetworkOptions, load
from resdsl.specification.specification import Specification
from resdsl.specification.text import LARGEST_FILE, read_bounded
from resdsl.tools.compile.training_step import require_no_others, step_options, write_step
from resdsl.tools.compile.tree_text import tree_text
from resdsl.training.options import StepOptions
from resdsl.untrusted import visible
from resdsl.weights.checkpoint import Checkpoint
from resdsl.weights.initial import Scheme
from resdsl.weights.read import read_weights


def _renames(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    renames: dict[str, str] = {}
    for given in _from_files(ctx, option, values):
        old, equals, new = given.partition("=")
        if not equals or old in renames:
            reason = "is not of the form OLD=NEW, such as norm1=bn1" if not equals else "renames the same part twice"
            raise click.BadParameter(f"'{given}' {reason}", ctx, option)
        renames[old] = new
    return renames


def _from_files(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> Iterator[str]:
    """The values, with each ``@FILE`` replaced by the lines of that file."""
    for value in values:
        if not value.startswith("@"):
            yield value
            continue
        try:
            text = _renames_file(Path(value[1:]))
        except (OSError, ValueError) as error:
            reason = (error.strerror or error) if isinstance(error, OSError) else "it is not text"
            raise click.BadParameter(f"'{value[1:]}' cannot be read: {reason}", ctx, option) from None
        yield from (line for line in text.splitlines() if line.strip())


def _renames_file(path: Path) -> str:
    data = read_bounded(path, LARGEST_FILE)
    if len(data) > LARGEST_FILE:
        raise OSError(None, f"it has more than {LARGEST_FILE:,} bytes")
    return data.decode("utf-8")


@click.command("compile")
@click.argument("spec")
@click.option(
    "-o", "--output", metavar="FILE", help="Output file, or - for standard output (default: NAME_OF_SPEC.onnx)."
)
@click.option(
    "--emit",
    type=click.Choice(["onnx", "ir", "ast"]),
    default="onnx",
    help="Write the ONNX file (default), or the graph (ir) or syntax tree (ast) as text to standard output.",
)
@network_options
@click.option(
    "--weights",
    metavar="FILE",
    help="Load a checkpoint: .safetensors, .pth, .pt, .npz, .onnx, or an address (https://..., hf:OWNER/NAME). "
    "Tensors are matched by name. No code in the file is executed.",
)
@click.option("--partial", is_flag=True, help="Load the tensors that match; the others keep their initial values.")
@click.option(
    "--rename",
    "renames",
    metavar="OLD=NEW",
    multiple=True,
    callback=_renames,
    help="Rename a part of the tensor names in the checkpoint; @FILE reads one OLD=NEW per line. Repeatable.",
)
@click.option(
    "--ignore",
    metavar="PATTERN",
    multiple=True,
    help="Ignore tensors of the checkpoint, such as 'aux.*'; all others must match. Repeatable.",
)
@click.option("--aux", is_flag=True, help="Include the heads that only training needs (`aux`), as outputs.")
@click.option(
    "--init",
    type=click.Choice([str(scheme) for scheme in Scheme]),
    default="he_normal",
    help="Initialisation of weights that are not loaded (default: he_normal).",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    help="Random seed of the initialisation (default: 0). The same seed gives the same bytes.",
)
@click.option(
    "--keep-preprocess",
    is_flag=True,
    help="Keep the preprocessing and labels of SPEC if the weights come with others (timm's config.json).",
)
@click.option("--zero-init-residual", is_flag=True, help="Start every residual block as the identity.")
@click.option(
    "-O",
    "level",
    metavar="LEVEL",
    type=click.IntRange(0, 2),
    default=0,
    help="Optimisation level. 0 (default): the graph as written; 1: fold batch norms, merge pads, drop operators "
    "without effect; 2: also fold `scale` factors into weights.",
)
@click.option(
    "--print-ir-after", metavar="PASS", type=click.Choice(PASSES), help="Print the graph after a pass on stderr."
)
@click.option(
    "--opset",
    type=click.IntRange(OPSET, NEWEST_OPSET),
    default=OPSET,
    help=f"ONNX operator set (default: {OPSET}; up to {NEWEST_OPSET}).",
)
@click.option("--external-data", is_flag=True, help="Write weights to a separate file (always done above 2 GB).")
@click.option(
    "--embed-preprocess",
    is_flag=True,
    help="Include preprocessing in the model: it takes raw images (uint8, [N, height, width, 3]).",
)
@click.option(
    "--precision",
    type=click.Choice(list(PRECISIONS)),
    default="fp32",
    help="Type of weights and arithmetic (default: fp32); inputs and outputs stay fp32.",
)
@click.option(
    "--for-runtime",
    is_flag=True,
    help="Let ONNX Runtime optimise the model for the CPU of this machine: it loads faster, and runs only here.",
)
@click.option(
    "--train",
    is_flag=True,
    help="Write a training step: a model that computes the loss and new weights from images, targets and weights.",
)
@click.option(
    "--step",
    "step",
    metavar="NAME=VALUE",
    multiple=True,
    callback=step_options,
    help="With --train: an option of the step, such as optimizer=adamw, weight_decay=1e-4, label_smoothing=0.1, "
    "clip_norm=1, accumulate=4, precision=mixed or frozen='layer1.*'. Repeatable.",
)
@command_options
def command(
    terminal: Terminal,
    spec: str,
    output: str | None,
    emit: str,
    network: NetworkOptions,
    weights: str | None,
    partial: bool,
    renames: dict[str, str],
    ignore: tuple[str, ...],
    aux: bool,
    init: str,
    seed: int,
    keep_preprocess: bool,
    zero_init_residual: bool,
    level: int,
    print_ir_after: str | None,
    opset: int,
    external_data: bool,
    embed_preprocess: bool,
    precision: str,
    for_runtime: bool,
    train: bool,
    step: StepOptions | None,
) -> None:
    """Compile a specification to an ONNX file, for ONNX Runtime on CPU and CUDA.

    SPEC is a file, a built-in network (resnet50), REV:path for a file as it was in a git revision, or - for standard
    input. An ONNX file (.onnx) is written anew with its own weights, if the language has all its operators. The output
    file is written atomically: after an error, an existing file is unchanged.
    """
    specification = load(spec, **network)
    if train:
        require_no_others(click.get_current_context())
        written = write_step(specification, output or _default_output(spec), step or StepOptions())
        terminal.report(specification.diagnostics, **written.data)
        terminal.say(str(written))
        return
    if step is not None:
        raise click.UsageError("--step is an option of --train")
    options = CompileOptions(
        weights=weights,
        partial=partial,
        renames=renames,
        ignore=ignore,
        aux=aux,
        init=Scheme(init),
        seed=seed,
        zero_init_residual=zero_init_residual,
        optimize=level,
        opset=opset,
        keep_preprocess=keep_preprocess,
        external_data=external_data or None,
        embed_preprocess=embed_preprocess,
        precision=PRECISIONS[precision],
        for_runtime=for_runtime,
    )
    seen: set[str] = set()

    def after_pass(name: str, graph: Graph) -> None:
        seen.add(name)
        if name == print_ir_after:
            print(visible(print_graph(graph)), end="", file=sys.stderr)

    if emit != "onnx":
        _write_text(terminal, specification, emit, output, options, after_pass)
        _warn_if_skipped(terminal, print_ir_after, seen, level)
        return
    target = output or _default_output(spec)
    if target == "-" and terminal.as_json:
        raise click.UsageError("--json and the ONNX file cannot both go to standard output; name a file with -o")
    if target == "-" and sys.stdout.isatty():
        raise click.UsageError("an ONNX file cannot be shown on a terminal; name a file with -o, or use a pipe")
    show_progress = not terminal.quiet and not terminal.as_json
    with ExitStack() as files, bar(f"writing {target}", wanted=show_progress) as progress:
        compiled = compile(
            specification,
            sys.stdout.buffer if target == "-" else target,
            replace(options, weights=_opened(weights, files, show_progress=show_progress)),
            progress=progress,
            after_pass=after_pass,
        )
    terminal.report(compiled.diagnostics, **_data(compiled))
    _warn_if_skipped(terminal, print_ir_after, seen, level)
    terminal.say(_line(target, compiled, init, seed))
    if for_runtime:
        terminal.say(f"{target} runs only on this machine with this version of ONNX Runtime")


def _warn_if_skipped(terminal: Terminal, print_ir_after: str | None, seen: set[str], level: int) -> None:
    if print_ir_after is not None and print_ir_after not in seen:
        terminal.say(f"the pass {print_ir_after} does not run at -O{level}")


def _opened(weights: str | None, files: ExitStack, *, show_progress: bool) -> Checkpoint | None:
    """The checkpoint, which ``files`` closes. A progress bar shows the download."""
    if weights is None:
        return None
    with bar(f"downloading {weights}", wanted=show_progress) as progress:
        return files.enter_context(read_weights(weights, progress=progress))


def _default_output(spec: str) -> str:
    return "model.onnx" if spec == "-" else f"{Path(spec).stem}.onnx"


def _write_text(
    terminal: Terminal,
    specification: Specification,
    emit: str,
    output: str | None,
    options: CompileOptions,
    after_pass: AfterPass,
) -> None:
    diagnostics = specification.diagnostics
    if emit == "ast":
        text = tree_text(specification.module)
        if diagnostics.errors:
            raise CompileError(diagnostics)
    else:
        with ExitStack() as files:
            text = print_graph(prepare(specification, options, files, after_pass).lowered)
    if output in (None, "-"):
        terminal.result(text)
    else:
        write_file(Path(str(output)), text.encode())
    terminal.show(diagnostics)


def _line(target: str, compiled: Compiled, init: str, seed: int) -> str:
    """The result in one line, and the next command to try."""
    varies = not isinstance(compiled.macs, int)
    symbols = ", ".join(symbol for symbol in compiled.graph.symbols[1:])
    macs = f"MACs vary with {symbols}" if varies else f"{short(compiled.macs)} MACs"
    facts = (
        f"{short(compiled.parameters)} parameters, {macs}, {size(compiled.bytes)}, compiled in {compiled.seconds:.1f} s"
    )
    beside = f" (weights in {compiled.data_path.name})" if compiled.data_path else ""
    return f"{target}{beside}: {facts}; {_weights(compiled, init, seed)}. Next: {_next(target, compiled)}"


def _weights(compiled: Compiled, init: str, seed: int) -> str:
    """The origin of the weights."""
    drawn = "all zero" if init == "zeros" else f"{init.replace('he_', 'He ').replace('_', ' ')}, seed {seed}"
    if compiled.match is None:
        return f"random weights ({drawn})"
    rest = f"; the other {compiled.random} tensors are random ({drawn})" if compiled.random else ""
    return f"{compiled.match}{_adopted(compiled)}{rest}"


def _adopted(compiled: Compiled) -> str:
    """The preprocessing and labels of a checkpoint that replace those of the specification."""
    adopted = compiled.adopted
    parts = []
    if adopted.preprocess is not None:
        parts.append(f"its preprocessing ({adopted.preprocess})")
    if adopted.labels is not None:
        parts.append("its labels")
    return f", with {' and '.join(parts)}" if parts else ""


def _next(target: str, compiled: Compiled) -> str:
    takes_images = compiled.graph.preprocess is not None or compiled.graph.input.type.dtype is DType.U8
    if not takes_images:
        return f"resdsl weights {target} -o weights.safetensors"
    return f"resdsl predict {target} photo.jpg"


def _data(compiled: Compiled) -> dict[str, object]:
    return {
        "output": os.fspath(compiled.path) if compiled.path else None,
        "data": os.fspath(compiled.data_path) if compiled.data_path else None,
        "parameters": compiled.parameters,
        "macs": compiled.macs if isinstance(compiled.macs, int) else str(compiled.macs),
        "bytes": compiled.bytes,
        "seconds": round(compiled.seconds, 3),
        "tensors": compiled.tensors,
        "random": compiled.random,
        "adopted": {
            "preprocess": compiled.adopted.preprocess.to_data() if compiled.adopted.preprocess else None,
            "labels": list(compiled.adopted.labels) if compiled.adopted.labels else None,
        },
        "match": dataclasses.asdict(compiled.match) if compiled.match else None,
    }
