"""The update of weights, as nodes of a training step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resdsl.ir.graph import Parameter
from resdsl.training.nodes import Nodes
from resdsl.training.options import StepOptions

LEARNING_RATE = "learning_rate"
NEXT = ":next"
"""What the name of a new value ends in. Labels contain no colon, so these names are free."""

_SCALE, _GOOD_RUNS, _UPDATES, _RUN = "step:loss_scale", "step:good_runs", "step:updates", "step:run"

_FIRST_SCALE = 65536.0
_GROWTH_RUNS = 2000
"""Loss scale and runs until it doubles, as in ``torch.amp.GradScaler``."""


@dataclass(frozen=True, slots=True)
class StateTensor:
    """A tensor that a step takes as ``name`` and gives as ``name:next``.

    ``kind`` is ``parameter`` for a tensor of a checkpoint, and ``optimizer`` for others, which start at ``initial``.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    kind: str
    initial: float = 0.0

    @property
    def next(self) -> str:
        """The name of the output."""
        return self.name + NEXT


class Optimizer:
    """Adds the update of all tensors to a step. ``state`` is what it needs beside them."""

    def __init__(self, nodes: Nodes, options: StepOptions) -> None:
        self._nodes = nodes
        self._options = options
        self.state: list[StateTensor] = []
        self.scaled = options.precision == "mixed"
        self.norm = ""
        self.finite = ""

    def scale(self, gradient: str) -> str:
        """The gradient of the loss, scaled where gradients are in float16."""
        return self._nodes("Mul", gradient, _SCALE) if self.scaled else gradient

    def update(self, parameters: Mapping[str, Parameter], gradients: Mapping[str, str]) -> None:
        """New values of ``parameters``, which have these gradients; ``norm`` is that of all, ``finite`` if it is."""
        nodes, options = self._nodes, self._options
        nodes.scope("step:update")
        apply: str | None = None
        if options.accumulate > 1:
            gradients, apply = self._accumulated(parameters, gradients)
        squares = [nodes("ReduceSumSquare", gradient, keepdims=0) for gradient in gradients.values()]
        apart = [nodes("Unsqueeze", square, nodes.integers(0)) for square in squares]
        total = nodes("ReduceSum", nodes("Concat", *apart, axis=0), keepdims=0)
        norm = nodes("Sqrt", total)
        factor: str | None = None
        if self.scaled:
            factor = nodes("Reciprocal", _SCALE)
            norm = nodes("Mul", norm, factor)
        self.norm = nodes("Identity", norm, output="gradient_norm")
        self.finite = nodes("Equal", nodes("Sub", norm, norm), nodes.number(0.0), output="finite")
        if options.clip_norm is not None:
            clip = nodes("Div", nodes.number(options.clip_norm), nodes("Add", norm, nodes.number(1e-6)))
            clip = nodes("Min", clip, nodes.number(1.0))
            factor = clip if factor is None else nodes("Mul", factor, clip)
        if self.scaled:
            done = self._adapt_scale(apply)
            apply = done if apply is None else nodes("And", apply, done)
        # Every new value is computed after the norm, and so after all gradients: none of the old values is read later,
        # and the new ones can be written in their place.
        rate = nodes("Where", self.finite, LEARNING_RATE, LEARNING_RATE)
        scaled = {name: nodes("Mul", one, factor) if factor else one for name, one in gradients.items()}
        rule = self._sgd if options.optimizer == "sgd" else self._adamw
        rule(parameters, scaled, rate, apply)

    def _new(self, name: str, value: str, apply: str | None) -> None:
        """The new value of a tensor of the state; the old one where nothing is applied."""
        if apply is None:
            self._nodes("Identity", value, output=name + NEXT)
        else:
            self._nodes("Where", apply, value, name, output=name + NEXT)

    def _keep(self, name: str, shape: tuple[int, ...], dtype: str = "float32", initial: float = 0.0) -> str:
        self.state.append(StateTensor(name, dtype, shape, "optimizer", initial))
        return name

    def _accumulated(
        self, parameters: Mapping[str, Parameter], gradients: Mapping[str, str]
    ) -> tuple[Mapping[str, str], str]:
        """The sums over runs so far, and whether this run is the last before an update."""
        nodes, count = self._nodes, self._options.accumulate
        run = nodes("Add", self._keep(_RUN, (), "int64"), nodes.integer(1))
        last = nodes("Equal", run, nodes.integer(count))
        nodes("Where", last, nodes.integer(0), run, output=_RUN + NEXT)
        totals: dict[str, str] = {}
        for name, gradient in gradients.items():
            before = self._keep(f"{name}:gradient", parameters[name].shape)
            totals[name] = nodes("Add", before, nodes("Div", gradient, nodes.number(count)))
            nodes("Where", last, nodes.number(0.0), totals[name], output=before + NEXT)
        return totals, last

    def _adapt_scale(self, last: str | None) -> str:
        """Whether the gradients are finite. If not, the loss scale is halved; after many that are, it is doubled."""
        nodes, finite = self._nodes, self.finite
        self._keep(_SCALE, (), initial=_FIRST_SCALE)
        good = nodes("Add", self._keep(_GOOD_RUNS, (), "int64"), nodes.integer(1))
        grows = nodes("Equal", good, nodes.integer(_GROWTH_RUNS))
        more = nodes("Where", grows, nodes("Mul", _SCALE, nodes.number(2.0)), _SCALE)
        scale = nodes("Where", finite, more, nodes("Mul", _SCALE, nodes.number(0.5)))
        good = nodes("Where", nodes("Or", grows, nodes("Not", finite)), nodes.integer(0), good)
        self._new(_SCALE, scale, last)
        self._new(_GOOD_RUNS, good, last)
        return finite

    def _decay(self, parameter: Parameter) -> float:
        decays = self._options.decay_norms_and_biases or len(parameter.shape) > 1
        return self._options.weight_decay if decays else 0.0

    def _sgd(
        self, parameters: Mapping[str, Parameter], gradients: Mapping[str, str], rate: str, apply: str | None
    ) -> None:
        """``m' = momentum * m + g + decay * w``, ``w' = w - rate * m'`` (with Nesterov ``g + momentum * m'``)."""
        nodes, options = self._nodes, self._options
        momentum = nodes.number(options.momentum)
        for name, parameter in parameters.items():
            change = gradients[name]
            if decay := self._decay(parameter):
                change = nodes("Add", change, nodes("Mul", name, nodes.number(decay)))
            if options.momentum:
                kept = self._keep(f"{name}:momentum", parameter.shape)
                moved = nodes("Add", nodes("Mul", kept, momentum), change)
                self._new(kept, moved, apply)
                change = nodes("Add", change, nodes("Mul", moved, momentum)) if options.nesterov else moved
            self._new(name, nodes("Sub", name, nodes("Mul", change, rate)), apply)

    def _adamw(
        self, parameters: Mapping[str, Parameter], gradients: Mapping[str, str], rate: str, apply: str | None
    ) -> None:
        """``w' = (1 - rate * decay) * w - rate * c1 * m' / (sqrt(c2 * v') + eps)``, where ``m`` and ``v`` are means of
        ``g`` and ``g^2``, and ``c = 1 / (1 - beta^t)`` (Loshchilov & Hutter 2019, algorithm 2).
        """
        nodes, options = self._nodes, self._options
        count = nodes("Add", self._keep(_UPDATES, (), "int64"), nodes.integer(1))
        self._new(_UPDATES, count, apply)
        done, one = nodes("Cast", count, to=1), nodes.number(1.0)
        corrections = [nodes("Sub", one, nodes("Pow", nodes.number(beta), done)) for beta in options.betas]
        step = nodes("Div", rate, corrections[0])
        root = nodes("Sqrt", corrections[1])
        (first, second), eps = options.betas, nodes.number(options.eps)
        for name, parameter in parameters.items():
            gradient = gradients[name]
            mean, square = (self._keep(f"{name}:{what}", parameter.shape) for what in ("mean", "square"))
            new_mean = nodes(
                "Add", nodes("Mul", mean, nodes.number(first)), nodes("Mul", gradient, nodes.number(1 - first))
            )
            squared = nodes("Mul", nodes("Mul", gradient, gradient), nodes.number(1 - second))
            new_square = nodes("Add", nodes("Mul", square, nodes.number(second)), squared)
            self._new(mean, new_mean, apply)
            self._new(square, new_square, apply)
            below = nodes("Add", nodes("Div", nodes("Sqrt", new_square), root), eps)
            weight = name
            if decay := self._decay(parameter):
                weight = nodes("Mul", name, nodes("Sub", one, nodes("Mul", rate, nodes.number(decay))))
            self._new(name, nodes("Sub", weight, nodes("Mul", nodes("Div", new_mean, below), step)), apply)
