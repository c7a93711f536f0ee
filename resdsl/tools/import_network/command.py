"""``resdsl import``."""

from __future__ import annotations

import click

from resdsl.analysis.quantities import short, size
from resdsl.cli.options import command_options, shape_value
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import Diagnostics
from resdsl.specification.load import STDIN
from resdsl.tools.import_network.import_network import import_network
from resdsl.tools.import_network.writing import ImportedNetwork
from resdsl.untrusted import MOST_INT, printable


@click.command("import")
@click.argument("model")
@click.option(
    "-o", "--output", metavar="FILE", help="Output file, or - for standard output (default: standard output)."
)
@click.option(
    "--weights-out", metavar="FILE", help="Also write the weights, under the names of the text, as .safetensors."
)
@click.option("--no-proof", is_flag=True, help="Do not run both models; write the text as it is.")
@click.option("--name", metavar="NAME", help="The name of the model in the text (default: that of the file).")
@click.option("--run-code", is_flag=True, help="Import and run the Python code that MODEL names.")
@click.option(
    "--input",
    "input_shape",
    metavar="SHAPE",
    callback=shape_value,
    help="The shape of the input, such as 'N,3,299,299': of an ONNX file sizes that it leaves open, of a PyTorch model "
    "all (default: what it seems to be made for).",
)
@click.option(
    "--seed",
    type=click.IntRange(0, MOST_INT),
    default=0,
    help="Seed of a PyTorch model's weights and of the proof (0).",
)
@command_options
def command(
    terminal: Terminal,
    model: str,
    output: str | None,
    weights_out: str | None,
    no_proof: bool,
    name: str | None,
    run_code: bool,
    input_shape: tuple[int | str, ...] | None,
    seed: int,
) -> None:
    """Write an ONNX file or a PyTorch model as a specification, and prove that both compute the same.

    MODEL is an ONNX file, or REV:path for a file as it was in a git revision; torchvision:NAME or timm:NAME; or with
    --run-code, package.module:function or file.py:Class, which makes a model without arguments. Operators that
    exporters spell out, blocks that repeat and the names of tensors are recovered. Then the text is compiled with the
    weights of the model and both run on the same random input: every output, and every inner value that both have,
    must be equal.

    --run-code imports the file of the model and runs it: use it for code that you trust. Nothing else is run.

    Nothing is written if the language cannot express the network, or if a value differs (exit status 1).
    """
    to_file = output is not None and output != STDIN
    if run_code:
        terminal.say(f"importing and running `{printable(model)}`")
    imported = import_network(
        model,
        output if to_file else None,
        weights_out=weights_out,
        proof=not no_proof,
        name=name,
        seed=seed,
        run_code=run_code,
        input_shape=input_shape,
    )
    if terminal.as_json:
        terminal.report(Diagnostics(), **_data(imported))
    elif not to_file:
        terminal.result(imported.text, verbatim=True)
    if to_file:
        terminal.say(f"{output}: {_size(imported)}")
    if imported.weights is not None:
        saved = imported.weights
        terminal.say(f"{saved.path}: {saved.tensors:,} tensors, {short(saved.values)} values, {size(saved.bytes)}")
    _say_names(terminal, imported)
    if imported.proof is not None and to_file and not terminal.as_json:
        terminal.result(str(imported.proof))
    else:
        terminal.say("not proved" if imported.proof is None else str(imported.proof))


def _say_names(terminal: Terminal, imported: ImportedNetwork) -> None:
    """Where the text has other tensors than the state dict of the module."""
    if imported.unused:
        terminal.say(f"not needed at inference, and not in the text: {_listed(imported.unused)}")
    if imported.renamed:
        terminal.say(f"not in the state dict under these names: {_listed(imported.renamed)}")


def _listed(names: tuple[str, ...]) -> str:
    first = ", ".join(f"`{printable(name)}`" for name in names[:_MOST_NAMES])
    return f"{first} and {len(names) - _MOST_NAMES:,} more tensors" if len(names) > _MOST_NAMES else first


_MOST_NAMES = 3


def _size(imported: ImportedNetwork) -> str:
    graph = imported.specification.graph
    lines = sum(1 for line in imported.text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return f"{lines:,} lines, {short(graph.parameter_count)} parameters"


def _data(imported: ImportedNetwork) -> dict[str, object]:
    proof, saved = imported.proof, imported.weights
    return {
        "output": None if imported.path is None else str(imported.path),
        "text": imported.text,
        "proof": None
        if proof is None
        else {
            "values": proof.values,
            "outputs": proof.outputs,
            "deviation": proof.deviation,
            "input": list(proof.shape),
            "drawn": proof.drawn,
        },
        "unused": list(imported.unused),
        "renamed": list(imported.renamed),
        "weights": None
        if saved is None
        else {"path": str(saved.path), "tensors": saved.tensors, "values": saved.values, "bytes": saved.bytes},
    }
