"""``resdsl serve``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from resdsl.cli.device_options import device_options
from resdsl.cli.image_options import require_use
from resdsl.cli.options import command_options, network_options
from resdsl.cli.terminal import Terminal
from resdsl.cli.types import FiniteRange
from resdsl.compiler.models import Build
from resdsl.compiler.options import INFERENCE
from resdsl.runtime.device import DeviceOptions
from resdsl.specification.load import NetworkOptions
from resdsl.tools.serve.options import LogFormat, ServeOptions
from resdsl.tools.serve.serve import Address, serve

_FILE = click.Path(path_type=Path)


@click.command("serve")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", help="Address to listen on (127.0.0.1: this machine only).")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="Port for HTTP (8000; 0: any free one).")
@click.option("--grpc-port", type=click.IntRange(0, 65535), default=8001, help="Port for gRPC (8001; 0: any free one).")
@click.option("--no-grpc", is_flag=True, help="Serve HTTP only.")
@click.option("--max-batch", metavar="N", type=click.IntRange(1, 65536), default=32, help="Rows in a batch (32).")
@click.option(
    "--max-delay",
    metavar="MS",
    type=FiniteRange(0, 60_000),
    help="Milliseconds that a request waits for others to run with (GPU: 2, CPU: 0).",
)
@click.option(
    "--instances",
    type=click.IntRange(1, 1024),
    help="Batches that run at the same time, on --threads each (default: one on a GPU, one on each core of a CPU).",
)
@click.option(
    "--versions", metavar="N", type=click.IntRange(1, 1024), default=1, help="Newest versions of a model to serve (1)."
)
@click.option(
    "--poll", metavar="SECONDS", type=FiniteRange(0, 86_400), default=1, help="Look for new versions this often (1)."
)
@click.option(
    "--max-body",
    metavar="BYTES",
    type=click.IntRange(1024, 2**31 - 1),
    default=32 * 2**20,
    help="Of a request (32 MiB).",
)
@click.option(
    "--max-pixels", type=click.IntRange(1), default=50_000_000, help="Reject larger images (50_000_000 pixels)."
)
@click.option(
    "--max-queue",
    metavar="N",
    type=click.IntRange(1, 2**20),
    default=256,
    help="Requests of a model that may wait; further ones get 429 (256).",
)
@click.option("--timeout", metavar="SECONDS", type=FiniteRange(0.1, 86_400), default=30, help="Of a request (30).")
@click.option(
    "--drain", metavar="SECONDS", type=FiniteRange(0, 86_400), default=30, help="To answer requests at the end (30)."
)
@click.option(
    "--drain-delay",
    metavar="SECONDS",
    type=FiniteRange(0, 3600),
    default=1,
    help="From `not ready` to the end of listening (1).",
)
@click.option("--tls-cert", "tls_certificate", metavar="FILE", type=_FILE, help="Certificate (PEM): serve TLS.")
@click.option("--tls-key", metavar="FILE", type=_FILE, help="Its key (PEM).")
@click.option("--token-file", metavar="FILE", type=_FILE, help="Accept only requests with a bearer token of FILE.")
@click.option(
    "--log",
    "log_format",
    type=click.Choice([str(one) for one in LogFormat]),
    help="Format of the log on stderr (text on a terminal, else json).",
)
@click.option("--traces", is_flag=True, help="Export OpenTelemetry spans, as the variables OTEL_* say.")
@click.option("--weights", metavar="FILE", help="Checkpoint to compile a specification with.")
@device_options()
@network_options
@command_options
def command(
    terminal: Terminal,
    models: Sequence[str],
    grpc_port: int,
    no_grpc: bool,
    max_delay: float | None,
    log_format: str | None,
    weights: str | None,
    device: DeviceOptions,
    network: NetworkOptions,
    **options: object,
) -> None:
    """Serve models over HTTP and gRPC with the Open Inference Protocol, as Triton does.

    MODEL is an ONNX file, a specification, which is compiled, or a folder that `resdsl package` wrote: its models are
    served, and new versions of them when they appear. NAME=MODEL names a file.

    Images can be sent as they are: curl --data-binary @photo.jpg http://127.0.0.1:8000/predict
    """
    build = Build(replace(INFERENCE, weights=weights), network)
    for model in models:
        require_use(model.rpartition("=")[2], build)
    if (options["tls_certificate"] is None) != (options["tls_key"] is None):
        raise click.UsageError("TLS needs both --tls-cert and --tls-key")
    if device.cuda_graphs and options["instances"] not in (None, 1):
        raise click.UsageError("--cuda-graphs records one batch at a time, so it needs --instances 1")
    chosen = LogFormat(log_format or ("text" if sys.stderr.isatty() else "json"))
    made = ServeOptions(
        grpc_port=None if no_grpc else grpc_port,
        max_delay_ms=max_delay,
        log_format=chosen,
        **options,  # type: ignore[arg-type]  # click has converted them
    )

    def started(address: Address, names: Sequence[str]) -> None:
        if terminal.as_json:
            terminal.data({"url": address.url, "grpc_port": address.grpc_port, "models": list(names)})
            sys.stdout.flush()
        elif chosen is LogFormat.TEXT:
            terminal.say(f"{', '.join(names)} on {address.url}: open it, or end the server with Ctrl-C")

    serve(models, made, build=build, device=device, started=started)
