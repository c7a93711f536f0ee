"""``resdsl package``."""

from __future__ import annotations

from pathlib import Path

import click

from resdsl.analysis.quantities import size
from resdsl.cli.image_options import require_use
from resdsl.cli.options import command_options, network_options
from resdsl.cli.terminal import Terminal
from resdsl.cli.types import FiniteRange
from resdsl.compiler.models import Build, is_specification
from resdsl.compiler.options import CompileOptions
from resdsl.diagnostics import Diagnostics
from resdsl.specification.load import NetworkOptions
from resdsl.tools.package.options import NAME, Accelerator, Platform, Serving
from resdsl.tools.package.package import Packaged, package
from resdsl.tools.package.render import service_name
from resdsl.untrusted import MOST_INT, printable


def _name(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not NAME.fullmatch(value):
        raise click.BadParameter(f"'{value}' is not letters, digits, '_', '.' and '-', at most 63", ctx, option)
    return value


def _replicas(ctx: click.Context, option: click.Parameter, value: str) -> tuple[int, int]:
    least, dash, most = value.partition("-")
    if not least.isdecimal() or len(value) > 11 or (dash and not most.isdecimal()):
        raise click.BadParameter(f"'{value}' is not of the form 1-4", ctx, option)
    ends = int(least), int(most or least)
    if not 0 <= ends[0] <= ends[1] or not 1 <= ends[1] <= 10_000:
        raise click.BadParameter(f"'{value}' is not a range within 0-10000", ctx, option)
    return ends


@click.command("package")
@click.argument("source", metavar="MODEL")
@click.option(
    "--for",
    "platform",
    type=click.Choice([str(one) for one in Platform]),
    required=True,
    help="triton: a model repository; kserve: one with the manifest of an InferenceService; docker: one with the build "
    "file of a container of `resdsl serve`.",
)
@click.option(
    "-o", "--output", metavar="DIR", required=True, help="The folder; models and versions can be added to it."
)
@click.option("--name", metavar="NAME", callback=_name, help="Name of the model in requests (default: the network's).")
@click.option(
    "--model-version", "version", metavar="N", type=click.IntRange(1, 2**31 - 1), default=1, help="Its version (1)."
)
@click.option(
    "--accelerator",
    type=click.Choice([str(one) for one in Accelerator]),
    default="auto",
    help="What runs it; auto: a GPU where the server has one (auto).",
)
@click.option("--instances", type=click.IntRange(1, 1024), default=1, help="Batches that run at the same time (1).")
@click.option(
    "--threads", type=click.IntRange(1, 4096), help="CPU threads of an instance (default: all of the server)."
)
@click.option("--max-batch", metavar="N", type=click.IntRange(1, 65536), default=32, help="Images in a batch (32).")
@click.option(
    "--max-delay",
    metavar="MS",
    type=FiniteRange(0, 60_000),
    default=2,
    help="Milliseconds that a request waits for others to run with (2).",
)
@click.option(
    "--storage", metavar="URI", help="kserve: where DIR/models is copied to, such as s3://bucket/models or pvc://claim."
)
@click.option(
    "--replicas",
    metavar="MIN-MAX",
    default="1-4",
    callback=_replicas,
    help="kserve: servers, at least and at most (1-4).",
)
@click.option(
    "--wheel",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="docker: wheel of resdsl to install (default: this version from the package index).",
)
@click.option("--weights", metavar="FILE", help="Checkpoint to compile a specification with.")
@click.option(
    "--seed", type=click.IntRange(0, MOST_INT), default=0, help="Seed of random weights of a specification (0)."
)
@click.option(
    "--embed-preprocess",
    is_flag=True,
    help="Compile a specification with its preprocessing: clients send pixels as bytes.",
)
@click.option("--check", is_flag=True, help="Validate the files with the published schemas before they are written.")
@click.option("--replace", is_flag=True, help="Write configurations and manifests anew that are in DIR already.")
@network_options
@command_options
def command(
    terminal: Terminal,
    source: str,
    platform: str,
    output: str,
    name: str | None,
    version: int,
    accelerator: str,
    instances: int,
    threads: int | None,
    max_batch: int,
    max_delay: float,
    storage: str | None,
    replicas: tuple[int, int],
    wheel: Path | None,
    weights: str | None,
    seed: int,
    embed_preprocess: bool,
    check: bool,
    replace: bool,
    network: NetworkOptions,
) -> None:
    """Write a folder from which Triton, KServe or a container of `resdsl serve` serves a model.

    MODEL is an ONNX file, or a specification, which is compiled. Comments in the files explain every field, and the
    files can be edited: another run adds models or versions, and keeps what is there.
    """
    options = CompileOptions(optimize=1, weights=weights, seed=seed, embed_preprocess=embed_preprocess)
    build = Build(options, network)
    require_use(source, build)
    if embed_preprocess and not is_specification(source):
        raise click.UsageError(f"--embed-preprocess applies to specifications, and {source} is compiled already")
    if platform == Platform.KSERVE and storage is None:
        raise click.UsageError("--for kserve needs --storage: the address that DIR/models will be copied to")
    if platform != Platform.DOCKER and wheel is not None:
        raise click.UsageError("--wheel is for docker: the other servers do not run resdsl")
    if platform == Platform.DOCKER and accelerator == Accelerator.TENSORRT:
        raise click.UsageError("--for docker takes --accelerator auto, cpu or cuda: its server has no TensorRT")
    if platform != Platform.KSERVE and storage is not None:
        raise click.UsageError("--storage is for kserve: Triton's own option --model-repository names the folder")
    serving = Serving(
        name=name,
        version=version,
        accelerator=Accelerator(accelerator),
        instances=instances,
        threads=threads,
        max_batch=max_batch,
        max_delay_ms=max_delay,
        storage=storage,
        replicas=replicas,
        wheel=wheel,
    )
    packaged = package(source, platform, output, serving=serving, build=build, check=check, replace=replace)
    terminal.report(
        Diagnostics(),
        name=packaged.name,
        version=packaged.version,
        files=[str(file) for file in packaged.files],
        kept=[str(file) for file in packaged.kept],
        bytes=packaged.bytes,
        checked=packaged.checked,
    )
    for line in _lines(packaged, Platform(platform), storage):
        terminal.say(line)


def _lines(packaged: Packaged, platform: Platform, storage: str | None) -> list[str]:
    folder = printable(str(packaged.folder), most=500)
    checked = ", valid by the published schemas" if packaged.checked else ""
    lines = [f"{printable(str(file), most=500)} is kept: --replace writes it anew" for file in packaged.kept]
    lines.append(
        f"{folder}: `{packaged.name}`, version {packaged.version}, {_files(len(packaged.files))}, "
        f"{size(packaged.bytes)}{checked}. Next: {_next(folder, packaged.name, platform, storage)}"
    )
    return lines


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _next(folder: str, name: str, platform: Platform, storage: str | None) -> str:
    if platform is Platform.KSERVE:
        return (
            f"copy {Path(folder, 'models')} to {storage}, then kubectl apply -f {Path(folder, 'inferenceservice.yaml')}"
        )
    if platform is Platform.DOCKER:
        return f"docker build -t {service_name(name)} {folder}"
    return f"tritonserver --model-repository {folder}"
