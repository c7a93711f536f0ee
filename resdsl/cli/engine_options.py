"""Options for where images are run: in this process, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click

from resdsl.ray.cluster import Cluster

Function = TypeVar("Function", bound=Callable[..., Any])


def engine_options(function: Function) -> Function:
    """``--engine``, ``--address``, ``--actors``, ``--partition``; the command gets one ``cluster: Cluster | None``."""
    defaults = Cluster()
    decorators = (
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            help="local: this process; ray: a Ray cluster, which writes a folder of partitions.",
        ),
        click.option(
            "--address",
            metavar="ADDRESS",
            help="Ray: auto, ray://HOST:PORT or HOST:PORT (default: RAY_ADDRESS, or a cluster of this machine).",
        ),
        click.option("--actors", type=click.IntRange(1), help="Ray: copies of the model (default: as many as fit)."),
        click.option(
            "--partition",
            type=click.IntRange(1),
            help=f"Ray: images in a partition (default: {defaults.partition}).",
        ),
    )

    @wraps(function)
    def command(
        *given: Any, engine: str, address: str | None, actors: int | None, partition: int | None, **others: Any
    ) -> Any:
        used = {"--address": address, "--actors": actors, "--partition": partition}
        for option, value in used.items():
            if value is not None and engine != "ray":
                raise click.UsageError(f"{option} needs --engine ray")
        cluster = Cluster(address, actors, partition or defaults.partition) if engine == "ray" else None
        return function(*given, cluster=cluster, **others)

    decorated: Any = command
    for decorator in reversed(decorators):
        decorated = decorator(decorated)
    return cast("Function", decorated)
