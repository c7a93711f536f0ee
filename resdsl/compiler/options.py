"""Compile options: one object for the command line, the Python API, the passes and the emitter."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from resdsl.ir.operator import OPSET
from resdsl.ir.preprocess import Preprocess
from resdsl.ir.types import DType
from resdsl.weights.checkpoint import Checkpoint
from resdsl.weights.initial import Scheme

_BFLOAT16_OPSET = 22
"""The first operator set with bfloat16 convolution and pooling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileOptions:
    """How a network is compiled. Raises ``ValueError`` for an ``init`` or a ``precision`` that does not exist."""

    weights: str | os.PathLike[str] | Checkpoint | None = None
    """A file, an address, or a checkpoint from ``resdsl.read_weights``; tensors are matched by name."""

    renames: Mapping[str, str] = field(default_factory=dict)
    """Parts of the checkpoint's tensor names, and their replacements: ``{"backbone.body": "", "norm1": "bn1"}``."""

    ignore: tuple[str, ...] = ()
    """Patterns of tensor names in the checkpoint to ignore: ``("aux.*",)``."""

    partial: bool = False
    """Tensors that do not match keep their initial values, with a warning; by default all must match."""

    new_head: bool = False
    """A classifier for another number of classes than that of the checkpoint keeps its initial values, with a warning:
    to train it. The rest must match."""

    keep_preprocess: bool = False
    """Keep the specification's preprocessing and labels if the weights come with others (timm's ``config.json``)."""

    labels: tuple[str, ...] | None = None
    """The names of the classes, in place of those that the specification or the weights have."""

    preprocess: Preprocess | None = None
    """How an image becomes the input, in place of what the specification or the weights say."""

    init: Scheme = Scheme.HE_NORMAL
    """Initialisation of weights that are not loaded, from ``seed`` and the name of each tensor."""

    seed: int = 0

    zero_init_residual: bool = False
    """Start every residual block as the identity (Goyal et al. 2017, section 5.1)."""

    optimize: int = 0
    """Optimisation level: 0 is the graph as written, 1 folds batch norms, merges pads and drops operators without
    effect, 2 also folds ``scale`` factors into weights."""

    aux: bool = False
    """Heads that only training needs (``aux``) are part of the model, and what they give are outputs."""

    precision: DType = DType.F32
    """Type of weights and arithmetic: ``f32``, ``f16`` or ``bf16``. Inputs and outputs stay ``f32``."""

    embed_preprocess: bool = False
    """Include preprocessing in the model, which then takes raw images: ``u8[N, height, width, channels]``."""

    opset: int = OPSET
    """ONNX operator set, from ``resdsl.ir.operator.OPSET`` to ``NEWEST_OPSET``; ``bf16`` needs 22 and raises it."""

    external_data: bool | None = None
    """Write weights to a file beside the model; ``None``: only for models above 2 GB."""

    for_runtime: bool = False
    """Let ONNX Runtime optimise the model for the CPU of this machine: it loads faster, and runs only here."""

    def __post_init__(self) -> None:
        # Python callers may pass plain strings.
        if self.labels is not None:
            object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "init", Scheme(self.init))
        object.__setattr__(self, "precision", DType(self.precision))

    @property
    def written_opset(self) -> int:
        """The operator set to write: ``opset``, or the first that supports the precision."""
        return max(self.opset, _BFLOAT16_OPSET) if self.precision is DType.BF16 else self.opset


INFERENCE = CompileOptions(optimize=1)
"""Options for a specification that is compiled to a temporary file and run."""
