"""``resdsl compile --train``: write a training step."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from resdsl.analysis.quantities import short, size
from resdsl.files import explained
from resdsl.inputs import as_one_run
from resdsl.specification.specification import Specification
from resdsl.training import TrainingStep, training_step
from resdsl.training.options import StepOptions

_ALSO = frozenset(
    {"spec", "output", "train", "step", "model", "arguments", "input_shape", "raised", "allow_outside"}
    | {"as_json", "quiet", "color"}
)
"""The parameters of the command that a training step depends on."""


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """What was written."""

    target: str
    step: TrainingStep
    parameters: int
    bytes: int

    def __str__(self) -> str:
        state = f"{len(self.step.state)} tensors of state, {len(self.step.frozen)} frozen"
        facts = f"a training step of {short(self.parameters)} parameters, {size(self.bytes)}; {state}"
        return f"{self.target}: {facts}"

    @property
    def data(self) -> dict[str, object]:
        return {
            "output": None if self.target == "-" else self.target,
            "parameters": self.parameters,
            "bytes": self.bytes,
            "inputs": [dataclasses.asdict(port) for port in self.step.inputs],
            "outputs": [dataclasses.asdict(port) for port in self.step.outputs],
            "state": {one.name: {"kind": one.kind, "initial": one.initial} for one in self.step.state},
            "frozen": [one.name for one in self.step.frozen],
        }


@as_one_run
def write_step(specification: Specification, target: str, options: StepOptions) -> WrittenStep:
    """Write the training step of a network to a file, whole or not at all, or to standard output (``-``)."""
    graph = specification.graph
    step = training_step(graph, options)
    content = step.model_bytes()
    if target == "-":
        with explained(Path("-")):
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
    else:
        step.write(Path(target))
    return WrittenStep(target, step, graph.parameter_count, len(content))


def step_options(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> StepOptions | None:
    """The options of ``--step NAME=VALUE``; ``None`` where there are none."""
    fields = {field.name: field for field in dataclasses.fields(StepOptions)}
    given: dict[str, Any] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or name not in fields:
            raise click.BadParameter(f"'{text}' is not NAME=VALUE with one of {', '.join(fields)}", ctx, option)
        try:
            if name == "frozen":
                given[name] = (*given.get(name, ()), value)
            else:
                given[name] = _value(getattr(StepOptions(), name), value)
        except ValueError:
            raise click.BadParameter(f"'{text}' is not a value of {name}", ctx, option) from None
    try:
        return StepOptions(**given) if given else None
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from None


def _value(default: object, text: str) -> object:
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise ValueError
        return text == "true"
    if isinstance(default, str):
        return text
    if isinstance(default, tuple):
        first, second = text.split(",")
        return float(first), float(second)
    return int(text) if isinstance(default, int) else float(text)


def require_no_others(ctx: click.Context) -> None:
    """Raise ``UsageError`` for options that say how a model for inference is written."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        given = ctx.get_parameter_source(name) not in (ParameterSource.DEFAULT, None)
        if given and name not in _ALSO and parameter.expose_value:
            raise click.UsageError(f"{parameter.opts[0]} has no effect with --train")
